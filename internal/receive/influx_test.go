package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
)

func TestInfluxWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		url, body string
		status    int
		answer    string // all of it
		want      []string
	}{
		"all types": {
			"/write?db=tg", "m,host=a f=1.5,i=-2i,u=3u,b=t,s=\"x\" 7\n", 204, "",
			[]string{
				`{db="tg", field="b", host="a", measurement="m", metric="m_b"} bool 7=true`,
				`{db="tg", field="f", host="a", measurement="m", metric="m_f"} float64 7=1.5`,
				`{db="tg", field="i", host="a", measurement="m", metric="m_i"} int64 7=-2`,
				`{db="tg", field="s", host="a", measurement="m", metric="m_s"} string 7="x"`,
				`{db="tg", field="u", host="a", measurement="m", metric="m_u"} int64 7=3`,
			},
		},
		"escapes": {
			"/write", `m\ \,\=,t\ =a\,b\=\ \c f\ =1,s="a\"b\\c\d,e =f" 7`, 204, "",
			[]string{
				`{field="f ", measurement="m ,\\=", metric="m ,\\=_f ", t ="a,b= \\c"} float64 7=1`,
				`{field="s", measurement="m ,\\=", metric="m ,\\=_s", t ="a,b= \\c"} string 7="a\"b\\c\\d,e =f"`,
			},
		},
		"a string with newlines": {
			"/write", "m s=\"a\n\nb\" 7\nm f=1 8\n", 204, "",
			[]string{`{field="f", measurement="m", metric="m_f"} float64 8=1`, `{field="s", measurement="m", metric="m_s"} string 7="a\n\nb"`},
		},
		"precision ns":      {"/write?precision=ns", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"precision n":       {"/write?precision=n", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"precision u":       {"/write?precision=u", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7000=1`}},
		"precision us":      {"/write?precision=us", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7000=1`}},
		"precision ms":      {"/write?precision=ms", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7000000=1`}},
		"precision s":       {"/write?precision=s", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7000000000=1`}},
		"precision m":       {"/write?precision=m", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 420000000000=1`}},
		"precision h":       {"/write?precision=h", "m f=1 7", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 25200000000000=1`}},
		"the server's time": {"/write?precision=s", "m f=1", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 1439400341000000000=1`}},
		"a retention policy": {
			"/write?db=d&rp=week&consistency=all&u=a&p=b", "m f=1 7", 204, "",
			[]string{`{db="d", field="f", measurement="m", metric="m_f", rp="week"} float64 7=1`},
		},
		"the default policy": {"/write?db=d&rp=autogen", "m f=1 7", 204, "", []string{`{db="d", field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"a tag of the name":  {"/write?db=d", "m,db=t f=1 7", 204, "", []string{`{db="t", field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"of equal times the last": {
			"/write", "m,a=1,b=2 f=1,g=1 7\nm,b=2,a=1 f=2 7\nm,a=1,b=2 f=3,g=2 7\nm,a=1,b=2 f=4,f=5 7\n", 204, "",
			[]string{`{a="1", b="2", field="f", measurement="m", metric="m_f"} float64 7=5`, `{a="1", b="2", field="g", measurement="m", metric="m_g"} float64 7=2`},
		},
		"nothing":  {"/write", "", 204, "", nil},
		"comments": {"/write", "# DML\n\n  \r\n# CONTEXT-DATABASE: x\r\nm f=1 7\r\n", 204, "", []string{`{field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"a bad line among good ones": {
			"/write", "m f=1 7\nm f= 8\nm,t= f=1 9\nm f=2 10\n", 400,
			`{"error":"partial write: unable to parse 'm f= 8': missing field value (line 2)\nunable to parse 'm,t= f=1 9': missing tag value (line 3) dropped=2"}`,
			[]string{`{field="f", measurement="m", metric="m_f"} float64 7=1 10=2`},
		},
		"bad lines alone": {
			"/write", "m f=abc 7\nm\n,t=a f=1 7\nm f=1 1.5\nm f=9223372036854775808u 7\nm f=\"a 7\n", 400,
			`{"error":"unable to parse 'm f=abc 7': invalid number \"abc\" (line 1)\nunable to parse 'm': missing fields (line 2)\n` +
				`unable to parse ',t=a f=1 7': missing measurement (line 3)\nunable to parse 'm f=1 1.5': bad timestamp \"1.5\" (line 4)\n` +
				`unable to parse 'm f=9223372036854775808u 7': invalid number: unable to parse integer \"9223372036854775808u\" (line 5)\n` +
				`unable to parse 'm f=\"a 7': unbalanced quotes (line 6)"}`,
			nil,
		},
		"a time out of range":  {"/write?precision=h", "m f=1 9223372036854775807", 400, `{"error":"unable to parse 'm f=1 9223372036854775807': time outside range: 9223372036854775807 (line 1)"}`, nil},
		"not a finite number":  {"/write", "m f=NaN 7\n", 400, `{"error":"unable to parse 'm f=NaN 7': invalid number \"NaN\" (line 1)"}`, nil},
		"tags that hide all":   {"/write", "m,field=a,metric=b f=1 7\n", 400, `{"error":"unable to parse 'm,field=a,metric=b f=1 7': the tags hide both measurement or field and metric (line 1)"}`, nil},
		"another precision":    {"/write?precision=d", "m f=1 7", 400, `{"error":"invalid precision \"d\" (use n, u, ms, s, m or h)"}`, nil},
		"2.x":                  {"/api/v2/write?bucket=b%2Fautogen&org=o&precision=ms", "m f=1 7", 204, "", []string{`{db="b", field="f", measurement="m", metric="m_f"} float64 7000000=1`}},
		"2.x with a policy":    {"/api/v2/write?bucket=b/week&org=o", "m f=1 7", 204, "", []string{`{db="b", field="f", measurement="m", metric="m_f", rp="week"} float64 7=1`}},
		"2.x, a bad line":      {"/api/v2/write?bucket=b", "m f=1 7\nm\n", 400, `{"code":"invalid","message":"partial write: unable to parse 'm': missing fields (line 2) dropped=1"}`, []string{`{db="b", field="f", measurement="m", metric="m_f"} float64 7=1`}},
		"2.x, precision":       {"/api/v2/write?bucket=b&precision=m", "m f=1 7", 400, `{"code":"invalid","message":"invalid precision \"m\" (use ns, us, ms or s)"}`, nil},
		"3, guessed precision": {"/api/v3/write_lp?db=b", "m f=1 1439400341\nm f=2 1439400342000\nm f=3 1439400343000000\nm f=4 1439400344000000000", 204, "", []string{`{db="b", field="f", measurement="m", metric="m_f"} float64 1439400341000000000=1 1439400342000000000=2 1439400343000000000=3 1439400344000000000=4`}},
		"3, all or nothing": {
			"/api/v3/write_lp?db=b&accept_partial=false", "m f=1 7\nm\n", 400,
			`{"error":"parsing failed for write_lp endpoint","data":[{"original_line":"m","line_number":2,"error_message":"missing fields"}]}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, Options{Now: func() time.Time { return time.Unix(1439400341, 0) }})
			for range 2 { // the second time, series are known
				w := send(t, r, httptest.NewRequest("POST", tc.url, strings.NewReader(tc.body)))
				if got := strings.TrimSpace(w.Body.String()); w.Code != tc.status || got != tc.answer {
					t.Errorf("answer %d %s\nwant %d %s", w.Code, got, tc.status, tc.answer)
				}
				if h := w.Header().Get("X-Influxdb-Error"); strings.HasPrefix(tc.url, "/write") && (w.Code >= 400) != (h != "") {
					t.Errorf("status %d, header %q", w.Code, h)
				}
				if diff := cmp.Diff(tc.want, stored(t, set)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestInfluxCompressed(t *testing.T) {
	const text = "m f=1 7\nm f=2 8\n"
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for encoding, body := range map[string][]byte{"gzip": gz.Bytes(), "zstd": z.EncodeAll([]byte(text), nil), "identity": []byte(text)} {
		r, set := newStore(t, Options{})
		req := httptest.NewRequest("POST", "/write", bytes.NewReader(body))
		req.Header.Set("Content-Encoding", encoding)
		if w := send(t, r, req); w.Code != 204 {
			t.Errorf("%s: %d %s", encoding, w.Code, w.Body)
		}
		if diff := cmp.Diff([]string{`{field="f", measurement="m", metric="m_f"} float64 7=1 8=2`}, stored(t, set)); diff != "" {
			t.Errorf("%s: stored (-want +got):\n%s", encoding, diff)
		}
	}
}

// Series that are known by their notes are confined, set and told to subscribers as others are.
func TestInfluxIdentities(t *testing.T) {
	r, set := newStore(t, Options{})
	sub, err := r.o.Gate.Subscribe(context.Background(), index.All())
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	within, err := index.Parse("host:a")
	if err != nil {
		t.Fatal(err)
	}
	write := func(who *access.Identity, at int) int {
		req := httptest.NewRequest("POST", "/write", strings.NewReader(fmt.Sprintf("m,host=a f=1 %d\nm,host=b f=1 %[1]d\n", at)))
		if who != nil {
			req = req.WithContext(access.With(req.Context(), who))
		}
		return send(t, r, req).Code
	}
	codes := []int{
		write(nil, 1), write(nil, 2),
		write(&access.Identity{Name: "t", Rights: access.Write, Set: []chunk.Dimension{{Name: "tenant", Value: "t"}}}, 3),
		write(&access.Identity{Name: "c", Rights: access.Write, Within: within}, 4),
		write(&access.Identity{Name: "r", Rights: access.Read}, 5),
		write(nil, 6),
	}
	if diff := cmp.Diff([]int{204, 204, 204, 400, 403, 204}, codes); diff != "" {
		t.Error(diff)
	}
	want := []string{
		`{field="f", host="a", measurement="m", metric="m_f", tenant="t"} float64 3=1`,
		`{field="f", host="a", measurement="m", metric="m_f"} float64 1=1 2=1 4=1 6=1`,
		`{field="f", host="b", measurement="m", metric="m_f", tenant="t"} float64 3=1`,
		`{field="f", host="b", measurement="m", metric="m_f"} float64 1=1 2=1 6=1`,
	}
	if diff := cmp.Diff(want, stored(t, set)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	rows := 0
	for rows < 9 {
		e, err := sub.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range e.Rows {
			if host, ok := row.Dimensions.Get("host"); !ok {
				t.Errorf("a row without a host: %q", host)
			}
			rows++
		}
	}
}

// A body of very many series is stored in parts, and its lines are counted through.
func TestInfluxParts(t *testing.T) {
	var b strings.Builder
	for i := range 70_000 {
		if i == 69_000 {
			b.WriteString("m f= 1\n")
		}
		fmt.Fprintf(&b, "m,i=%d f=1 7\n", i)
	}
	r, set := newStore(t, Options{})
	w := send(t, r, httptest.NewRequest("POST", "/api/v3/write_lp?accept_partial=false", strings.NewReader(b.String())))
	if n := len(stored(t, set)); n != 0 || w.Code != 400 || !strings.Contains(w.Body.String(), `"line_number":69001`) {
		t.Errorf("all or nothing: %d series, %d %s", n, w.Code, w.Body)
	}
	w = send(t, r, httptest.NewRequest("POST", "/write", strings.NewReader(b.String())))
	if n := len(stored(t, set)); n != 70_000 || w.Code != 400 || !strings.Contains(w.Body.String(), "(line 69001) dropped=1") {
		t.Errorf("%d series, %d %s", n, w.Code, w.Body)
	}
}

func TestInfluxStatus(t *testing.T) {
	r, _ := newStore(t, Options{MaxBody: 10})
	req := httptest.NewRequest("POST", "/write", strings.NewReader("m f=1 7\nm f=1 8\n"))
	if w := send(t, r, req); w.Code != 413 || !strings.Contains(w.Body.String(), `{"error":"the body is too large`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	req = httptest.NewRequest("POST", "/api/v2/write", strings.NewReader("x"))
	req.Header.Set("Content-Encoding", "br")
	if w := send(t, r, req); w.Code != 415 || !strings.Contains(w.Body.String(), `"unsupported Content-Encoding`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Writers at once write what they would write one after the other.
func TestInfluxConcurrent(t *testing.T) {
	r, set := newStore(t, Options{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				var b strings.Builder
				for k := range 50 {
					fmt.Fprintf(&b, "m,host=h%d,w=%d f=%d,g=%di %d\n", k%10, w, i, i, i*50+k)
				}
				if w := send(t, r, httptest.NewRequest("POST", "/write", strings.NewReader(b.String()))); w.Code != 204 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	lines := stored(t, set)
	if len(lines) != 8*10*2 {
		t.Fatalf("%d series", len(lines))
	}
	for _, l := range lines {
		if n := strings.Count(l[strings.Index(l, "}"):], "="); n != 100 {
			t.Errorf("%d observations of %.100s", n, l)
		}
	}
}

func TestInfluxQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		method, url, form string
		status            int
		answer            string
	}{
		"Telegraf":            {"POST", "/query", `q=CREATE+DATABASE+%22tg%22`, 200, `{"results":[{"statement_id":0}]}`},
		"the shell's import":  {"POST", "/query?chunked=true&db=&epoch=ns&q=CREATE+DATABASE+NOAA%3B+create+database+b", "", 200, `{"results":[{"statement_id":0},{"statement_id":1}]}`},
		"databases":           {"GET", "/query?q=SHOW+DATABASES", "", 200, `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["tg"],["x"]]}]}]}`},
		"a policy":            {"POST", "/query?q=CREATE+RETENTION+POLICY+%22p%22+ON+%22tg%22+DURATION+INF+REPLICATION+1+SHARD+DURATION+7d", "", 200, `{"results":[{"statement_id":0}]}`},
		"a policy that ends":  {"POST", "/query?q=CREATE+RETENTION+POLICY+p+ON+tg+DURATION+7d+REPLICATION+1", "", 400, `{"error":"error parsing query: nothing is deleted by a policy that a sender creates: configure its DURATION 7D as retention: of the server"}`},
		"nothing":             {"GET", "/query", "", 400, `{"error":"missing required parameter \"q\""}`},
		"what is to come yet": {"GET", "/query?q=SELECT+*+FROM+m", "", 400, `{"error":"error parsing query: only CREATE DATABASE, CREATE RETENTION POLICY … DURATION INF and SHOW DATABASES are understood here; ask at /v1/query"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newStore(t, Options{})
			for _, db := range []string{"x", "tg"} {
				if w := send(t, r, httptest.NewRequest("POST", "/write?db="+db, strings.NewReader("m f=1 7"))); w.Code != 204 {
					t.Fatal(w.Code)
				}
			}
			req := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.form))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := send(t, r, req)
			if got := strings.TrimSpace(w.Body.String()); w.Code != tc.status || got != tc.answer {
				t.Errorf("answer %d %s\nwant %d %s", w.Code, got, tc.status, tc.answer)
			}
		})
	}
}

func TestInfluxPing(t *testing.T) {
	r, _ := newStore(t, Options{})
	for _, method := range []string{"GET", "HEAD"} {
		if w := send(t, r, httptest.NewRequest(method, "/ping", nil)); w.Code != 204 || w.Header()["X-Influxdb-Version"] == nil || w.Header()["X-Influxdb-Build"] == nil {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
	if w := send(t, r, httptest.NewRequest("GET", "/ping?verbose=true", nil)); w.Code != 200 || w.Body.String() != "{\"version\":\"1.8.10\"}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := send(t, r, httptest.NewRequest("GET", "/health", nil)); w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"pass"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestInfluxTelegraf sends what Telegraf's outputs influxdb and influxdb_v2 send: see the comments
// of each request for what is theirs.
func TestInfluxTelegraf(t *testing.T) {
	r, set := newStore(t, Options{})
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(strings.TrimSpace(route.Method+" "+route.Pattern), route.Handler)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	const metrics = "cpu,cpu=cpu-total,host=web01 usage_idle=98.5,usage_user=1.2 1700000000000000000\n" +
		"mem,host=web01 used=4096i,used_percent=12.5 1700000000000000000\n" +
		"system,host=web01 uptime_format=\"1 day,  2:03\" 1700000000000000000\n"
	do := func(path, media, token string, body io.Reader) int { // a reader of unknown length is sent chunked
		t.Helper()
		req, err := http.NewRequest("POST", server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "Telegraf/1.24.2 Go/1.19.8")
		req.Header.Set("Content-Type", media)
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		if media != "application/x-www-form-urlencoded" {
			req.Header.Set("Content-Encoding", "gzip")
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	zipped := func() io.Reader {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(metrics)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return io.MultiReader(&b)
	}
	if got := do("/query", "application/x-www-form-urlencoded", "", strings.NewReader("q=CREATE+DATABASE+%22tg%22")); got != 200 {
		t.Errorf("create: %d", got)
	}
	if got := do("/write?db=tg", "text/plain; charset=utf-8", "", zipped()); got != 204 { // anything else is an error to it
		t.Errorf("1.x: %d", got)
	}
	if got := do("/api/v2/write?bucket=tg%2Fautogen&org=o", "text/plain; charset=utf-8", "Token t", zipped()); got != 204 {
		t.Errorf("2.x: %d", got)
	}
	want := []string{
		`{cpu="cpu-total", db="tg", field="usage_idle", host="web01", measurement="cpu", metric="cpu_usage_idle"} float64 1700000000000000000=98.5`,
		`{cpu="cpu-total", db="tg", field="usage_user", host="web01", measurement="cpu", metric="cpu_usage_user"} float64 1700000000000000000=1.2`,
		`{db="tg", field="uptime_format", host="web01", measurement="system", metric="system_uptime_format"} string 1700000000000000000="1 day,  2:03"`,
		`{db="tg", field="used", host="web01", measurement="mem", metric="mem_used"} int64 1700000000000000000=4096`,
		`{db="tg", field="used_percent", host="web01", measurement="mem", metric="mem_used_percent"} float64 1700000000000000000=12.5`,
	}
	if diff := cmp.Diff(want, stored(t, set)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestInfluxShell imports a file with the real shell of InfluxDB 1.x.
func TestInfluxShell(t *testing.T) {
	shell, err := exec.LookPath("influx")
	if err != nil {
		t.Skip("there is no influx shell here (Debian's package influxdb-client)")
	}
	r, set := newStore(t, Options{})
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(strings.TrimSpace(route.Method+" "+route.Pattern), route.Handler)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	var text strings.Builder
	text.WriteString("# DDL\nCREATE DATABASE \"noaa\"\nCREATE RETENTION POLICY \"long\" ON \"noaa\" DURATION INF REPLICATION 1\n\n" +
		"# DML\n# CONTEXT-DATABASE: noaa\n# CONTEXT-RETENTION-POLICY: autogen\n\n")
	want := map[string]string{}
	for i := range 12_000 { // more than the 5,000 lines of a request
		at := int64(1439856000+i) * 1e9
		station, level := fmt.Sprintf("s %d", i%7), float64(i)/8
		fmt.Fprintf(&text, "h2o,station=%s level=%v,n=%di,ok=%v,note=\"a, \\\"%d\\\"\" %d\n", strings.ReplaceAll(station, " ", `\ `), level, i, i%2 == 0, i%3, at)
		for field, v := range map[string]string{"level": fmt.Sprint("float64 ", level), "n": fmt.Sprint("int64 ", i), "ok": fmt.Sprint("bool ", i%2 == 0), "note": fmt.Sprintf("string %q", fmt.Sprintf("a, %q", fmt.Sprint(i%3)))} {
			kind, value, _ := strings.Cut(v, " ")
			k := fmt.Sprintf("{db=\"noaa\", field=%q, measurement=\"h2o\", metric=%q, station=%q} %s", field, "h2o_"+field, station, kind)
			want[k] += fmt.Sprintf(" %d=%s", at, value)
		}
	}
	path := filepath.Join(t.TempDir(), "noaa.txt")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(shell, "-import", "-path="+path, "-host", host, "-port", port, "-precision", "ns").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Processed 2 commands") || !strings.Contains(string(out), "Failed 0 inserts") {
		t.Fatalf("%v\n%s", err, out)
	}
	var lines []string
	for k, v := range want {
		lines = append(lines, k+v)
	}
	slices.Sort(lines)
	if got := stored(t, set); !slices.Equal(got, lines) {
		t.Errorf("%d series, want %d; the first: %.200s\nwant %.200s", len(got), len(lines), got[0], lines[0])
	}
}

// FuzzInflux sends any body to any of the endpoints: an answer is 204 or a described error, and
// what was stored is valid.
func FuzzInflux(f *testing.F) {
	f.Add([]byte("m,host=a f=1.5,i=-2i,u=3u,b=t,s=\"x\" 7\nm\n"), uint8(0))
	f.Add([]byte("m f=1 7\n\xff,\x00=a f=1 -9223372036854775808\n"), uint8(1))
	f.Add([]byte("m f=1 99999999999999\n"), uint8(2))
	r, _ := newStore(f, Options{MaxBody: 1 << 16})
	f.Fuzz(func(t *testing.T, body []byte, form uint8) {
		path := []string{"/write?db=d&precision=h", "/api/v2/write?bucket=d/r&precision=ms", "/api/v3/write_lp?db=d"}[form%3]
		w := send(t, r, httptest.NewRequest("POST", path, bytes.NewReader(body)))
		if w.Code == 204 {
			return
		}
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 400 && w.Code != 413 {
			t.Errorf("%d %s: %v", w.Code, w.Body, err)
		}
	})
}
