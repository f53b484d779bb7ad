# Hallmark: build, test, measure, try. `make` alone lists the targets.
#
# Everything that a target writes lies in .bin and .tmp; `make clean` removes both.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
GO          ?= go

# The programs link no C, so that each is one file that runs anywhere.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w'

.DEFAULT_GOAL := help
.NOTPARALLEL: # the steps of a test share the cores and a log; each uses all cores by itself

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- build and try

.PHONY: build
build: ## build all programs into .bin
	@echo "== build"
	@$(BUILD) -o .bin/ ./cmd/...

.PHONY: demo
demo: build ## run the demo; KEEP=1 leaves its server running until interrupted
	@.bin/hallmark-demo run --bin .bin $(if $(KEEP),--keep)

# --- test

# What CI runs, cheapest first: a typing error should not wait for the fuzzer.
.PHONY: test
test: fresh need fmt vet cross staticcheck generated unit race story fuzz-short ## everything that CI runs
	@.ci/gotest.sh --sum

.PHONY: fresh
fresh:
	@rm -rf .tmp/tests

.PHONY: need
need: # what a step below needs besides Go; installed if we may, else named in one line
	@.ci/need.sh git gcc npm

.PHONY: fmt
fmt:
	@echo "== gofmt"
	@files=$$(gofmt -s -l cmd proto registry verifier); \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -s -w on:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet:
	@echo "== vet"
	@$(GO) vet ./...

# The verifier is for other people's programs, and some machines have 32 bits.
.PHONY: cross
cross:
	@echo "== build of the verifier for 32 bits"
	@CGO_ENABLED=0 GOARCH=386 $(GO) build ./verifier/... ./cmd/hallmark-verify

.PHONY: staticcheck
staticcheck:
	@echo "== staticcheck"
	@$(GO) tool -modfile=.tools/go.mod staticcheck ./...

.PHONY: generated
generated:
	@echo "== generated code"
	@.tools/generate.sh check

.PHONY: unit
unit:
	@echo "== unit tests"
	@.ci/gotest.sh "unit tests" ./...

.PHONY: race
race:
	@echo "== unit tests of the registry under the race detector"
	@.ci/gotest.sh "unit tests under the race detector" -race ./registry/...

.PHONY: story
story: build # the demo, whose every exit code is checked; its output only if one is wrong
	@echo "== demo"
	@mkdir -p .tmp
	@.bin/hallmark-demo run --bin .bin >.tmp/demo.out 2>&1 || { cat .tmp/demo.out; exit 1; }

.PHONY: fuzz-short
fuzz-short:
	@echo "== fuzzing"
	@.ci/fuzz.sh $(or $(FUZZTIME),10s)

.PHONY: fuzz
fuzz: ## fuzz every parser for longer; FUZZTIME=2m each
	@.ci/fuzz.sh $(or $(FUZZTIME),2m)

.PHONY: crash
crash: ## kill a server under load, again and again; ROUNDS=50, HALLMARK_CRASH_SEED repeats a run
	@HALLMARK_CRASH_ROUNDS=$(or $(ROUNDS),50) $(GO) test -count=1 -timeout=30m -v -run 'TestCrash$$' ./cmd/hallmarkd

.PHONY: lint
lint: fmt vet staticcheck ## the checks that run no code
	@.tools/generate.sh lint

# --- measure

# One package at a time: two that measure at once measure each other.
.PHONY: bench
bench: build ## run the benchmarks; BENCH=regexp picks some, BENCHTIME=1s each; SHORT=1 measures less of the whole
	@$(GO) test -p 1 -run '^$$' -bench '$(or $(BENCH),.)' -benchtime $(or $(BENCHTIME),1s) -benchmem ./verifier/... ./registry/...
	@mkdir -p .tmp
	@.bin/hallmark-bench --dir .tmp $(if $(SHORT),--short)

# --- maintain

.PHONY: generate
generate: ## write the Go code of the gRPC API anew
	@.tools/generate.sh generate

.PHONY: clean
clean: ## remove what the targets above have written
	@rm -rf .bin .tmp
