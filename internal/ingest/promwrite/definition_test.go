package promwrite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/chronodex/chronodex/chunk"
)

// A told is what a message says of one series, by the generated types.
type told struct {
	labels     [][2]string
	bad        bool // its references lead nowhere
	samples    []writev2.Sample
	histograms []toldHistogram
	exemplars  []toldExemplar
	metadata   Metadata
	family     *string // that the metadata is of; nil means the series' own metric
	empty      bool    // having nothing is wrong
}

type toldHistogram struct {
	ms int64
	Histogram
}

type toldExemplar struct {
	ms     int64
	labels [][2]string
	bad    bool
	value  float64
}

// toldV1 returns what a 1.0 message says.
func toldV1(r *prompb.WriteRequest) (all []told) {
	labelsOf := func(ls []prompb.Label) (out [][2]string) {
		for _, l := range ls {
			out = append(out, [2]string{l.Name, l.Value})
		}
		return out
	}
	for _, ts := range r.Timeseries {
		t := told{labels: labelsOf(ts.Labels)}
		for _, s := range ts.Samples {
			t.samples = append(t.samples, writev2.Sample{Value: s.Value, Timestamp: s.Timestamp})
		}
		for _, h := range ts.Histograms {
			if h.IsFloatHistogram() {
				t.histograms = append(t.histograms, toldHistogram{h.Timestamp, Histogram{Float: h.ToFloatHistogram()}})
			} else {
				t.histograms = append(t.histograms, toldHistogram{h.Timestamp, Histogram{Int: h.ToIntHistogram()}})
			}
		}
		for _, e := range ts.Exemplars {
			t.exemplars = append(t.exemplars, toldExemplar{ms: e.Timestamp, labels: labelsOf(e.Labels), value: e.Value})
		}
		all = append(all, t)
	}
	for _, m := range r.Metadata {
		all = append(all, told{
			labels: [][2]string{{NameLabel, "x"}}, family: &m.MetricFamilyName,
			metadata: Metadata{strings.ToLower(m.Type.String()), m.Help, m.Unit},
		})
		if m.Type == prompb.MetricMetadata_UNKNOWN || prompb.MetricMetadata_MetricType_name[int32(m.Type)] == "" {
			all[len(all)-1].metadata.Type = ""
		}
	}
	return all
}

// toldV2 returns what a 2.0 message says.
func toldV2(r *writev2.Request) (all []told) {
	labelsOf := func(refs []uint32) (out [][2]string, bad bool) {
		for i := 0; i+1 < len(refs); i += 2 {
			if int64(refs[i]) >= int64(len(r.Symbols)) || int64(refs[i+1]) >= int64(len(r.Symbols)) {
				return nil, true
			}
			out = append(out, [2]string{r.Symbols[refs[i]], r.Symbols[refs[i+1]]})
		}
		return out, len(refs)%2 != 0
	}
	for _, ts := range r.Timeseries {
		t := told{samples: ts.Samples}
		t.labels, t.bad = labelsOf(ts.LabelsRefs)
		created := createdOf(ts.XXX_unrecognized)
		for i := range t.samples {
			if t.samples[i].StartTimestamp == 0 {
				t.samples[i].StartTimestamp = created
			}
		}
		for _, h := range ts.Histograms {
			x := toldHistogram{h.Timestamp, Histogram{}}
			if start, ok := stamp(h.StartTimestamp); ok {
				x.Start = start
			}
			if start, ok := stamp(created); ok && x.Start == 0 {
				x.Start = start
			}
			if h.IsFloatHistogram() {
				x.Float = h.ToFloatHistogram()
			} else {
				x.Int = h.ToIntHistogram()
			}
			t.histograms = append(t.histograms, x)
		}
		for _, e := range ts.Exemplars {
			x := toldExemplar{ms: e.Timestamp, value: e.Value}
			x.labels, x.bad = labelsOf(e.LabelsRefs)
			t.exemplars = append(t.exemplars, x)
		}
		symbol := func(ref uint32) string {
			if ref == 0 || int(ref) >= len(r.Symbols) {
				return ""
			}
			return r.Symbols[ref]
		}
		if name := writev2.Metadata_MetricType_name[int32(ts.Metadata.Type)]; ts.Metadata.Type != 0 && name != "" {
			t.metadata.Type = strings.ToLower(strings.TrimPrefix(name, "METRIC_TYPE_"))
		}
		t.metadata.Help, t.metadata.Unit = symbol(ts.Metadata.HelpRef), symbol(ts.Metadata.UnitRef)
		t.empty = len(ts.Samples)+len(ts.Histograms)+len(ts.Exemplars) == 0 &&
			ts.Metadata.Type == 0 && ts.Metadata.HelpRef == 0 && ts.Metadata.UnitRef == 0
		all = append(all, t)
	}
	return all
}

