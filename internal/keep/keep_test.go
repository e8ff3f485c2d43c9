package keep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/keep"
	"github.com/chronodex/chronodex/shard"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A site is a server with a store and a folder of backups.
type site struct {
	t   *testing.T
	set *shard.Set
	dir string
	*httptest.Server
	who *access.Identity // nil is somebody with all rights
}

func newSite(t *testing.T, dir string) *site {
	set, err := shard.Open(filepath.Join(t.TempDir(), "store"), shard.Options{Shards: 2, Manual: true})
	must(t, err)
	s := &site{t: t, set: set, dir: dir}
	mux := http.NewServeMux()
	for _, r := range keep.New(keep.Options{Gate: gate.New(set, gate.Options{}), Dir: dir, Keep: 3}).Routes() {
		mux.Handle(r.Method+" "+r.Pattern, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if s.who != nil {
				req = req.WithContext(access.With(req.Context(), s.who))
			}
			r.Handler.ServeHTTP(w, req)
		}))
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.Server.Close()
		must(t, set.Close())
	})
	return s
}

func (s *site) write(host string, times ...int64) {
	s.t.Helper()
	x := chunk.Samples{Kind: chunk.Int64, Times: times, Ints: times}
	d := chunk.Dimensions{{Name: "host", Value: host}}
	must(s.t, s.set.Append(context.Background(), &chunk.Batch{Rows: []chunk.BatchRow{{Dimensions: d, Samples: x}}}))
}

// ask sends a request and returns the status and the body.
func (s *site) ask(method, path string, args ...string) (int, string) {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	body, target := io.Reader(nil), s.URL+path
	if method == "POST" {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	req, err := http.NewRequest(method, target, body)
	must(s.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.Client().Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return resp.StatusCode, string(text)
}

// content prints what a store holds.
func content(t testing.TB, set *shard.Set) string {
	t.Helper()
	out := ""
	_, err := backup.Merge(context.Background(), set, index.All(), chunk.Always, func(_ context.Context, b *chunk.Batch) error {
		for _, r := range b.Rows {
			out += fmt.Sprint(r.Dimensions, r.Samples.Times, r.Samples.Ints, "\n")
		}
		return nil
	})
	must(t, err)
	return out
}

func TestBackupOverHTTP(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "backups"))
	if status, body := s.ask("GET", "/v1/backups"); status != 200 || body != `{"backups":[],"verified":false}`+"\n" {
		t.Errorf("before the first: %d %s", status, body)
	}
	s.write("a", 1, 2, 3)
	s.write("b", 1, 2)
	var first, second keep.Made
	status, body := s.ask("POST", "/v1/backup", "name", "nightly")
	must(t, json.Unmarshal([]byte(body), &first))
	if status != 200 || first.Folder != "nightly" || first.Files == 0 || *first.Copied == 0 {
		t.Fatalf("%d %s", status, body)
	}
	s.write("b", 3)
	status, body = s.ask("POST", "/v1/backup", "name", "nightly")
	must(t, json.Unmarshal([]byte(body), &second))
	if status != 200 || second.Backup <= first.Backup {
		t.Fatalf("%d %s", status, body)
	}
	var list keep.Backups
	status, body = s.ask("GET", "/v1/backups", "verify", "true")
	must(t, json.Unmarshal([]byte(body), &list))
	if status != 200 || len(list.Backups) != 2 || list.Backups[0].Backup != first.Backup || len(list.Findings) > 0 || !list.Verified {
		t.Errorf("%d %s", status, body)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	_, err := backup.Restore(context.Background(), filepath.Join(s.dir, "nightly"), first.Backup, restored, backup.Options{})
	must(t, err)
	set, err := shard.Open(restored, shard.Options{ReadOnly: true})
	must(t, err)
	if got := content(t, set); !strings.Contains(got, `{host="b"} [1 2] [1 2]`) {
		t.Errorf("restored %s", got)
	}
	must(t, set.Close())
}

// What is restored into a running store merges with what it has.
func TestRestoreOverHTTP(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.write("a", 1, 2, 3)
	s.write("b", 1, 2, 3)
	if status, body := s.ask("POST", "/v1/backup"); status != 200 {
		t.Fatal(status, body)
	}
	_, err := s.set.Delete(context.Background(), index.All(), chunk.Always)
	must(t, err)
	s.write("a", 9)
	status, body := s.ask("POST", "/v1/restore", "selector", "host:a", "from", "1970-01-01T00:00:00.000000002Z")
	var out keep.Restored
	must(t, json.Unmarshal([]byte(body), &out))
	if status != 200 || out.Series != 1 || out.Observations != 2 || out.Refused != 0 || len(out.Lost) > 0 {
		t.Errorf("%d %s", status, body)
	}
	if got, want := content(t, s.set), `{host="a"} [2 3 9] [2 3 9]`+"\n"; got != want {
		t.Errorf("the store holds %s, want %s", got, want)
	}
}

func TestStreamOverHTTP(t *testing.T) {
	s := newSite(t, "")
	s.write("a", 1, 2, 3)
	resp, err := s.Client().Get(s.URL + "/v1/backup.tar")
	must(t, err)
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/x-tar" {
		t.Errorf("content type %s", got)
	}
	into := filepath.Join(t.TempDir(), "new")
	_, err = backup.RestoreTar(context.Background(), resp.Body, into, backup.Options{})
	must(t, err)
	set, err := shard.Open(into, shard.Options{ReadOnly: true})
	must(t, err)
	if got, want := content(t, set), content(t, s.set); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	must(t, set.Close())
}

