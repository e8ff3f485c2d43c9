package receive

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
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
			`{"error":"partial write of line protocol occurred","data":[{"original_line":"m","line_number":2,"error_message":"missing fields"}]}`, nil,
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
