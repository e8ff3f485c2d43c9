# Everything that .ci/run checks, by name. See CONTRIBUTING.md.

.PHONY: build test race format lint generated fuzz links bench ci

build: ## the command, in bin/
	CGO_ENABLED=0 go build -trimpath -o bin/chronodex ./cmd/chronodex

test:
	go test ./...

format: ## changes files
	git ls-files '*.go' | grep -v 'pb\.go$$' | xargs go tool -modfile=tools/go.mod gofumpt -w

lint:
	.ci/run format vet lint

race generated fuzz links:
	.ci/run $@

bench:
	go test -run '^$$' -bench . -benchtime 0.5s ./...

ci:
	.ci/run
