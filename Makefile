# The ways to build, show and check mysql-proxy. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help build demo test test-drivers lockstep refusals causal soak chaos-pods fuzz lint bench instructions fmt clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# Further arguments for the demo: make demo DEMO="--keep --port 4000"
DEMO ?=
# Further arguments for the comparison: make bench BENCH="--threads 64 --rounds 5"
BENCH ?=
# Further arguments for counting instructions: make instructions INSTRUCTIONS="--beside"
INSTRUCTIONS ?=

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/mysql-proxy
	@echo "==> build: the release binary"
	@tests/install.sh build
	$(CARGO) build --release --locked

demo: build ## A real primary and two replicas on this machine, the proxy in front, a short tour (DEMO="--keep --port N")
	@echo "==> demo: a primary, two replicas and the proxy, on loopback, in a temporary folder"
	@tests/install.sh servers
	target/release/mysql-proxy demo $(DEMO)

test: ## Run every test; servers come from PATH or MYSQLD=…
	@echo "==> test: all tests, with the real servers that are here"
	@tests/install.sh build servers bench manifests pods
	@tests/page/install.sh
	@tests/drivers/install.sh
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) nextest run --locked --no-fail-fast; $(CARGO) test --locked --doc; \
	else \
	  set -x; $(CARGO) test --locked --no-fail-fast; \
	fi

test-drivers: ## Applications' own drivers, through the proxy and at the primary itself
	@echo "==> test-drivers: each driver through the proxy, compared with the primary"
	@tests/install.sh build servers
	@tests/drivers/install.sh
	$(CARGO) test --locked --test drivers -- --include-ignored --nocapture --test-threads 1

lockstep: ## 20,000 random sessions, statement by statement as on one server (MYSQL_PROXY_LOCKSTEP_SESSIONS, _SEED)
	@echo "==> lockstep: random sessions on one server and through the proxy"
	@tests/install.sh build servers
	MYSQL_PROXY_LOCKSTEP_SESSIONS=$${MYSQL_PROXY_LOCKSTEP_SESSIONS:-20000} \
	  $(CARGO) test --locked --profile checked --test lockstep --test state -- --include-ignored --nocapture --test-threads 1

refusals: ## 10,000,000 made statements: what is taken for a read is refused by no replica (MYSQL_PROXY_REFUSALS, _SEED)
	@echo "==> refusals: what is taken for a read, on real read-only replicas"
	@tests/install.sh build servers
	MYSQL_PROXY_REFUSALS=$${MYSQL_PROXY_REFUSALS:-10000000} \
	  $(CARGO) test --locked --release --test refusals -- --nocapture --test-threads 1

causal: ## 1,000,000 reads while replicas are late, stopped, killed: none is stale or goes back (MYSQL_PROXY_CAUSAL)
	@echo "==> causal: counters written and read back by 64 sessions, through one proxy and through two"
	@tests/install.sh build servers
	MYSQL_PROXY_TEST_LONG=1 MYSQL_PROXY_CAUSAL=$${MYSQL_PROXY_CAUSAL:-1000000} \
	  $(CARGO) test --locked --release --test causal -- --nocapture --test-threads 1

soak: ## Ten minutes with clients that vanish or never read and members that are cut off (MYSQL_PROXY_SOAK, seconds)
	@echo "==> soak: careless clients and cut networks; at the end everything is as at the start"
	@tests/install.sh build servers
	MYSQL_PROXY_SOAK=$${MYSQL_PROXY_SOAK:-600} \
	  $(CARGO) test --locked --release --test faults -- --include-ignored --nocapture --test-threads 1 soaked

chaos-pods: ## The pods of each kind of cluster, their scripts killed 50 times at random lines (MYSQL_PROXY_PODS_KILLS, _SEED)
	@echo "==> chaos-pods: kill -9 at random commands of the init and sidecar scripts; needs root and Oracle MySQL"
	@tests/install.sh build servers pods
	MYSQL_PROXY_PODS_KILLS=$${MYSQL_PROXY_PODS_KILLS:-50} \
	  $(CARGO) test --locked --test pods --test pods_overlays -- --nocapture --test-threads 1 killed_at_any_line _days

fuzz: ## Fuzz what strangers send first, each target for ten minutes (MYSQL_PROXY_FUZZ, seconds); nightly and cargo-fuzz
	@echo "==> fuzz: handshake response, greeting, switch of the method, PROXY header"
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	for target in handshake_response greeting auth_switch proxy_header; do \
	  mkdir -p fuzz/corpus/$$target; \
	  $(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$${MYSQL_PROXY_FUZZ:-600} -max_len=2048 || exit 1; \
	done

lint: ## Check formatting, clippy and documentation; any warning is an error
	@echo "==> lint: formatting, clippy, documentation"
	@tests/install.sh build
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

bench: ## Compare direct, HAProxy and the proxy with sysbench (BENCH="--threads 64 …"); then the parts alone
	@echo "==> bench: sysbench direct, through HAProxy and through the proxy; then the parts alone"
	@tests/install.sh build servers bench
	$(CARGO) bench --locked --bench against_haproxy -- $(BENCH)
	$(CARGO) bench --locked --bench classify --bench forward

instructions: ## Count instructions and allocations per statement with callgrind; compare with what is expected (INSTRUCTIONS="--beside …")
	@echo "==> instructions: per statement in user space, compared with benches/instructions/expected.txt"
	@tests/install.sh build callgrind
	$(CARGO) bench --locked --bench instructions -- $(INSTRUCTIONS)

fmt: ## Format the sources
	@echo "==> fmt: formats the sources in place"
	$(CARGO) fmt

clean: ## Remove what was built
	@echo "==> clean: removes target/"
	$(CARGO) clean
