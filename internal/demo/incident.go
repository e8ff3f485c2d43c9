package demo

import (
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// Start is the first stamp of the day, Unix nanoseconds; the day ends 24 hours later.
const Start = int64(1772409600) * int64(time.Second)

// Span is the day.
func Span() chunk.Span { return chunk.Span{Start: Start, End: dayEnd} }

// An Incident is something that goes wrong during the day.
type Incident struct {
	Name     string
	Span     chunk.Span
	Selector string // the series that show it, in the language of package index
	Cause    string // of these, the ones where it begins
	Story    string
}

// The moments of the incidents.
const (
	hour, minute = 3600 * int64(time.Second), 60 * int64(time.Second)

	blipFrom, blipTo = Start + 3*hour + 20*minute, Start + 3*hour + 27*minute
	leakFrom, leakTo = Start + 9*hour + 12*minute, Start + 14*hour + 40*minute
	leakPressure     = Start + 13*hour
	diskFrom, diskTo = Start + 10*hour, Start + 21*hour + 15*minute
	diskFull         = Start + 20*hour + 30*minute
	deployFrom       = Start + 16*hour + 5*minute
	deployTo         = Start + 16*hour + 47*minute
	dayEnd           = Start + 24*hour
	releaseGood      = "4.2.0"
	releaseBad       = "4.3.0"
)

// Incidents returns what goes wrong, in order of time.
func Incidents() []Incident {
	return []Incident{
		{
			Name: "network blip", Span: chunk.Span{Start: blipFrom, End: blipTo},
			Selector: `dc:south AND (host:app-04 OR metric:net.retransmits.total)`, Cause: `dc:south AND metric:net.retransmits.total`,
			Story: "A switch in dc south restarts: for seven minutes nothing arrives from app-04, a gap in all of its series, and the other hosts there send packets again.",
		},
		{
			Name: "memory leak", Span: chunk.Span{Start: leakFrom, End: leakTo},
			Selector: `host:app-02 AND service:checkout`, Cause: `host:app-02 AND service:checkout AND metric:jvm.heap.used`,
			Story: "From 09:12 on, checkout on app-02 keeps what it should free. The heap grows until, from 13:00 on, collecting garbage takes ever more of the time; latency and requests in flight follow. At 14:40 the process is killed and starts anew: the heap is small again, and counters begin at zero.",
		},
		{
			Name: "disk full", Span: chunk.Span{Start: diskFrom, End: diskTo},
			Selector: `host:db-01`, Cause: `host:db-01 AND mount:"/var" AND metric:disk.used.percent`,
			Story: "From 10:00 on a forgotten debug log fills /var on db-01, 100 % at 20:30. From then on queries are slow and cart, which writes there, is late, until the log is deleted at 21:15.",
		},
		{
			Name: "bad release", Span: chunk.Span{Start: deployFrom, End: deployTo},
			Selector: `service:payments`, Cause: `service:payments AND metric:release`,
			Story: "At 16:05 payments goes from 4.2.0 to 4.3.0 on all hosts, and fails one request in eight. At 16:47 it is rolled back. Each start sets the counters to zero.",
		},
	}
}
