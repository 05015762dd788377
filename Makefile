# `make help` lists the targets. Each says what it does and how long it took.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CARGO_TARGET_DIR ?= $(CURDIR)/target
CACHE := $(or $(REDIS_OPERATOR_CACHE),$(HOME)/.cache/redis-operator)/cluster
STEP := tests/step

FUZZ_SECONDS ?= 600
KIND ?= operator
HISTORIES ?= 100000
OPTIMISED := --config profile.dev.package.redis-operator.opt-level=1

# release is what users get; e2e skips the minutes of link-time optimisation.
PROFILE ?= release
TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')
# Equal functions once, and short relocations: 1.2 MB less of binary and memory. Rust's own linker can do it, which is
# the default on this platform only.
SMALL = $(if $(filter x86_64-unknown-linux-gnu,$(TRIPLE)),-C link-arg=-Wl$(comma)--icf=all -C link-arg=-Wl$(comma)-z$(comma)pack-relative-relocs)
comma := ,
BINARY = $(CARGO_TARGET_DIR)/$(TRIPLE)/$(PROFILE)/redis-operator

# Tests that need a cluster, or half of one, or an optimised build are not part of `unit`.
SLOW_TESTS := apiserver e2e simulator
TEST_FILES := $(wildcard tests/*.rs webhook/tests/*.rs certs/tests/*.rs)
TEST_DIRS := $(patsubst %/,%,$(dir $(wildcard tests/*/main.rs webhook/tests/*/main.rs certs/tests/*/main.rs)))
FAST_TESTS := $(filter-out $(SLOW_TESTS),$(basename $(notdir $(TEST_FILES))) $(notdir $(TEST_DIRS)))

.PHONY: help check deny unit apiserver simulator bench instructions fuzz image cluster e2e generate demo clean-demo clean-cluster test

help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

check: ## formatting, lints, and licences and advisories where cargo-deny is installed
	@$(STEP) "formatting" cargo fmt --all --check
	@$(STEP) "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(STEP) "licences and advisories" cargo deny --locked check; \
	else echo "==> licences and advisories: left out, cargo-deny is not installed (make deny)"; fi

deny: ## install cargo-deny (minutes) and check licences, advisories and banned crates
	@command -v cargo-deny >/dev/null || $(STEP) "install cargo-deny" cargo install --locked cargo-deny --version ^0.20
	@$(STEP) "licences and advisories" cargo deny --locked check

unit: ## tests of pure code, TLS, scripted servers and server processes; no cluster
	@$(STEP) "helm for tests" tests/cluster/cluster build helm
	@$(STEP) "servers for tests" tests/cluster/cluster images
	@$(STEP) "unit tests" cargo test --locked --workspace --lib --bins $(addprefix --test ,$(FAST_TESTS))

apiserver: ## tests against etcd and kube-apiserver alone
	@$(STEP) "etcd and kube-apiserver" tests/cluster/cluster build etcd kube-apiserver kubectl helm
	@$(STEP) "API server tests" cargo test --locked --test apiserver

# Optimises this package alone: the dependencies are those of the other tests, and those tests build as fast as ever.
simulator: ## play HISTORIES (100000) simulated histories; 1000000 for a night
	@$(STEP) "build the simulator" cargo test --locked $(OPTIMISED) --test simulator --no-run
	@HISTORIES=$(HISTORIES) $(STEP) "$(HISTORIES) simulated histories" \
		cargo test --locked $(OPTIMISED) --test simulator -- --show-output

bench: ## what an admission costs, beside a bare responder (two processors, minutes)
	@$(STEP) "build the benchmark" cargo bench --locked --bench admission --no-run
	@$(STEP) "benchmark" cargo bench --locked --bench admission

# With the names of functions, and without the minutes of link-time optimisation.
instructions: export CARGO_PROFILE_BENCH_DEBUG := line-tables-only
instructions: export CARGO_PROFILE_BENCH_STRIP := none
instructions: export CARGO_PROFILE_BENCH_LTO := off
instructions: export CARGO_PROFILE_BENCH_CODEGEN_UNITS := 16
instructions: ## where the instructions of an admission go (valgrind, minutes); KIND="bare responder" for another server
	@$(STEP) "build the benchmark" cargo bench --locked --bench admission --no-run
	@for path in /mutate /validate; do \
		counts=$$(mktemp); \
		valgrind -q --tool=callgrind --callgrind-out-file=$$counts '--toggle-collect=*count::counted*' \
			$$(cargo bench --locked --bench admission --no-run --message-format=json 2>/dev/null | \
				sed -nE 's/.*"name":"admission".*"executable":"([^"]+)".*/\1/p') count "$(KIND)" $$path; \
		echo "$$path: instructions of 1000 requests, with what is called, by $(KIND)"; \
		callgrind_annotate --inclusive=yes --threshold=100 $$counts | \
			grep -E 'webhook::|redis_operator::|PROGRAM TOTALS' | sed 's/ \[.*//' | head -40; \
		rm $$counts; \
	done

fuzz: ## fuzz each target for FUZZ_SECONDS (600); needs the nightly toolchain
	@command -v cargo-fuzz >/dev/null || $(STEP) "install cargo-fuzz" cargo install --locked cargo-fuzz
	@for target in $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))); do \
		mkdir -p fuzz/target/corpus/$$target; \
		CARGO_TARGET_DIR=$(CURDIR)/fuzz/target $(STEP) "fuzz $$target" \
			cargo +nightly fuzz run --fuzz-dir fuzz $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -max_len=65536; \
	done

image: ## the image redis-operator:dev, also as target/image.tar (PROFILE=release or e2e)
	@RUSTFLAGS="-C target-feature=+crt-static $(SMALL)" $(STEP) "static binary ($(PROFILE))" \
		cargo build --locked --profile $(PROFILE) --target $(TRIPLE) --bin redis-operator
	@mkdir -p target/image && cp $(BINARY) target/image/redis-operator
	@$(STEP) "image redis-operator:dev" \
		tests/images/pack docker.io/library/redis-operator:dev Dockerfile . target/image.tar
	@stat -c '%n: %s bytes' target/image/redis-operator target/image.tar

cluster: ## start the cluster (CLUSTER=current, kind or local; by default the best there is)
	@$(STEP) "cluster" tests/cluster/provider up

e2e: ## tests of the whole on a 3-node cluster (PROFILE=e2e)
	@$(MAKE) image PROFILE=e2e
	@lines=$$(tests/cluster/provider up) && eval "$$lines" && tests/cluster/provider load target/image.tar && \
		E2E=1 $(STEP) "end-to-end tests" cargo test --locked --test e2e

generate: ## write the CRD, the all-in-one manifest and the generated docs anew
	@$(STEP) "helm" tests/cluster/cluster build helm
	@UPDATE=1 $(STEP) "generated files" cargo test --locked --test generated

demo: ## a cluster, the operator, a refused spec, a good one, a write and a read
	@tests/demo

clean-demo: ## remove what the demo installed; the cluster stays
	@tests/demo clean

clean-cluster: ## stop the local cluster and delete its state; binaries and images stay
	@tests/cluster/cluster down

# Least powerful first; the first failure ends it. In CI the cluster is a fresh one, whatever an earlier
# run or a developer has left.
test: ## everything that CI runs
	@$(STEP) "make test" $(SHELL) $(.SHELLFLAGS) '\
		for target in check unit simulator apiserver; do $(MAKE) $$target; done; \
		if [ "$${CI:-}" = true ]; then $(MAKE) clean-cluster; fi; \
		$(MAKE) e2e'