// createdOf returns the field that older senders have beside those that the generated types know.
func createdOf(unknown []byte) (ms int64) {
	for len(unknown) > 0 {
		f, rest, err := next(unknown)
		if err != nil {
			return ms
		}
		if unknown = rest; f.num == 6 && f.typ == varint {
			ms = int64(f.val)
		}
	}
	return ms
}

// series returns the dimensions that labels should become, if they are those of a series.
func seriesOf(labels [][2]string) (chunk.Dimensions, bool) {
	var pairs []chunk.Dimension
	named := false
	for _, l := range labels {
		if l[0] == "" || !utf8.ValidString(l[0]) || !utf8.ValidString(l[1]) {
			return nil, false
		}
		named = named || l[0] == NameLabel && l[1] != ""
		pairs = append(pairs, chunk.Dimension{Name: DimensionName(l[0]), Value: l[1]})
	}
	d, err := chunk.NewDimensions(pairs...)
	return d, err == nil && named
}

// facts returns what the store should be given, a line an observation.
func facts(all []told) (out []string) {
	for _, t := range all {
		dims, ok := seriesOf(t.labels)
		if !ok || t.bad || t.empty {
			continue
		}
		instead := func(name string) string {
			pairs := slices.Clone(dims)
			for i := range pairs {
				if pairs[i].Name == chunk.MetricName {
					pairs[i].Name = name
				}
			}
			d, err := chunk.NewDimensions(pairs...)
			if err != nil {
				return ""
			}
			return d.String()
		}
		start := int64(0)
		for _, s := range t.samples {
			at, ok := stamp(s.Timestamp)
			if !ok {
				continue
			}
			out = append(out, fmt.Sprintf("%v %d %x", dims, at, math.Float64bits(s.Value)))
			if from, ok := stamp(s.StartTimestamp); ok && from != 0 && from != start && instead(StartOf) != "" {
				out = append(out, fmt.Sprintf("%v %d %d", instead(StartOf), at, from))
				start = from
			}
		}
		for _, h := range t.histograms {
			if at, ok := stamp(h.ms); ok && validate(h.Histogram) == nil {
				out = append(out, fmt.Sprintf("%v %d %q", dims, at, AppendHistogram(nil, h.Histogram)))
			}
		}
		out = append(out, exemplarFacts(instead(ExemplarOf), t.exemplars)...)
	}
	slices.Sort(out)
	return out
}

// exemplarFacts returns a line for each stamp that exemplars have.
func exemplarFacts(series string, all []toldExemplar) (out []string) {
	byStamp := map[int64][]Exemplar{}
next:
	for _, e := range all {
		at, ok := stamp(e.ms)
		if !ok || e.bad || series == "" {
			continue
		}
		x := Exemplar{Value: e.value}
		for _, l := range e.labels {
			if l[0] == "" || !utf8.ValidString(l[0]) || !utf8.ValidString(l[1]) ||
				slices.ContainsFunc(x.Labels, func(p chunk.Dimension) bool { return p.Name == l[0] }) {
				continue next
			}
			x.Labels = append(x.Labels, chunk.Dimension{Name: l[0], Value: l[1]})
		}
		slices.SortFunc(x.Labels, func(a, b chunk.Dimension) int { return cmp.Compare(a.Name, b.Name) })
		byStamp[at] = append(byStamp[at], x)
	}
	for at, es := range byStamp {
		out = append(out, fmt.Sprintf("%s %d %q", series, at, AppendExemplars(nil, es)))
	}
	return out
}

