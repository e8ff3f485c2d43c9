package analytics

const (
	chan1983    = "T. F. Chan, G. H. Golub, R. J. LeVeque: Algorithms for computing the sample variance. The American Statistician 37 (1983)"
	neumaier    = "A. Neumaier: Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen. ZAMM 54 (1974)"
	hyndman     = "R. J. Hyndman, Y. Fan: Sample quantiles in statistical packages. The American Statistician 50 (1996), type 7; selection after R. W. Floyd, R. L. Rivest (1975)"
	spreadNotes = "With an infinite value among them, and where the squares exceed the range of a float64, it is NaN or infinite."
)

// aggregateSpecs are the aggregates that do not look at order.
func aggregateSpecs() []Spec {
	return []Spec{
		{
			Name: "count", Kind: Aggregating, Stats: StatsAlways, Strings: true,
			Short:   "number of values",
			Doc:     "Counts the observations that are not gaps. Of nothing it is 0. Strings are counted, too.",
			Formula: "n", Example: "metric:cpu | count by host",
			aggregate: one("count", newCounts), strings: newTexts(textCount),
		},
		{
			Name: "nans", Aliases: []string{"gaps"}, Kind: Aggregating, Stats: StatsAlways,
			Short:   "number of gaps",
			Doc:     "Counts the observations that are NaN, which all other functions skip.",
			Formula: "|{i : vᵢ is NaN}|", Example: "* | nans by metric",
			aggregate: one("nans", newGaps),
		},
		{
			Name: "sum", Kind: Aggregating, Stats: StatsAlways,
			Short:   "sum of the values",
			Doc:     "The sum, compensated, so that its error does not grow with the number of values. With infinite values of one sign it is infinite, with both it is NaN; so it is where a part of the sum is beyond the range of a float64.",
			Formula: "Σ vᵢ", Source: neumaier, Example: "metric:bytes | sum by host every 1h",
			aggregate: one("sum", newSums),
		},
		{
			Name: "mean", Aliases: []string{"avg", "average"}, Kind: Aggregating, Stats: StatsAlways,
			Short:   "arithmetic mean of the values",
			Doc:     "The compensated sum divided by the number of values. Each value counts the same, however long it held.",
			Formula: "Σ vᵢ / n", Source: neumaier, Example: "metric:cpu | mean by host every 1m",
			aggregate: one("mean", newMeans),
		},
		{
			Name: "min", Kind: Aggregating, Stats: StatsAlways,
			Short: "least value", Doc: "The least value. −0 counts as 0.",
			Formula: "min vᵢ", Example: "metric:free | min by host",
			aggregate: one("min", newExtremes(least)),
		},
		{
			Name: "max", Kind: Aggregating, Stats: StatsAlways,
			Short: "greatest value", Doc: "The greatest value. −0 counts as 0.",
			Formula: "max vᵢ", Example: "metric:cpu | max by host",
			aggregate: one("max", newExtremes(greatest)),
		},
		{
			Name: "range", Aliases: []string{"spread"}, Kind: Aggregating, Stats: StatsAlways,
			Short: "greatest value less the least", Doc: "The difference of max and min. It is NaN where both are the same infinity.",
			Formula: "max vᵢ − min vᵢ", Example: "metric:temperature | range by host every 1d",
			aggregate: one("range", newExtremes(spread)),
		},
		{
			Name: "stddev", Aliases: []string{"dev"}, Kind: Aggregating, Stats: StatsAlways,
			Short:   "standard deviation of the sample",
			Doc:     "The square root of stdvar, in the unit of the values. Of one value it is NaN. " + spreadNotes,
			Formula: "√( Σ (vᵢ − mean)² / (n − 1) )", Source: chan1983, Example: "metric:cpu | stddev by host",
			aggregate: one("stddev", newSpreads(1, true)),
		},
		{
			Name: "stdvar", Aliases: []string{"var", "variance"}, Kind: Aggregating, Stats: StatsAlways,
			Short:   "variance of the sample",
			Doc:     "Computed in two passes over small blocks, and merged; it does not lose its digits where the mean is large. Of one value it is NaN. " + spreadNotes,
			Formula: "Σ (vᵢ − mean)² / (n − 1)", Source: chan1983, Example: "metric:cpu | stdvar by host",
			aggregate: one("stdvar", newSpreads(1, false)),
		},
		{
			Name: "stddev_pop", Kind: Aggregating, Stats: StatsAlways,
			Short:   "standard deviation of the population",
			Doc:     "As stddev, for values that are all there is and not a sample: divided by n. Of one value it is 0. " + spreadNotes,
			Formula: "√( Σ (vᵢ − mean)² / n )", Source: chan1983, Example: "metric:cpu | stddev_pop by host",
			aggregate: one("stddev_pop", newSpreads(0, true)),
		},
		{
			Name: "stdvar_pop", Kind: Aggregating, Stats: StatsAlways,
			Short:   "variance of the population",
			Doc:     "As stdvar, divided by n. Of one value it is 0. " + spreadNotes,
			Formula: "Σ (vᵢ − mean)² / n", Source: chan1983, Example: "metric:cpu | stdvar_pop by host",
			aggregate: one("stdvar_pop", newSpreads(0, false)),
		},
		{
			Name: "median", Kind: Aggregating, Stats: StatsConstant,
			Short:   "value in the middle",
			Doc:     "The same as `p 0.5`: exact, and of an even number of values the mean of the middle two.",
			Formula: "p 0.5", Source: hyndman, Example: "metric:latency | median by service every 5m",
			aggregate: one("median", newMedians),
		},
		{
			Name: "p", Aliases: []string{"percentile", "quantile"}, Kind: Aggregating, Stats: StatsConstant,
			Args: []Arg{{
				Name: "q", Doc: "part of the values that lie below", Min: 0, Max: 1, Many: true,
			}},
			Short:   "percentiles",
			Doc:     "Exact percentiles, one for each q, between two values on the line between them. All values are kept until the end, 8 bytes each, but for constant chunks. Between a finite and an infinite value lies the infinite one; between −Inf and +Inf NaN.",
			Formula: "v₍ₖ₎ + (h − k)·(v₍ₖ₊₁₎ − v₍ₖ₎), h = (n − 1)·q, k = ⌊h⌋, v₍₀₎ ≤ v₍₁₎ ≤ …", Source: hyndman,
			Example:   "metric:latency | p 0.5 0.95 0.99 by service",
			aggregate: newPercentiles,
		},
		{
			Name: "distinct", Kind: Aggregating, Stats: StatsConstant, Strings: true,
			Short:   "number of different values",
			Doc:     "Counts exactly, by a set of what was seen, about 16 bytes for each different value. −0 and 0 are one value. Of nothing it is 0. Strings are compared byte by byte.",
			Formula: "|{vᵢ}|", Example: "metric:version | distinct by service",
			aggregate: one("distinct", newDistincts), strings: newTexts(textDistinct),
		},
	}
}

