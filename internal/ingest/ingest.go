package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// The formats that [Run] reads. [NewWriter] writes all but Chronix.
const (
	Chronix = "chronix"
	CSV     = "csv"
	Influx  = "influx"
	NDJSON  = "ndjson"
)

// ErrFormat is wrapped by every error that means: this text is not of the format.
var ErrFormat = errors.New("malformed input")

// Options say how text is read. The zero value guesses the format and skips bad lines.
type Options struct {
	Format    string            // one of the formats; empty means guess by name and content
	Strict    bool              // stop at the first bad line instead of skipping it
	Set       []chunk.Dimension // given to every series; in values, {file} and {dir} name its source
	Precision time.Duration     // unit of integer times (influx, ndjson; csv without a layout); 0 means ns
	CSV       CSVOptions
	Workers   int              // sources read at once; 0 means one a processor
	BatchSize int              // observations a batch, about; 0 means 256 Ki
	Now       int64            // time of influx lines without one; 0 means that they are bad
	MaxBytes  int64            // decompressed size of one source; 0 means 1 TiB
	Skipped   func(*LineError) // told of the first bad lines of each batch; may be nil
	Progress  func(Progress)   // told after each batch; may be nil
}

// CSVOptions say what the columns of a CSV file are. Columns are named as in the header, or by
// their number from 1 where there is none. The zero value guesses all of it.
type CSVOptions struct {
	Time       string         // column with the time
	Values     []string       // columns with values
	Dimensions []string       // columns with dimensions
	Kind       chunk.Kind     // of the values; 0 means float64
	Layout     string         // of the time: unix, ms, us, ns, rfc3339, or a layout of Go's package time
	Location   *time.Location // of times that name no zone; nil means UTC
	Comma      byte           // between fields; 0 means guess among , ; tab and |
	NoHeader   bool           // the first line is a record

	NeedRecords bool // a header without records is an error, a [*HeaderError], unless our own export wrote it
}

// A LineError is a bad line of a source.
type LineError struct {
	File   string
	Line   int64 // from 1; 0 means the source as a whole
	Reason error
}

// Error names the file, the line and the reason.
func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Reason)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Reason)
}

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Reason }

// Progress is how far a [Run] is.
type Progress struct {
	Files, TotalFiles int   // sources done, of all
	Bytes, TotalBytes int64 // of the sources as they are stored; a total of 0 is unknown
	Observations      int64
	Skipped           int64 // bad lines
}

// A Summary is what a [Run] has done.
type Summary struct {
	Files        int   // read to their end
	Failed       int   // not read to their end
	Bytes        int64 // as stored
	Text         int64 // decompressed
	Observations int64 // that the sink has taken
	Skipped      int64 // bad lines, with [Options].Strict at most one
}

func malformed(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrFormat)...)
}
