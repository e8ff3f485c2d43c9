package chunk

import "math"

// Stats are the statistics of consecutive observations of one series, kept beside each chunk so
// that queries need not decode it. Values of kinds int64 and bool count as their float64. NaN is
// a gap: it is counted in Count and NaNs and in nothing else. Strings are only counted. Where
// Count == NaNs the value fields are zero and mean nothing.
type Stats struct {
	Count     int64   // observations, NaN among them
	NaNs      int64   // of them NaN
	FirstTime int64   // stamp of the first observation that is not NaN
	LastTime  int64   // stamp of the last one
	First     float64 // value at FirstTime
	Last      float64 // value at LastTime
	Min       float64
	Max       float64
	Sum       float64 // compensated (Neumaier 1974)
	M2        float64 // Σ(v−mean)², about the mean of the values themselves
}

// Values is the number of observations that are not gaps.
func (s *Stats) Values() int64 { return s.Count - s.NaNs }

// Mean is the mean of the values, NaN where there is none.
func (s *Stats) Mean() float64 {
	if s.Values() == 0 {
		return math.NaN()
	}
	return s.Sum / float64(s.Values())
}
