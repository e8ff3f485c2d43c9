package analytics

// A Filling says what a gap becomes.
type Filling uint8

// The fillings, in the order of the words of fill's first argument.
const (
	FillPrevious Filling = 0 // the last value before it; a gap before the first value stays
	FillLinear   Filling = 1 // a point on the line between its neighbours; outside of them it stays
	FillValue    Filling = 2 // a given value
)

// Fill replaces the gaps, which are NaN, among values in place. With is the value for FillValue.
func (f Filling) Fill(times []int64, values []float64, with float64) {
	before := -1 // the last row with a value
	for i, v := range values {
		if v == v {
			if f == FillLinear && before >= 0 && before < i-1 {
				line(times[before:i+1], values[before:i+1])
			}
			before = i
			continue
		}
		switch {
		case f == FillValue:
			values[i] = with
		case f == FillPrevious && before >= 0:
			values[i] = values[before]
		}
	}
}

// line sets the values between the first and the last to lie on the line between these.
func line(times []int64, values []float64) {
	n := len(values) - 1
	a, b := values[0], values[n]
	whole := elapsed(times[0], times[n])
	for i := 1; i < n; i++ {
		part := elapsed(times[0], times[i]) / whole
		if b >= a {
			values[i] = between(a, b, part)
		} else {
			values[i] = between(b, a, 1-part)
		}
	}
}

// filled is the transform of fill.
type filled struct {
	how  Filling
	with float64
}

func newFill(args []float64) Transform { return filled{how: Filling(args[0]), with: args[1]} }

func (f filled) Apply(dst, src Points) Points {
	from := len(dst.Values)
	dst.Times = append(dst.Times, src.Times...)
	dst.Values = append(dst.Values, src.Values...)
	f.how.Fill(dst.Times[from:], dst.Values[from:], f.with)
	return dst
}
