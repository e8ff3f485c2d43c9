// Package ingest turns text in the formats that people have into batches of observations, and
// writes observations as text that it reads back to the same bits. It knows nothing of stores: it
// hands each batch to a function of the caller.
//
// Start at [Run] for files and folders, at [Decode] for one stream, at [NewWriter] for the way
// out. Memory is bounded by the number of workers, never by the size of a file.
//
// # chronix
//
// One file is one or more series of one source. The file's name is
// <host>_<process>_<group>_<host>_<date>--<anything>.csv, which gives the dimensions host, process
// and group. The first line is Date;<metric>[;<metric>…], every other line
// dd.mm.yyyy hh:mm:ss.mmm;<value>[;<value>…] in UTC, with commas between thousands and a point
// before decimals. Values are float64; an empty one is none.
//
// # csv
//
// A header, then a record a line, quoted as in RFC 4180. [CSVOptions] say which columns hold the
// time, the values and the dimensions; what they leave open is guessed from the header and the
// first 1000 records. Each value column is a series whose dimension metric is the column's name, unless
// there is a dimension column of that name. A header that begins with time,kind,value is our own
// export: the other columns are dimensions, an empty cell is no dimension, and times are Unix
// nanoseconds or RFC 3339.
//
// # influx
//
// Line protocol: measurement,tag=value field=1.5,other=2i 1439400341389000000. The dimensions are
// the tags, measurement, field, and metric, which is measurement_field. Integers (i and u) are of
// kind int64, so an unsigned one beyond its range is an error. A line that begins with #chronodex
// says that our export wrote what follows: there the measurement is the metric and nothing else,
// the field is always value, %XX stands for a byte that line protocol cannot carry, and a value
// may be NaN or infinite, which InfluxDB itself refuses.
//
// # ndjson
//
// One object a line: {"dimensions":{"host":"a","metric":"cpu"},"time":…,"value":…} or, in columns,
// {"dimensions":{…},"kind":"float64","times":[…],"values":[…]}. Times are RFC 3339 strings or
// integers of the unit asked for (nanoseconds). Values are numbers, "NaN", "+Inf", "-Inf",
// "NaN(0x…)", booleans or strings; null is none. Without a kind, numbers are float64. A 64-bit
// integer may be a string. Bytes that are not UTF-8 are written as lone surrogates \udc80 to
// \udcff (as PEP 383 does), so that every dimension and string survives.
package ingest
