package receive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/shard"
)

func TestOwnWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		url, media, body string
		status           int
		answer           string // part of it
		want             []string
	}{
		"ndjson by parameter": {
			"/v1/write?format=ndjson", "", `{"dimensions":{"metric":"m","host":"a"},"time":7,"value":1.5}`, 200, `{"stored":1}`,
			[]string{`{host="a", metric="m"} float64 7=1.5`},
		},
		"ndjson by media type": {
			"/v1/write?precision=s", "application/x-ndjson; charset=utf-8", `{"dimensions":{"metric":"m"},"kind":"int64","times":[1,2],"values":[3,4]}`,
			200, `{"stored":2}`,
			[]string{`{metric="m"} int64 1000000000=3 2000000000=4`},
		},
		"csv with its columns named": {
			"/v1/write?format=csv&time=t&value=v&value=w&dimension=h&layout=ms&set=site=north", "", "t,h,v,w,x\n1,a,1,2,9\n2,a,3,4,9\n",
			200, `{"stored":4}`,
			[]string{`{h="a", metric="v", site="north"} float64 1000000=1 2000000=3`, `{h="a", metric="w", site="north"} float64 1000000=2 2000000=4`},
		},
		"csv in a zone, of integers": {
			"/v1/write?time=1&value=2&kind=int64&layout=02.01.2006+15:04&zone=Europe/Berlin&delimiter=%3B&no-header", "text/csv", "01.01.1970 01:00;5\n",
			200, `{"stored":1}`,
			[]string{`{metric="2"} int64 0=5`},
		},
		"influx": {
			"/v1/write?format=influx", "", "cpu,host=a user=1i 5\n", 200, `{"stored":1}`,
			[]string{`{field="user", host="a", measurement="cpu", metric="cpu_user"} int64 5=1`},
		},
		"csv that is none": {
			"/v1/write?format=csv", "", "garbage\n", 400,
			`line 1: no record follows the header, [\"garbage\"]: malformed input; name columns by time=COLUMN and value=COLUMN, say no-header`, nil,
		},
		"csv with a header only":      {"/v1/write?format=csv&time=t&value=v", "", "\nt,v", 400, `line 2: no record follows the header`, nil},
		"csv of an export of nothing": {"/v1/write?format=csv", "", "time,kind,value,host\n", 200, `{"stored":0}`, nil},
		"csv without times": {
			"/v1/write?format=csv", "", "host,load\na,1\nb,2\n", 400, `line 2: no column with times among [\"host\" \"load\"]: none is called time,`, nil,
		},
		"csv without values": {"/v1/write?format=csv", "", "time,host\n1,a\n", 400, `line 2: no column with values among [\"time\" \"host\"]`, nil},
		"csv with times first, by any name": {
			"/v1/write?format=csv", "", "at,load\n-,1\n7,2\n", 400, `"stored":1,"refused":1,"errors":[{"line":2,`, []string{`{metric="load"} float64 7000000000=2`},
		},
		"nothing": {"/v1/write?format=ndjson", "", "", 200, `{"stored":0}`, nil},
		"a bad line among good ones": {
			"/v1/write?format=influx", "", "cpu a=1 5\nnonsense\ncpu a=2 6\n", 400, `"stored":2,"refused":1,"errors":[{"line":2,`,
			[]string{`{field="a", measurement="cpu", metric="cpu_a"} float64 5=1 6=2`},
		},
		"strict stops there": {
			"/v1/write?format=influx&strict", "", "cpu a=1 5\nnonsense\ncpu a=2 6\n", 400, `line 2`,
			[]string{`{field="a", measurement="cpu", metric="cpu_a"} float64 5=1`},
		},
		"no format":                  {"/v1/write", "", "x", 415, `by ?format=`, nil},
		"another media type":         {"/v1/write", "image/png", "x", 415, `by ?format=`, nil},
		"another format":             {"/v1/write?format=xml", "", "x", 400, `unknown format \"xml\"`, nil},
		"a parameter of csv":         {"/v1/write?format=ndjson&layout=ms", "", "x", 400, `no parameter \"layout\"`, nil},
		"a parameter of no meaning":  {"/v1/write?format=csv&kind=decimal", "", "x", 400, `want float64, int64, bool or string`, nil},
		"a column that is not there": {"/v1/write?format=csv&time=t&value=q", "", "t,v\n1,2\n", 400, `no column`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, Options{})
			req := httptest.NewRequest("POST", tc.url, strings.NewReader(tc.body))
			req.Header.Set("Content-Type", tc.media)
			w := send(t, r, req)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.answer) {
				t.Errorf("answer %d %s; want %d with %s", w.Code, w.Body, tc.status, tc.answer)
			}
			if w.Code >= 400 {
				var p exchange.Partly
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Type == "" || p.Title == "" || w.Header().Get("Content-Type") != "application/problem+json" {
					t.Errorf("not a problem: %v, %v, %s", err, w.Header(), w.Body)
				}
			}
			if diff := cmp.Diff(tc.want, stored(t, set)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwnWriteCompressed(t *testing.T) {
	const text = `{"dimensions":{"metric":"m"},"time":7,"value":1.5}`
	for name, compress := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, Options{})
			var body bytes.Buffer
			z := compress(&body)
			if _, err := io.WriteString(z, text); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			whole := body.Bytes()
			req := httptest.NewRequest("POST", "/v1/write?format=ndjson", bytes.NewReader(whole))
			req.Header.Set("Content-Encoding", name)
			if w := send(t, r, req); w.Code != 200 {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if got := stored(t, set); len(got) != 1 {
				t.Errorf("stored %q", got)
			}
			req = httptest.NewRequest("POST", "/v1/write?format=ndjson", bytes.NewReader(whole[:len(whole)-3]))
			req.Header.Set("Content-Encoding", name)
			if w := send(t, r, req); w.Code != 400 {
				t.Errorf("truncated: answer %d %s", w.Code, w.Body)
			}
		})
	}
	r, _ := newStore(t, Options{})
	req := httptest.NewRequest("POST", "/v1/write?format=ndjson", strings.NewReader(text))
	req.Header.Set("Content-Encoding", "br")
	if w := send(t, r, req); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("brotli: answer %d %s", w.Code, w.Body)
	}
}