// positionSpecs are the aggregates that look at the first and the last value.
func positionSpecs() []Spec {
	const ties = " Of a group, where two series have that stamp, the greater one."
	return []Spec{
		{
			Name: "first", Kind: Aggregating, Stats: StatsAlways, Strings: true,
			Short: "earliest value", Doc: "The value with the least stamp, gaps skipped, bit for bit." + ties,
			Formula: "v₁", Example: "metric:version | first by host",
			aggregate: one("first", newEnds(firstValue)), strings: newTexts(textFirst),
		},
		{
			Name: "last", Kind: Aggregating, Stats: StatsAlways, Strings: true,
			Short: "latest value", Doc: "The value with the greatest stamp, gaps skipped, bit for bit." + ties,
			Formula: "vₙ", Example: "metric:disk | last by host",
			aggregate: one("last", newEnds(lastValue)), strings: newTexts(textLast),
		},
		{
			Name: "diff", Kind: Aggregating, Stats: StatsAlways,
			Short: "distance from the first value to the last", Doc: "The magnitude of sdiff. Of one value it is 0.",
			Formula: "|vₙ − v₁|", Example: "metric:disk | diff by host every 1d",
			aggregate: one("diff", newEnds(distanceOf)),
		},
		{
			Name: "sdiff", Kind: Aggregating, Stats: StatsAlways,
			Short:   "last value less the first",
			Doc:     "The signed difference of the last and the first value. Of one value it is 0. In windows the first value is the first one of the window; delta takes the last one before it.",
			Formula: "vₙ − v₁", Example: "metric:disk | sdiff by host every 1d",
			aggregate: one("sdiff", newEnds(difference)),
		},
	}
}