// metadataFacts returns what metadata should be stored, without stamps.
func metadataFacts(all []told) (out []string) {
	for _, t := range all {
		dims, ok := seriesOf(t.labels)
		if !ok || t.bad || t.empty || t.metadata == (Metadata{}) && t.family == nil {
			continue
		}
		family, _ := dims.Get(chunk.MetricName)
		if t.family != nil {
			family = *t.family
		}
		if _, err := chunk.NewDimensions(chunk.Dimension{Name: MetadataOf, Value: family}); err != nil || family == "" ||
			!utf8.ValidString(family+" "+t.metadata.Help+" "+t.metadata.Unit) {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s", family, AppendMetadata(nil, t.metadata)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// got returns what a decoder made of a message, as facts and metadataFacts do.
func got(t interface{ Fatalf(string, ...any) }, d *Decoder) (observations, metadata []string) {
	if len(d.Rows) != len(d.Batch.Rows) {
		t.Fatalf("%d rows, of which %d are described", len(d.Batch.Rows), len(d.Rows))
	}
	for i, r := range d.Batch.Rows {
		if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() || r.Samples.Len() == 0 {
			t.Fatalf("row %d: %v, %v", i, err, r)
		}
		if n := d.Rows[i].Count; n != r.Samples.Len() && d.Rows[i].What != Exemplars {
			t.Fatalf("row %d: counts %d of %d", i, n, r.Samples.Len())
		}
		for k, at := range r.Samples.Times {
			switch d.Rows[i].What {
			case Samples:
				observations = append(observations, fmt.Sprintf("%v %d %x", r.Dimensions, at, math.Float64bits(r.Samples.Floats[k])))
			case Starts:
				observations = append(observations, fmt.Sprintf("%v %d %d", r.Dimensions, at, r.Samples.Ints[k]))
			case Histograms, Exemplars:
				observations = append(observations, fmt.Sprintf("%v %d %q", r.Dimensions, at, r.Samples.Strings[k]))
			case MetadataRow:
				metric, _ := r.Dimensions.Get(MetadataOf)
				metadata = append(metadata, metric+" "+r.Samples.Strings[k])
			}
		}
	}
	slices.Sort(observations)
	slices.Sort(metadata)
	return observations, slices.Compact(metadata)
}

// hold holds a decoder to the definition: what it makes of a message is what the generated types say.
func hold(t interface {
	Fatalf(string, ...any)
}, d *Decoder, all []told,
) {
	observations, metadata := got(t, d)
	if diff := gocmp.Diff(facts(all), observations); diff != "" {
		t.Fatalf("observations (-definition +decoder):\n%s", diff)
	}
	if diff := gocmp.Diff(metadataFacts(all), metadata); diff != "" {
		t.Fatalf("metadata (-definition +decoder):\n%s", diff)
	}
}

// Generators of messages, which are mostly right.

func genString() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "b", "job", "instance", "metric", "metric_", NameLabel, "", "with space", "測", "\xff", "start_of", "exemplar_of", "x\ny"})
}

func genMs() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(1_700_000_000_000, 1_700_000_000_100), rapid.SampledFrom([]int64{-1, math.MinInt64, math.MaxInt64, maxMs, maxMs + 1}))
}

func genFloat() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
		0, math.Copysign(0, -1), 1, math.Inf(1), math.NaN(), math.Float64frombits(value.StaleNaN), math.Float64frombits(0xfff0000000000001),
	}))
}

func genHistogram(t *rapid.T) writev2.Histogram {
	h := writev2.Histogram{
		Sum: genFloat().Draw(t, "sum"), Timestamp: genMs().Draw(t, "t"), StartTimestamp: genMs().Draw(t, "start"),
		ResetHint: writev2.Histogram_ResetHint(rapid.IntRange(0, 3).Draw(t, "hint")), Schema: rapid.SampledFrom([]int32{0, 3, -4, 8, -53, 99}).Draw(t, "schema"),
	}
	n := rapid.IntRange(0, 5).Draw(t, "buckets")
	if n > 0 {
		h.PositiveSpans = []writev2.BucketSpan{{Offset: rapid.Int32Range(-5, 5).Draw(t, "offset"), Length: uint32(n)}}
	}
	if h.Schema == -53 {
		for i := range n {
			h.CustomValues = append(h.CustomValues, float64(i))
		}
	}
	total, last := uint64(0), uint64(0)
	isFloat := rapid.Bool().Draw(t, "float")
	for range n {
		c := rapid.Uint64Range(0, 9).Draw(t, "count")
		total += c
		if isFloat {
			h.PositiveCounts = append(h.PositiveCounts, float64(c))
		} else {
			h.PositiveDeltas = append(h.PositiveDeltas, int64(c)-int64(last))
		}
		last = c
	}
	if isFloat {
		h.Count, h.ZeroCount = &writev2.Histogram_CountFloat{CountFloat: float64(total)}, &writev2.Histogram_ZeroCountFloat{}
		return h
	}
	if h.Schema != -53 {
		h.ZeroCount = &writev2.Histogram_ZeroCountInt{ZeroCountInt: 2}
		h.ZeroThreshold = 1e-128
		total += 2
	}
	h.Count = &writev2.Histogram_CountInt{CountInt: total}
	return h
}

