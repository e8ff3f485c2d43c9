package receive

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
)

// tenant returns who writes series with their tenant's name, and sees only those.
func tenant(t *testing.T, name string) *access.Identity {
	t.Helper()
	within, err := index.Parse("tenant:" + name)
	if err != nil {
		t.Fatal(err)
	}
	return &access.Identity{
		Name: name, Rights: access.Read | access.Write, Within: within, Set: []chunk.Dimension{{Name: "tenant", Value: name}},
	}
}

// TestTenantsMetadata: the dimension that a tenant sets is also that of metadata, exemplars and start
// times; so a tenant has its own, and sees them. Metadata has no other dimension beside metadata_of.
func TestTenantsMetadata(t *testing.T) {
	remoteWrite := func(help string) *http.Request {
		m := newV2()
		return promRequest("/api/v1/write", typeV2, m.add(writev2.TimeSeries{
			Samples:   []writev2.Sample{{Value: 1, Timestamp: 2, StartTimestamp: 1}},
			Exemplars: []writev2.Exemplar{{LabelsRefs: m.refs("trace_id", "x"), Value: 0.5, Timestamp: 2}},
			Metadata:  writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: m.refs(help)[0]},
		}, "__name__", "c").bytes(t))
	}
	openMetrics := func(help string) *http.Request {
		text := "# TYPE c counter\n# HELP c " + help + "\nc_total 1 0.002 # {trace_id=\"x\"} 0.5 0.002\nc_created 0.001\n# EOF\n"
		return httptest.NewRequest(http.MethodPost, "/v1/write?format=openmetrics", strings.NewReader(text))
	}
	otlp := func(help string) *http.Request {
		all := gauges("c")
		all.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].Description = help
		req := httptest.NewRequest(http.MethodPost, "/v1/metrics", strings.NewReader(encode(t, all)))
		req.Header.Set("Content-Type", otlpProtobuf)
		return req
	}
	for name, tc := range map[string]struct {
		request func(help string) *http.Request
		want    []string // names of series beside metric
	}{
		"remote write": {remoteWrite, []string{"exemplar_of", "metadata_of", "start_of"}},
		"openmetrics":  {openMetrics, []string{"exemplar_of", "metadata_of", "start_of"}},
		"otlp":         {otlp, []string{"metadata_of"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newProm(t)
			r, set := newStore(t, o)
			g := gate.New(set, gate.Options{})
			for _, who := range []string{"acme", "bolt"} {
				req := tc.request("help of " + who)
				w := send(t, r, req.WithContext(access.With(t.Context(), tenant(t, who))))
				if w.Code/100 != 2 {
					t.Fatalf("%s: %d %s", who, w.Code, w.Body)
				}
			}
			for _, who := range []string{"acme", "bolt"} {
				found, _, err := g.Search(access.With(t.Context(), tenant(t, who)), index.All(), 100)
				if err != nil {
					t.Fatal(err)
				}
				var about []string
				for _, s := range found {
					if v, _ := s.Dimensions.Get("tenant"); v != who {
						t.Errorf("%s sees %v", who, s.Dimensions)
					}
					for _, of := range []string{"exemplar_of", "metadata_of", "start_of"} {
						if _, ok := s.Dimensions.Get(of); ok {
							about = append(about, of)
						}
					}
				}
				slices.Sort(about)
				if diff := cmp.Diff(tc.want, slices.Compact(about)); diff != "" {
					t.Errorf("%s: series about others (-want +got):\n%s\n%v", who, diff, found)
				}
			}
			all := strings.Join(stored(t, set), "\n")
			if !strings.Contains(all, "help of acme") || !strings.Contains(all, "help of bolt") {
				t.Errorf("metadata of one is not there:\n%s", all)
			}
		})
	}
}