func TestRefusals(t *testing.T) {
	within, err := index.Parse("host:a")
	must(t, err)
	tenant := &access.Identity{Name: "tenant", Rights: access.All, Within: within}
	for name, tc := range map[string]struct {
		dir          bool
		who          *access.Identity
		method, path string
		args         []string
		status       int
		want         string
	}{
		"a path":            {true, nil, "POST", "/v1/backup", []string{"name", "../elsewhere"}, 400, "want letters"},
		"a hidden folder":   {true, nil, "POST", "/v1/backup", []string{"name", ".."}, 400, "want letters"},
		"an absolute path":  {true, nil, "POST", "/v1/restore", []string{"name", "/etc", "selector", "*"}, 400, "want letters"},
		"no folder":         {false, nil, "POST", "/v1/backup", nil, 404, "configure backup.dir"},
		"none to list":      {false, nil, "GET", "/v1/backups", nil, 404, "configure backup.dir"},
		"no such folder":    {true, nil, "GET", "/v1/backups", []string{"name", "x"}, 404, "there is no such folder"},
		"no such backup":    {true, nil, "POST", "/v1/restore", []string{"name", "x", "selector", "*"}, 404, "no such backup"},
		"no selector":       {true, nil, "POST", "/v1/restore", nil, 400, "say which series"},
		"half a selector":   {true, nil, "POST", "/v1/restore", []string{"selector", "host:("}, 400, "syntax error at offset"},
		"no time":           {true, nil, "POST", "/v1/restore", []string{"selector", "*", "from", "soon"}, 400, "soon"},
		"unknown parameter": {true, nil, "POST", "/v1/backup", []string{"dir", "x"}, 400, "there is no such parameter"},
		"no count":          {true, nil, "POST", "/v1/backup", []string{"keep", "-1"}, 400, "want a count"},
		"a tenant":          {true, tenant, "POST", "/v1/backup", nil, 403, "confined"},
		"a tenant's stream": {true, tenant, "GET", "/v1/backup.tar", nil, 403, "confined"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ""
			if tc.dir {
				dir = filepath.Join(t.TempDir(), "backups")
			}
			s := newSite(t, dir)
			s.who = tc.who
			status, body := s.ask(tc.method, tc.path, tc.args...)
			if status != tc.status || !strings.Contains(body, tc.want) || !json.Valid([]byte(body)) {
				t.Errorf("%d %s, want %d with %q", status, body, tc.status, tc.want)
			}
			if _, err := os.Stat(dir); tc.dir && err == nil {
				t.Error("something was made")
			}
		})
	}
}

// A client that goes away ends the stream, and the store lets its files go.
func TestStreamIsCut(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.write("a", 1, 2, 3)
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/backup.tar", nil)
	must(t, err)
	resp, err := s.Client().Do(req)
	must(t, err)
	var head [512]byte
	_, err = io.ReadFull(resp.Body, head[:])
	must(t, err)
	cancel()
	resp.Body.Close()
	if _, err := backup.RestoreTar(context.Background(), bytes.NewReader(head[:]), filepath.Join(t.TempDir(), "new"), backup.Options{}); err == nil {
		t.Error("a cut stream was restored")
	}
	for { // the next one has its turn when the first one has ended
		if status, _ := s.ask("POST", "/v1/backup"); status == 200 {
			break
		}
	}
}