func genV2(t *rapid.T) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	refs := func(named bool) (out []uint32) {
		if named {
			out = append(out, symbols.Symbolize(NameLabel), symbols.Symbolize("m"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "labels") {
			out = append(out, symbols.Symbolize(genString().Draw(t, "name")), symbols.Symbolize(genString().Draw(t, "value")))
		}
		if rapid.IntRange(0, 20).Draw(t, "bad") == 0 {
			out = append(out, rapid.Uint32Range(0, 10).Draw(t, "ref"))
		}
		return out
	}
	r := &writev2.Request{}
	for range rapid.IntRange(0, 4).Draw(t, "series") {
		ts := writev2.TimeSeries{LabelsRefs: refs(rapid.IntRange(0, 9).Draw(t, "named") > 0)}
		start := genMs().Draw(t, "start")
		for range rapid.IntRange(0, 3).Draw(t, "samples") {
			ts.Samples = append(ts.Samples, writev2.Sample{Value: genFloat().Draw(t, "v"), Timestamp: genMs().Draw(t, "t"), StartTimestamp: start})
		}
		for range rapid.IntRange(0, 2).Draw(t, "histograms") {
			ts.Histograms = append(ts.Histograms, genHistogram(t))
		}
		for range rapid.IntRange(0, 2).Draw(t, "exemplars") {
			ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{LabelsRefs: refs(false), Value: genFloat().Draw(t, "v"), Timestamp: genMs().Draw(t, "t")})
		}
		if rapid.Bool().Draw(t, "described") {
			ts.Metadata = writev2.Metadata{
				Type:    writev2.Metadata_MetricType(rapid.IntRange(0, 7).Draw(t, "type")),
				HelpRef: symbols.Symbolize(rapid.SampledFrom([]string{"", "help"}).Draw(t, "help")),
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "older") == 0 {
			ts.XXX_unrecognized = protowire.AppendVarint(protowire.AppendTag(nil, 6, varint), uint64(genMs().Draw(t, "created")))
		}
		r.Timeseries = append(r.Timeseries, ts)
	}
	r.Symbols = symbols.Symbols()
	return r
}

// genV1 says as 1.0 what genV2 says.
func genV1(t *rapid.T) *prompb.WriteRequest {
	r2, r := genV2(t), &prompb.WriteRequest{}
	labelsOf := func(refs []uint32) (out []prompb.Label) {
		for i := 0; i+1 < len(refs); i += 2 {
			if int(max(refs[i], refs[i+1])) < len(r2.Symbols) {
				out = append(out, prompb.Label{Name: r2.Symbols[refs[i]], Value: r2.Symbols[refs[i+1]]})
			}
		}
		return out
	}
	for _, ts := range r2.Timeseries {
		s := prompb.TimeSeries{Labels: labelsOf(ts.LabelsRefs)}
		for _, x := range ts.Samples {
			s.Samples = append(s.Samples, prompb.Sample{Value: x.Value, Timestamp: x.Timestamp})
		}
		for _, h := range ts.Histograms {
			if h.IsFloatHistogram() {
				s.Histograms = append(s.Histograms, prompb.FromFloatHistogram(h.Timestamp, h.ToFloatHistogram()))
			} else {
				s.Histograms = append(s.Histograms, prompb.FromIntHistogram(h.Timestamp, h.ToIntHistogram()))
			}
		}
		for _, e := range ts.Exemplars {
			s.Exemplars = append(s.Exemplars, prompb.Exemplar{Labels: labelsOf(e.LabelsRefs), Value: e.Value, Timestamp: e.Timestamp})
		}
		r.Timeseries = append(r.Timeseries, s)
		r.Metadata = append(r.Metadata, prompb.MetricMetadata{
			Type: prompb.MetricMetadata_MetricType(ts.Metadata.Type), MetricFamilyName: "m", Help: r2.Symbols[ts.Metadata.HelpRef],
		})
	}
	return r
}

// TestDefinition holds the decoder to the generated types: one decoder for all messages, so that what
// it keeps of one is in the way of the next.
func TestDefinition(t *testing.T) {
	var v1, v2 Decoder
	rapid.Check(t, func(t *rapid.T) {
		r1 := genV1(t)
		b, err := r1.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(v1.DecodeV1(b), reread(b, r1)); err != nil { // again, since writing loses the sign of zeros
			t.Fatal(err)
		}
		hold(t, &v1, toldV1(r1))

		r2 := genV2(t)
		if b, err = r2.Marshal(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(v2.DecodeV2(b), reread(b, r2)); err != nil {
			t.Fatal(err)
		}
		hold(t, &v2, toldV2(r2))
	})
}

// reread makes m the message that b is.
func reread(b []byte, m interface {
	Reset()
	Unmarshal(b []byte) error
},
) error {
	m.Reset()
	return m.Unmarshal(b)
}

func FuzzDecodeV1(f *testing.F) {
	for i := range 8 {
		b, err := rapid.Custom(genV1).Example(i).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		if d.DecodeV1(b) != nil {
			return
		}
		var r prompb.WriteRequest
		if err := r.Unmarshal(b); err != nil {
			t.Fatalf("the decoder takes what the definition does not: %v", err)
		}
		hold(t, &d, toldV1(&r))
		warm(t, &d, func() error { return d.DecodeV1(b) })
	})
}

func FuzzDecodeV2(f *testing.F) {
	for i := range 8 {
		b, err := rapid.Custom(genV2).Example(i).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		if d.DecodeV2(b) != nil {
			return
		}
		var r writev2.Request
		if err := r.Unmarshal(b); err != nil {
			t.Fatalf("the decoder takes what the definition does not: %v", err)
		}
		hold(t, &d, toldV2(&r))
		warm(t, &d, func() error { return d.DecodeV2(b) })
	})
}

