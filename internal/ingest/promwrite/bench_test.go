package promwrite

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// benchV1 is a message as Prometheus sends it: so many series of nine labels, with a sample each.
func benchV1(series int) *prompb.WriteRequest {
	r := &prompb.WriteRequest{}
	for i := range series {
		r.Timeseries = append(r.Timeseries, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: fmt.Sprintf("container_network_receive_bytes_%d_total", i%50)},
				{Name: "container", Value: fmt.Sprintf("container-%d", i%7)},
				{Name: "endpoint", Value: "https-metrics"},
				{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:10250", i/250%250, i%250)},
				{Name: "interface", Value: "eth0"},
				{Name: "job", Value: "kubelet"},
				{Name: "namespace", Value: fmt.Sprintf("team-%d", i%20)},
				{Name: "node", Value: fmt.Sprintf("node-%d", i%100)},
				{Name: "pod", Value: fmt.Sprintf("service-%d-7f9c6d5b8-x%d", i%100, i)},
			},
			Samples: []prompb.Sample{{Value: float64(i) * 1.25, Timestamp: 1_700_000_000_000 + int64(i)}},
		})
	}
	return r
}

// benchV2 says the same in 2.0.
func benchV2(series int) *writev2.Request {
	symbols, r := writev2.NewSymbolTable(), &writev2.Request{}
	for _, ts := range benchV1(series).Timeseries {
		x := writev2.TimeSeries{Samples: []writev2.Sample{{Value: ts.Samples[0].Value, Timestamp: ts.Samples[0].Timestamp}}}
		for _, l := range ts.Labels {
			x.LabelsRefs = append(x.LabelsRefs, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
		}
		r.Timeseries = append(r.Timeseries, x)
	}
	r.Symbols = symbols.Symbols()
	return r
}

// BenchmarkDecode decodes 2000 samples, as many as Prometheus sends at once, beside the generated
// types doing the same without making anything of it.
func BenchmarkDecode(b *testing.B) {
	const series = 2000
	v1, err := benchV1(series).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	v2, err := benchV2(series).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	var d1, d2, cold Decoder
	var p1 prompb.WriteRequest
	var p2 writev2.Request
	for _, c := range []struct {
		name   string
		bytes  []byte
		decode func([]byte) error
	}{
		{"1.0/ours", v1, d1.DecodeV1},
		{"1.0/generated", v1, func(m []byte) error { p1.Reset(); return p1.Unmarshal(m) }},
		{"1.0/ours, new series", v1, func(m []byte) error {
			clear(cold.slots)
			return cold.DecodeV1(m)
		}},
		{"2.0/ours", v2, d2.DecodeV2},
		{"2.0/generated", v2, func(m []byte) error { p2.Reset(); return p2.Unmarshal(m) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.bytes)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.decode(c.bytes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(series*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}
