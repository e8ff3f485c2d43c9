package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/lineproto"
)

// influxVersion is what InfluxDB's clients are told. They choose by it what they ask for.
const influxVersion = "1.8.10"

func (r *Receiver) influxRoutes() []access.Route {
	write := func(form influxForm) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) { r.influxWrite(rw, req, form) })
	}
	return []access.Route{
		{Method: "POST", Pattern: "/write", Need: access.Write, Handler: write(influxV1{})},
		{Method: "POST", Pattern: "/api/v2/write", Need: access.Write, Handler: write(influxV2{})},
		{Method: "POST", Pattern: "/api/v3/write_lp", Need: access.Write, Handler: write(influxV3{})},
		{Method: "GET", Pattern: "/query", Need: access.Read, Handler: http.HandlerFunc(r.influxQuery)},
		{Method: "POST", Pattern: "/query", Need: access.Write, Handler: http.HandlerFunc(r.influxQuery)},
		{Method: "GET", Pattern: "/ping", Handler: http.HandlerFunc(influxPing)},
		{Method: "GET", Pattern: "/health", Handler: http.HandlerFunc(influxHealth)},
	}
}

// influxCacheBytes bounds what is remembered of series from request to request, roughly.
const influxCacheBytes = 64 << 20

// influxMemory is what reading line protocol keeps from request to request. A decoder is needed
// while a body is decoded, a buffer until the store has taken it: so there are no more decoders
// than cores, and buffers beyond some are left to the garbage collector.
type influxMemory struct {
	decoders chan *lineproto.Decoder
	buffers  chan *lineproto.Buffer
}

func newInfluxMemory() influxMemory {
	n := runtime.GOMAXPROCS(0)
	m := influxMemory{decoders: make(chan *lineproto.Decoder, n), buffers: make(chan *lineproto.Buffer, 2*n)}
	cache := lineproto.NewCache(influxCacheBytes)
	for range n {
		m.decoders <- lineproto.NewDecoder(cache)
	}
	return m
}

func (m *influxMemory) buffer() *lineproto.Buffer {
	select {
	case b := <-m.buffers:
		return b
	default:
		return new(lineproto.Buffer)
	}
}

func (m *influxMemory) release(b *lineproto.Buffer) {
	b.Reset()
	select {
	case m.buffers <- b:
	default:
	}
}

// An influxForm is what versions of InfluxDB do differently.
type influxForm interface {
	// parameters reads those of a request. An error is a bad request.
	parameters(q url.Values) (influxParameters, error)
	// fail answers with an error.
	fail(rw http.ResponseWriter, status int, err error)
}

// influxParameters are what a request says beside its lines.
type influxParameters struct {
	db, rp string
	unit   int64 // of times
	whole  bool  // store all lines or none
}

// influxWrite stores the lines of a request. Lines that cannot be read are left out and told.
func (r *Receiver) influxWrite(rw http.ResponseWriter, req *http.Request, form influxForm) {
	influxHeaders(rw.Header())
	p, err := form.parameters(req.URL.Query())
	if err != nil {
		form.fail(rw, http.StatusBadRequest, err)
		return
	}
	stored, bad, err := r.influxStore(req, p)
	r.count("influx", stored, int64(bad.total))
	if err == nil && bad.total > 0 {
		err = bad
	}
	if err == nil {
		rw.WriteHeader(http.StatusNoContent)
		return
	}
	status, after := failure(err)
	if status == http.StatusInternalServerError {
		r.o.Logger.Error("a write failed", "path", req.URL.Path, "error", err)
	}
	retryAfter(rw.Header(), after)
	form.fail(rw, status, err)
}