// warm decodes the same message once more: what a decoder remembers must not change the answer.
func warm(t *testing.T, d *Decoder, again func() error) {
	t.Helper()
	observations, metadata := got(t, d)
	if err := again(); err != nil {
		t.Fatal(err)
	}
	observations2, metadata2 := got(t, d)
	if diff := gocmp.Diff([][]string{observations, metadata}, [][]string{observations2, metadata2}); diff != "" {
		t.Fatalf("the second time (-first +second):\n%s", diff)
	}
}

// TestHostileMemory: what a message makes us allocate is in proportion to its size, and what it could
// make us do is bounded.
func TestHostileMemory(t *testing.T) {
	const size = 1 << 20
	many := func(field string) []byte { return []byte(strings.Repeat(field, size/len(field))) }
	distinct := func() (b []byte) {
		for i := uint32(0); len(b) < size; i++ {
			b = append(b, 0x22, 3, byte(i), byte(i>>8), byte(i>>16))
		}
		return b
	}
	in := func(tag byte, b []byte) []byte {
		return append(protowire.AppendVarint([]byte{tag}, uint64(len(b))), b...)
	}
	for name, tc := range map[string]struct {
		message []byte
		v2      bool
		most    uint64 // bytes allocated, by the byte
	}{
		"series without anything":     {many("\x0a\x00"), false, 60},
		"series without anything, v2": {many("\x2a\x00"), true, 60},
		"one series, many samples":    {in(0x0a, many("\x12\x00")), false, 60},
		"one series, many histograms": {in(0x0a, append([]byte("\x0a\x0d\x0a\x08__name__\x12\x01m"), many("\x22\x00")...)), false, 200},
		"one series, many exemplars":  {in(0x0a, append([]byte("\x0a\x0d\x0a\x08__name__\x12\x01m"), many("\x1a\x00")...)), false, 400},
		"many symbols":                {distinct(), true, 60},
		"many references":             {in(0x2a, in(0x0a, many("\x00"))), true, 60},
		"many metadata":               {many("\x1a\x03\x12\x01m"), false, 300},
	} {
		t.Run(name, func(t *testing.T) {
			var d Decoder
			d.reset() // what it has anyway
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			decode := d.DecodeV1
			if tc.v2 {
				decode = d.DecodeV2
			}
			err := decode(tc.message)
			runtime.ReadMemStats(&after)
			if per := (after.TotalAlloc - before.TotalAlloc) / size; per > tc.most {
				t.Errorf("%d bytes allocated for each byte, at most %d; %v", per, tc.most, err)
			}
		})
	}
}