// stepSpecs are the functions that look at the step from one value to the next.
func stepSpecs() []Spec {
	const windows = " In windows a step belongs to the one in which it ends, so that what the windows say adds up to what the whole span says; where no step ends it is NaN. Gaps are skipped: the step across a gap is one step. It looks at one series at a time: group its results, as in `… every 5m | sum by host`."
	return []Spec{
		{
			Name: "increase", Kind: Aggregating, Stats: StatsConstant, PerSeries: true,
			Short:   "growth of a counter, resets repaired",
			Doc:     "How much a counter grew from the first value to the last. A value below the one before it means that the counter began again at zero: the value before is made up for." + windows + " Nothing is extrapolated to the borders of the span, as Prometheus does: integers stay integers, and growth between two windows is counted once.",
			Formula: "vₙ − v₀ + Σ { vᵢ₋₁ : vᵢ < vᵢ₋₁ }, v₀ the last value before the window where there is one, else v₁",
			Example: "metric:requests_total | increase every 1h", aggregate: one("increase", newSteps(increase)),
		},
		{
			Name: "rate", Kind: Transforming, Stats: StatsConstant, PerSeries: true, Windows: true,
			Short:   "growth of a counter per second",
			Doc:     "Without `every`: from each value to the next, stamped at the later one. With `every`: the increase of each window, divided by the seconds from the first value that it looks at to the last, not by the length of the window, so that it is right for windows that are not full." + windows,
			Formula: "(vᵢ − vᵢ₋₁) / (tᵢ − tᵢ₋₁), or vᵢ / (tᵢ − tᵢ₋₁) where vᵢ < vᵢ₋₁; of windows: increase / (tₙ − t₀)",
			Example: "metric:requests_total | rate every 5m", aggregate: one("rate", newSteps(rate)),
			transform: func([]float64) Transform { return &slopes{counter: true} },
		},
		{
			Name: "delta", Kind: Aggregating, Stats: StatsAlways, PerSeries: true,
			Short:   "change of a gauge",
			Doc:     "The last value less the one before the first step." + windows,
			Formula: "vₙ − v₀, v₀ the last value before the window where there is one, else v₁",
			Example: "metric:disk_used | delta every 1d", aggregate: one("delta", newSteps(delta)),
		},
		{
			Name: "derivative", Aliases: []string{"deriv"}, Kind: Transforming, Stats: StatsAlways, PerSeries: true, Windows: true,
			Short:   "change per second",
			Doc:     "Without `every`: the slope from each value to the next, per second, stamped at the later one. With `every`: the delta of each window divided by the seconds between the two values." + windows,
			Formula: "(vᵢ − vᵢ₋₁) / (tᵢ − tᵢ₋₁); of windows: (vₙ − v₀) / (tₙ − t₀)",
			Example: "metric:temperature | derivative", aggregate: one("derivative", newSteps(derivative)),
			transform: func([]float64) Transform { return &slopes{} },
		},
		{
			Name: "integral", Kind: Aggregating, Stats: StatsConstant, PerSeries: true,
			Args: []Arg{{
				Name: "rule", Words: []string{"trapezoid", "step"}, Optional: true,
				Doc: "`trapezoid`: the line from value to value; `step`: each value holds until the next",
			}},
			Short:   "area under the values, in their unit times seconds",
			Doc:     "Power in watts becomes energy in joules." + windows,
			Formula: "Σ (vᵢ₋₁ + vᵢ)/2 · (tᵢ − tᵢ₋₁), or Σ vᵢ₋₁ · (tᵢ − tᵢ₋₁)",
			Example: "metric:power | integral every 1h",
			aggregate: func(args []float64) Aggregate {
				if args[0] == 1 {
					return one("integral step", newSteps(integralSteps))(nil)
				}
				return one("integral", newSteps(integral))(nil)
			},
		},
	}
}