// influxStore decodes the body of a request and stores it, in parts where it is of very many series:
// when a part fails, those before it are stored.
func (r *Receiver) influxStore(req *http.Request, p influxParameters) (stored int64, bad *influxRefusals, err error) {
	bad = new(influxRefusals)
	text, err := r.body(req)
	if err != nil {
		return 0, bad, err
	}
	defer text.release()
	b := r.influx.buffer()
	defer r.influx.release(b)
	o := lineproto.Options{Unit: p.unit, Now: r.o.Now().UnixNano(), Set: p.set()}
	if p.whole {
		if err := r.influxCheck(req.Context(), b, text.data, o, bad); err != nil || bad.total > 0 {
			bad.all = true
			return 0, bad, err
		}
	}
	for rest := text.data; len(rest) > 0; b.Reset() {
		n, err := r.influxDecode(req.Context(), b, rest, &o, bad)
		if err != nil {
			return stored, bad, err
		}
		rest = rest[n:]
		if len(b.Batch().Rows) == 0 {
			continue
		}
		out, err := r.o.Gate.Append(req.Context(), b.Batch())
		if err != nil {
			return stored, bad, err
		}
		stored += out.Stored
		for _, f := range out.Refused {
			bad.total++
			bad.note(influxRefusal{line: b.Line(f.Row), reason: f.Reason})
		}
	}
	bad.all = stored == 0
	return stored, bad, nil
}

// influxCheck decodes a body and stores nothing of it.
func (r *Receiver) influxCheck(ctx context.Context, b *lineproto.Buffer, text []byte, o lineproto.Options, bad *influxRefusals) error {
	for len(text) > 0 {
		n, err := r.influxDecode(ctx, b, text, &o, bad)
		if err != nil {
			return err
		}
		text = text[n:]
		b.Reset()
	}
	return nil
}

// influxDecode reads a part of a body into b, and returns how many bytes it is.
func (r *Receiver) influxDecode(ctx context.Context, b *lineproto.Buffer, text []byte, o *lineproto.Options, bad *influxRefusals) (int, error) {
	var d *lineproto.Decoder
	select {
	case d = <-r.influx.decoders:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { r.influx.decoders <- d }()
	result := d.Decode(b, text, *o)
	o.Line += result.Lines
	bad.total += result.Total
	for i := range result.Refused {
		f := &result.Refused[i]
		bad.note(influxRefusal{line: f.Line, text: f.Text, reason: f.Reason, parsing: true})
	}
	return result.Bytes, nil
}

// set returns the dimensions that the database and the retention policy give to all series.
func (p *influxParameters) set() []chunk.Dimension {
	var set []chunk.Dimension
	if p.db != "" {
		set = append(set, chunk.Dimension{Name: "db", Value: p.db})
	}
	if p.rp != "" && p.rp != "autogen" && p.rp != "default" {
		set = append(set, chunk.Dimension{Name: "rp", Value: p.rp})
	}
	return set
}

// An influxRefusal is a line that was not stored, or what the store did not take from there on.
type influxRefusal struct {
	line    int
	text    string
	reason  error
	parsing bool // what is wrong is the line, not what the store says to it
}

func (f *influxRefusal) String() string {
	if f.parsing {
		return fmt.Sprintf("unable to parse '%s': %v (line %d)", f.text, f.reason, f.line)
	}
	return fmt.Sprintf("line %d: %v", f.line, f.reason)
}

// influxRefusals are what was not stored of a request. They are an error with InfluxDB's words,
// which its clients look for.
type influxRefusals struct {
	list  []influxRefusal
	total int
	all   bool // nothing was stored
}

// note keeps one of the first refusals for the answer.
func (f *influxRefusals) note(r influxRefusal) {
	if len(f.list) < 2*maxRefusals {
		f.list = append(f.list, r)
	}
}

// Error lists the lines.
func (f *influxRefusals) Error() string {
	var b strings.Builder
	if !f.all {
		b.WriteString("partial write: ")
	}
	for i := range f.list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.list[i].String())
	}
	if more := f.total - len(f.list); more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	if !f.all {
		fmt.Fprintf(&b, " dropped=%d", f.total)
	}
	return b.String()
}

// Unwrap returns what decides about the status: a refusal for now before one forever, so that the
// sender sends all of it again, which does no harm.
func (f *influxRefusals) Unwrap() error {
	for i := range f.list {
		if errors.Is(f.list[i].reason, gate.ErrOverload) {
			return f.list[i].reason
		}
	}
	if f.all && len(f.list) > 0 && !f.list[0].parsing {
		return f.list[0].reason
	}
	return gate.ErrInvalid
}