// A stream that ends in an error has stored what came before, and says how much.
func TestOwnWriteBroken(t *testing.T) {
	r, set := newStore(t, Options{})
	line := `{"dimensions":{"metric":"m"},"time":%d,"value":1}` + "\n"
	body := io.MultiReader(strings.NewReader(fmt.Sprintf(line, 1)+fmt.Sprintf(line, 2)), iotestErr{})
	w := send(t, r, httptest.NewRequest("POST", "/v1/write?format=ndjson", body))
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"stored":2`) || !strings.Contains(w.Body.String(), "are stored") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]string{`{metric="m"} float64 1=1 2=1`}, stored(t, set)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// iotestErr is a connection that broke.
type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A stream of Arrow with a row of each kind of trouble: none, no time, and a time out of range.
func TestOwnWriteArrow(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "time", Type: &arrow.TimestampType{Unit: arrow.Second}, Nullable: true},
		{Name: "host", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
		{Name: "cpu", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(
		`[{"time":"1970-01-01T00:00:01Z","host":"a","cpu":0.5},{"host":"a","cpu":1},{"time":"3000-01-01T00:00:00Z","host":"a","cpu":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	out := ipc.NewWriter(z, ipc.WithSchema(schema))
	if err := errors.Join(out.Write(record), out.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	r, set := newStore(t, Options{})
	req := httptest.NewRequest("POST", "/v1/write?set=site=north", &body)
	req.Header.Set("Content-Type", "application/vnd.apache.arrow.stream")
	req.Header.Set("Content-Encoding", "gzip")
	w := send(t, r, req)
	want := `"stored":1,"refused":2,"errors":[{"row":2,"detail":"no time"},{"row":3,"detail":"the time is out of the range of int64 nanoseconds"}]`
	if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("answer %d %s, want %s", w.Code, w.Body, want)
	}
	if diff := cmp.Diff([]string{`{host="a", metric="cpu", site="north"} float64 1000000000=0.5`}, stored(t, set)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	w = send(t, r, httptest.NewRequest("POST", "/v1/write?format=arrow", strings.NewReader("nonsense")))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "not an Arrow stream") {
		t.Errorf("nonsense: %d %s", w.Code, w.Body)
	}
}

func TestFailure(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		after  time.Duration
	}{
		"overload":     {fmt.Errorf("x: %w", &gate.Overload{After: 7 * time.Second}), 429, 7 * time.Second},
		"full":         {gate.ErrFull, 503, retryFull},
		"closing":      {gate.ErrClosing, 503, retryClosing},
		"forbidden":    {gate.ErrForbidden, 403, 0},
		"invalid":      {gate.ErrInvalid, 400, 0},
		"not storable": {shard.ErrInvalid, 400, 0},
		"too large":    {errTooLarge, 413, 0},
		"encoding":     {errEncoding, 415, 0},
		"broken body":  {errBody, 400, 0},
		"anything":     {io.ErrClosedPipe, 500, 0},
	} {
		if status, after := failure(tc.err); status != tc.status || after != tc.after {
			t.Errorf("%s: %d after %v, want %d after %v", name, status, after, tc.status, tc.after)
		}
	}
}