// transformSpecs are the functions that make a series out of a series and nothing else.
func transformSpecs() []Spec {
	k := []Arg{{Name: "k", Unit: "unit of the series", Doc: "a number, or a query in parentheses"}}
	factor := []Arg{{Name: "k", Doc: "a number, or a query in parentheses"}}
	const gaps, pairs = "Gaps stay gaps.", " With a query, each series meets the one of the same dimensions (those after `on`, else the common ones), and each observation the one with the same stamp."
	return []Spec{
		{
			Name: "add", Kind: Transforming, Args: k, Options: "[on DIMENSION,…]", Short: "add a number to each value",
			Doc: gaps + pairs, Formula: "vᵢ + k", Example: "metric:temperature | add 273.15",
			transform: newScalar(Add),
		},
		{
			Name: "sub", Kind: Transforming, Args: k, Options: "[on DIMENSION,…]", Short: "subtract a number from each value",
			Doc: gaps + pairs, Formula: "vᵢ − k", Example: "metric:temperature | sub 32 | div 1.8",
			transform: newScalar(Sub),
		},
		{
			Name: "mul", Aliases: []string{"scale"}, Kind: Transforming, Args: factor, Options: "[on DIMENSION,…]", Short: "multiply each value by a number",
			Doc: gaps + pairs, Formula: "vᵢ · k", Example: "metric:ratio | mul 100",
			transform: newScalar(Mul),
		},
		{
			Name: "div", Aliases: []string{"divide"}, Kind: Transforming, Args: factor, Options: "[on DIMENSION,…]", Short: "divide each value by a number",
			Doc:     gaps + " Divided by 0, values become infinite, and 0 becomes NaN." + pairs,
			Formula: "vᵢ / k", Example: "metric:heap_bytes | div 1048576",
			transform: newScalar(Div),
		},
		{
			Name: "abs", Kind: Transforming, Short: "magnitude of each value",
			Doc: gaps, Formula: "|vᵢ|", Example: "metric:offset | abs | max by host",
			transform: func([]float64) Transform { return absolute{} },
		},
		{
			Name: "fill", Kind: Transforming, Whole: true,
			Args: []Arg{
				{Name: "how", Words: []string{"previous", "linear", "value"}, Doc: "the last value before; the line between the neighbours; a given value"},
				{Name: "k", Unit: "unit of the series", Optional: true, Doc: "the value, for `value`"},
			},
			Short:   "put values where gaps are",
			Doc:     "After `every`, a window without a value is not in the result; fill puts it there. `previous` leaves out those before the first value, `linear` also those after the last. `fill 0` is short for `fill value 0`, and `fill none` fills nothing.",
			Formula: "vₐ, or vₐ + (vᵦ − vₐ)·(t − tₐ)/(tᵦ − tₐ), or k", Example: "metric:cpu | mean every 1m | fill linear",
			transform: newFill,
		},
	}
}

// filterSpecs are the functions that choose among series, or order them.
func filterSpecs() []Spec {
	n := []Arg{{Name: "n", Doc: "how many series", Min: 0, Max: 1 << 53, Whole: true}}
	few := []Arg{{Name: "n", Doc: "how many observations of each series", Min: 0, Max: 1 << 53, Whole: true}}
	const by = " The aggregate is taken of each series, or of what the stages before made of it; without one, it is the value of a series that has only one, and else the mean. Series for which it is NaN come last."
	return []Spec{
		{
			Name: "limit", Kind: Filtering, Args: n, Short: "keep the first n series",
			Doc: "Of fewer than n series all stay.", Example: "metric:cpu | mean by host | limit 10",
		},
		{
			Name: "head", Kind: Filtering, Args: few, Short: "keep the first n observations of each series",
			Doc: "Of fewer than n all stay. Behind a selector, only the chunks that hold them are read.", Example: "metric:cpu | head 3",
		},
		{
			Name: "tail", Kind: Filtering, Args: few, Short: "keep the last n observations of each series",
			Doc:     "Of fewer than n all stay. Behind a selector, only the chunks that hold them are read; behind windows, only the last ones, where those are as many as are kept.",
			Example: "metric:cpu | max by nothing every 1m | tail 5",
		},
		{
			Name: "where", Kind: Filtering, Options: "OP k | (QUERY) [on NAMES]", Short: "keep the observations for which a condition holds",
			Doc:     "`where > 90` keeps the observations whose value is greater than 90, as they are; OP is one of `<` `<=` `>` `>=` `==` `!=`, and none holds for a gap. Of single values, it keeps the rows. Behind a selector, chunks whose statistics rule it out are not read. `where (QUERY) on host` keeps the observations at whose stamp a series of the query with the same `host` has one, too: all that happened when that happened. Without `on`, the dimensions that both sides have must match, but for the metric's name where no metric is on both sides.",
			Example: "host:web1 | where (metric:cpu | where > 90) on host",
		},
		{
			Name: "sort", Kind: Filtering, Options: "[by AGGREGATE] [asc|desc]", Short: "order the series",
			Doc: "Orders by rising values of an aggregate, or with `desc` by falling ones. Equal ones keep their order." + by, Example: "metric:cpu | mean by host | sort desc",
		},
		{
			Name: "top", Kind: Filtering, Args: n, Options: "[by AGGREGATE]", Short: "keep the n series with the greatest values",
			Doc: "Orders the series by falling values, and keeps n; of fewer than n all stay." + by, Example: "metric:cpu | top 5 by max",
		},
		{
			Name: "bottom", Kind: Filtering, Args: n, Options: "[by AGGREGATE]", Short: "keep the n series with the least values",
			Doc: "Orders the series by rising values, and keeps n; of fewer than n all stay." + by, Example: "metric:free | bottom 5 by min",
		},
	}
}
