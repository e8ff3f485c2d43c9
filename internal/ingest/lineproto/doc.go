// Package lineproto decodes InfluxDB line protocol into batches:
//
//	measurement,tag=value,… field=1.5,other=2i,up=true,text="a b" 1439400341389000000
//
// Each field is a series, whose dimensions are the tags, measurement, field, and metric, which is
// measurement_field; a tag of one of these names is what it says. Integers (i and u) are of kind
// int64, so an unsigned one beyond its range is refused, as is a float that is not a number or not
// finite, as InfluxDB does. A line without a time has that of [Options]. Empty lines, and those
// that begin with #, say nothing. A line is taken whole or refused whole.
//
// It knows nothing of HTTP, files or stores. Start at [Decoder.Decode].
//
// # How it is fast
//
// A line is read once. What it begins with, the measurement and the tags, is not read at all but
// hashed; the fields are compared with those of the line that came next after such a line the last
// time. Both together find a group: the series of such a line, as [Cache] remembers them from
// request to request, with the notes by which the store knows them ([chunk.Ref]). The values of a
// line go to the columns of the group's rows in the batch, and its time to one column that all of
// them share. Only a line that is met for the first time, or that the store has not taken yet, is
// taken apart into dimensions.
package lineproto
