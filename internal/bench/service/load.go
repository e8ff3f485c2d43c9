package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest"
)

// A load is observations as line protocol, in requests.
type load struct {
	title    string
	write    func(emit func(body []byte, observations int) error) error // the same bytes each time
	ask      bool                                                       // it is what the questions are about
	hosts    int
	from, to time.Time
}

// makeLoad returns the load of a name; nil where its data are not there.
func makeLoad(ctx context.Context, name string, o *options) (*load, error) {
	switch name {
	case "devops":
		return devops(o), nil
	case "cardinality":
		return cardinality(o), nil
	case "p4":
		if o.p4 == "" {
			return nil, nil
		}
		return p4(ctx, o)
	}
	return nil, fmt.Errorf("no load %q: devops, p4, cardinality", name)
}

// cpuFields are the fields of a host's CPU, as agents write them.
var cpuFields = []string{
	"usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait",
	"usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice",
}

var devopsStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// devops is what the Time Series Benchmark Suite calls cpu-only: hosts with ten tags and ten fields,
// each a random walk between 0 and 100, an observation every ten seconds.
func devops(o *options) *load {
	steps := int(o.length / (10 * time.Second))
	l := &load{
		title: fmt.Sprintf("DevOps: %d hosts, %d fields, every 10 s, %v", o.hosts, len(cpuFields), o.length),
		ask:   true, hosts: o.hosts, from: devopsStart, to: devopsStart.Add(o.length),
	}
	l.write = func(emit func([]byte, int) error) error {
		rng := rand.New(rand.NewPCG(1, 2))
		tags, state := make([]string, o.hosts), make([]float64, o.hosts*len(cpuFields))
		for h := range tags {
			tags[h] = devopsTags(rng, h)
		}
		for i := range state {
			state[i] = 100 * rng.Float64()
		}
		b := batcher{emit: emit, lines: o.lines}
		for s := range steps {
			at := devopsStart.Add(time.Duration(s) * 10 * time.Second).UnixNano()
			for h := range tags {
				b.body = append(b.body, tags[h]...)
				for f, name := range cpuFields {
					v := &state[h*len(cpuFields)+f]
					*v = min(100, max(0, *v+rng.NormFloat64()))
					b.field(f, name, append(strconv.AppendInt(b.number[:0], int64(*v), 10), 'i'))
				}
				if err := b.end(at, len(cpuFields)); err != nil {
					return err
				}
			}
		}
		return b.flush()
	}
	return l
}

// devopsTags returns the measurement and tags of a host, with a blank behind them.
func devopsTags(rng *rand.Rand, host int) string {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	region := pick("us-east-1", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1")
	return fmt.Sprintf("cpu,hostname=host_%d,region=%s,datacenter=%s%s,rack=%d,os=%s,arch=%s,team=%s,service=%d,service_version=%d,service_environment=%s ",
		host, region, region, pick("a", "b", "c"), rng.IntN(100), pick("Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"), pick("x64", "x86"),
		pick("SF", "NYC", "LON", "CHI"), rng.IntN(20), rng.IntN(2), pick("production", "staging", "test"))
}

// cardinality is many series of ten observations each, a minute apart: every minute, each has one.
func cardinality(o *options) *load {
	l := &load{title: fmt.Sprintf("Cardinality: %d series of 10 observations", o.series)}
	l.write = func(emit func([]byte, int) error) error {
		rng := rand.New(rand.NewPCG(3, 4))
		b := batcher{emit: emit, lines: o.lines}
		for round := range 10 {
			at := devopsStart.Add(time.Duration(round) * time.Minute).UnixNano()
			for i := range o.series {
				b.body = fmt.Appendf(b.body, "requests,pod=pod-%d,node=node-%d,namespace=ns-%d ", i, i/50, i/5000)
				b.field(0, "total", strconv.AppendInt(b.number[:0], int64(round*100+rng.IntN(100)), 10))
				if err := b.end(at, 1); err != nil {
					return err
				}
			}
		}
		return b.flush()
	}
	return l
}

// p4 is the data set P4: a line for each stamp of a source, with all fields that it has then.
func p4(ctx context.Context, o *options) (*load, error) {
	type point struct {
		at     int64
		source int32
		field  int32
		value  float64
	}
	var points []point
	var sources, fields []string
	number := map[string]int32{}
	intern := func(list *[]string, text string) int32 {
		n, ok := number[text]
		if !ok {
			n = int32(len(*list))
			*list, number[text] = append(*list, text), n
		}
		return n
	}
	found, err := ingest.Sources([]string{o.p4}, nil)
	if err != nil {
		return nil, err
	}
	_, err = ingest.Run(ctx, found, ingest.Options{}, func(_ context.Context, b *chunk.Batch) error {
		for _, r := range b.Rows {
			get := func(name string) string { v, _ := r.Dimensions.Get(name); return escape(v) }
			s := intern(&sources, get("group")+",host="+get("host")+",process="+get("process")+" ")
			f := intern(&fields, get(chunk.MetricName))
			for i, at := range r.Samples.Times {
				points = append(points, point{at, s, f, r.Samples.Floats[i]})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(points, func(a, b point) int {
		if a.source != b.source {
			return int(a.source - b.source)
		}
		if a.at < b.at {
			return -1
		}
		return min(1, int(a.at-b.at))
	})
	l := &load{title: "P4: production data of Java processes"}
	l.write = func(emit func([]byte, int) error) error {
		b := batcher{emit: emit, lines: max(1, o.lines/10)}
		for i := 0; i < len(points); {
			b.body = append(b.body, sources[points[i].source]...)
			n := 0
			for ; i+n < len(points) && points[i+n].at == points[i].at && points[i+n].source == points[i].source; n++ {
				p := &points[i+n]
				if math.IsNaN(p.value) || math.IsInf(p.value, 0) {
					p.value = 0
				}
				b.field(n, fields[p.field], strconv.AppendFloat(b.number[:0], p.value, 'g', -1, 64))
			}
			if err := b.end(points[i].at, n); err != nil {
				return err
			}
			i += n
		}
		return b.flush()
	}
	return l, nil
}

// escape writes a word as line protocol does.
func escape(s string) string {
	return strings.NewReplacer(`,`, `\,`, ` `, `\ `, `=`, `\=`).Replace(s)
}

// A batcher gathers lines into bodies.
type batcher struct {
	emit   func(body []byte, observations int) error
	lines  int // a body
	body   []byte
	have   int
	n      int // observations
	number [32]byte
}

func (b *batcher) field(i int, name string, value []byte) {
	if i > 0 {
		b.body = append(b.body, ',')
	}
	b.body = append(append(append(b.body, name...), '='), value...)
}

// end ends a line of n observations.
func (b *batcher) end(at int64, n int) error {
	b.body = append(strconv.AppendInt(append(b.body, ' '), at, 10), '\n')
	b.n += n
	if b.have++; b.have < b.lines {
		return nil
	}
	return b.flush()
}

func (b *batcher) flush() error {
	if b.have == 0 {
		return nil
	}
	body, n := b.body, b.n
	b.body, b.have, b.n = nil, 0, 0
	return b.emit(body, n)
}
