package demo

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// machine adds what a Unix host measures of itself.
func (g *collector) machine() {
	busy := func(i int, t int64) float64 {
		v := 0.1 + 0.55*g.load[i]
		if g.host.name == "app-02" {
			v += 0.3 * pressure(t)
		}
		return v
	}
	full := func(t int64) bool { return g.host.name == "db-01" && within(t, diskFull, diskTo) }
	g.gauge("cpu.user.percent", nil, 0.08, 1, func(i int, t int64) float64 { return math.Min(96, 80*busy(i, t)) })
	g.gauge("cpu.system.percent", nil, 0.1, 1, func(i int, t int64) float64 { return 12 * busy(i, t) })
	g.gauge("cpu.iowait.percent", nil, 0.3, 1, func(i int, t int64) float64 {
		if full(t) {
			return 38
		}
		return 0.6 + 2*g.load[i]
	})
	g.gauge("load.1m", nil, 0.12, 2, func(i int, t int64) float64 {
		if full(t) {
			return 2.4 * g.host.cores
		}
		return g.host.cores * busy(i, t)
	})
	g.gauge("mem.used.percent", nil, 0.01, 1, func(i int, t int64) float64 { return 48 + 14*g.load[i] })
	g.gauge("swap.used.percent", nil, 0.01, 1, func(int, int64) float64 { return 2 })
	for _, mount := range []string{"/", "/var"} {
		g.disk(mount)
	}
	for _, direction := range []string{"rx", "tx"} {
		g.counter("net.bytes.total", tags{{"direction", direction}, {"interface", "eth0"}}, func(i int, _ int64) float64 {
			return 3e6 * (0.2 + g.load[i])
		})
	}
	g.counter("net.retransmits.total", tags{{"interface", "eth0"}}, func(i int, t int64) float64 {
		if g.host.dc == "south" && within(t, blipFrom, blipTo) {
			return 45
		}
		return 0.05 + 0.2*g.load[i]
	})
	g.counter("context.switches.total", nil, func(i int, t int64) float64 { return 9000 * g.host.cores * busy(i, t) })
	g.gauge("processes", nil, 0.01, 0, func(int, int64) float64 { return 180 })
	up := make([]bool, len(g.times))
	for i := range up {
		up[i] = true
	}
	g.add("up", nil, chunk.Samples{Kind: chunk.Bool, Bools: up})
}

// disk adds how full a volume is.
func (g *collector) disk(mount string) {
	where := tags{{"mount", mount}}
	g.gauge("disk.used.percent", where, 0.0005, 2, func(_ int, t int64) float64 {
		base := 31 + 1.5*float64(t-Start)/float64(dayEnd-Start)
		if mount == "/var" && g.host.name == "db-01" && t < diskTo {
			base += (100 - base) * ramp(t, diskFrom, diskFull)
		}
		return math.Min(99.9, base)
	})
	g.counter("disk.writes.total", where, func(i int, t int64) float64 {
		if mount == "/var" && g.host.name == "db-01" && within(t, diskFull, diskTo) {
			return 0.4
		}
		return 20 + 90*g.load[i]
	})
}

// nginx adds what the proxies measure.
func (g *collector) nginx() {
	process := tags{{"process", "nginx"}}
	rps := func(i int, _ int64) float64 { return 450 * g.load[i] }
	g.gauge("connections.active", process, 0.05, 0, func(i int, t int64) float64 { return 40 + 0.9*rps(i, t) })
	g.gauge("connections.waiting", process, 0.05, 0, func(i int, t int64) float64 { return 20 + 0.4*rps(i, t) })
	for _, status := range []string{"200", "304", "404", "500"} {
		share := map[string]float64{"200": 0.9, "304": 0.07, "404": 0.028, "500": 0.002}[status]
		g.counter("requests.total", append(tags{{"status", status}}, process...), func(i int, t int64) float64 {
			more := 0.0
			if status == "500" && within(t, deployFrom, deployTo) {
				more = 0.02
			}
			return rps(i, t) * (share + more)
		})
	}
}

// postgres adds what the data bases measure.
func (g *collector) postgres() {
	process := tags{{"process", "postgres"}}
	slow := func(t int64) bool { return g.host.name == "db-01" && within(t, diskFull, diskTo) }
	g.gauge("connections", process, 0.04, 0, func(i int, t int64) float64 {
		if slow(t) {
			return 190
		}
		return 30 + 90*g.load[i]
	})
	g.counter("queries.total", process, func(i int, t int64) float64 {
		if slow(t) {
			return 60
		}
		return 900 * g.load[i]
	})
	g.counter("slow.queries.total", process, func(i int, t int64) float64 {
		if slow(t) {
			return 7
		}
		return 0.02 + 0.05*g.load[i]
	})
	g.gauge("query.time.ms", process, 0.1, 2, func(i int, t int64) float64 {
		if slow(t) {
			return 310
		}
		return 1.8 + 2.2*g.load[i]
	})
	g.gauge("cache.hit.ratio", process, 0.002, 4, func(i int, _ int64) float64 { return 0.991 - 0.01*g.load[i] })
	g.gauge("replication.lag.s", process, 0.4, 3, func(i int, t int64) float64 {
		if within(t, diskFull, diskTo) {
			return 40
		}
		return 0.05 + 0.2*g.load[i]
	})
	for _, table := range []string{"orders", "carts", "products", "payments"} {
		g.gauge("table.rows", append(tags{{"table", table}}, process...), 0, 0, func(_ int, t int64) float64 {
			return math.Floor(2e6 + float64(len(table))*1e4 + 4e4*float64(t-Start)/float64(dayEnd-Start))
		})
	}
}

// rabbitmq adds what the queues measure.
func (g *collector) rabbitmq() {
	for _, queue := range []string{"orders", "emails", "invoices", "shipping", "audit"} {
		where := tags{{"process", "rabbitmq"}, {"queue", queue}}
		late := func(t int64) float64 { // the queue that payments empties waits for it
			if queue == "orders" && within(t, deployFrom, deployTo) {
				return 900 * ramp(t, deployFrom, deployTo)
			}
			if queue == "orders" && within(t, deployTo, deployTo+18*minute) {
				return 900 * (1 - ramp(t, deployTo, deployTo+18*minute))
			}
			return 0
		}
		g.gauge("queue.depth", where, 0.15, 0, func(i int, t int64) float64 { return 4 + 25*g.load[i] + late(t) })
		g.gauge("queue.consumers", where, 0, 0, func(int, int64) float64 { return 4 })
		g.counter("queue.published.total", where, func(i int, _ int64) float64 { return 20 * g.load[i] })
		g.counter("queue.delivered.total", where, func(i int, _ int64) float64 { return 20 * g.load[i] })
	}
}

// pressure is how much of its time the leaking process loses to collecting garbage, 0 to 1.
func pressure(t int64) float64 {
	if t >= leakTo {
		return 0
	}
	p := ramp(t, leakPressure, leakTo)
	return p * p
}
