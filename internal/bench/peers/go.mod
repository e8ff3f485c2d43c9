module github.com/chronodex/chronodex/internal/bench/peers

go 1.26.8

replace github.com/chronodex/chronodex => ../../..

require (
	github.com/VictoriaMetrics/VictoriaMetrics v1.97.1
	github.com/chronodex/chronodex v0.0.0-00010101000000-000000000000
	github.com/prometheus/prometheus v0.314.0
)

require (
	github.com/VictoriaMetrics/metrics v1.31.0 // indirect
	github.com/VictoriaMetrics/metricsql v0.70.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/grafana/regexp v0.0.0-20250905093917-f7b3be9d1853 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/prometheus/common v0.70.1 // indirect
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/gozstd v1.20.1 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
