package testseries

import (
	"fmt"
	"iter"
	"math/rand/v2"
)

// A Label is a name and a value of a generated series.
type Label struct {
	Name  string
	Value string
}

// kubernetesMetrics are what each container reports.
var kubernetesMetrics = []string{
	"container_cpu_usage_seconds_total", "container_cpu_system_seconds_total", "container_cpu_user_seconds_total",
	"container_cpu_cfs_throttled_periods_total", "container_memory_usage_bytes", "container_memory_working_set_bytes",
	"container_memory_rss", "container_memory_cache", "container_memory_failcnt", "container_fs_reads_total",
	"container_fs_writes_total", "container_fs_usage_bytes", "container_network_receive_bytes_total",
	"container_network_transmit_bytes_total", "container_network_receive_errors_total", "container_threads",
	"container_processes", "container_start_time_seconds", "jvm_memory_heap_used_bytes", "jvm_gc_pause_seconds_sum",
	"jvm_gc_pause_seconds_count", "http_server_requests_seconds_sum", "http_server_requests_seconds_count",
	"http_server_errors_total", "process_open_fds",
}

// Kubernetes yields the labels of n series as a cluster of Kubernetes has them: clusters, namespaces,
// apps, pods with random names on nodes, containers, each with 25 metrics. Neighbours share their
// container. The same seed gives the same series, all of them distinct. The labels are sorted by
// name, and valid until the next; their strings are shared.
func Kubernetes(seed uint64, n int) iter.Seq[[]Label] {
	return func(yield func([]Label) bool) {
		rng := rand.New(rand.NewPCG(seed, 0x6b38_73))
		words := []string{
			"api", "auth", "billing", "cart", "catalog", "checkout", "email", "frontend", "gateway", "inventory",
			"ledger", "orders", "payment", "profile", "recommend", "report", "search", "session", "shipping", "stock",
		}
		roles := []string{"web", "worker", "cache", "db", "proxy", "cron"}
		const letters = "bcdfghjklmnpqrstvwxz2456789"
		random := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = letters[rng.IntN(len(letters))]
			}
			return string(b)
		}
		labels := make([]Label, 8)
		for left := n; left > 0; {
			word, role := words[rng.IntN(len(words))], roles[rng.IntN(len(roles))]
			cluster := []string{"prod-eu-1", "prod-us-1", "prod-us-2", "staging"}[rng.IntN(4)]
			namespace := fmt.Sprintf("%s-team%02d", word, rng.IntN(3))
			app := word + "-" + role
			version := fmt.Sprintf("%d.%d.%d", 1+rng.IntN(3), rng.IntN(10), rng.IntN(5))
			set := random(9)
			for range min(3+rng.IntN(20), left) {
				pod := app + "-" + set + "-" + random(5)
				node := fmt.Sprintf("node-%s-%03d", cluster, rng.IntN(250))
				for _, container := range []string{role, "sidecar"}[:1+rng.IntN(2)] {
					for _, metric := range kubernetesMetrics {
						if left == 0 {
							return
						}
						left--
						copy(labels, []Label{
							{"app", app},
							{"cluster", cluster},
							{"container", container},
							{"metric", metric},
							{"namespace", namespace},
							{"node", node},
							{"pod", pod},
							{"version", version},
						})
						if !yield(labels) {
							return
						}
					}
				}
			}
		}
	}
}
