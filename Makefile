# SPDX-License-Identifier: MIT
# Thin: every target calls CMake or a script in tools/. The binary: build/release/frontdesk.
JOBS   ?= $(shell nproc)
FUZZ   ?= all
TIME   ?= 60
PYTHON := /usr/bin/python3
MAKEFLAGS += --no-print-directory

define configure_and_build # preset, target
	@cmake --preset $(1) >/dev/null
	@cmake --build --preset $(1) -j$(JOBS) --target $(2)
endef

.PHONY: release run test check e2e asan tsan fuzz fmt lint bench bench-cache bench-tls bench-h2 bench-abuse bench-balancing bench-spike bench-micro bench-hits soak cover docs dev clean help

release: ## the optimised binary (the default)
	@tools/install-deps build
	$(call configure_and_build,release,frontdesk)

run: ## an example Node.js app with frontdesk in front, on port 8080
	@tools/install-deps build run
	$(call configure_and_build,release,frontdesk)
	@tools/run

test: ## everything: unit, sim, conf, fuzz regressions, end to end
	@tools/install-deps build test
	$(call configure_and_build,release,all)
	@$(PYTHON) tools/run-tests build/release

check: ## the fast tests only: unit, sim, conf, fuzz regressions
	@tools/install-deps build test
	$(call configure_and_build,release,all)
	@$(PYTHON) tools/run-tests --no-e2e build/release

e2e: ## end-to-end tests only; T="test_uri.py -k dots" chooses
	@tools/install-deps build test
	$(call configure_and_build,release,frontdesk)
	@$(PYTHON) tools/run-tests --only-e2e build/release -- $(T)

asan tsan: ## all tests under AddressSanitizer + UBSan, or ThreadSanitizer
	@tools/install-deps build test
	$(call configure_and_build,$@,all)
	@$(PYTHON) tools/run-tests build/$@

fuzz: ## libFuzzer: FUZZ=name TIME=seconds (default: each target for 60 s)
	@tools/install-deps build fuzz
	$(call configure_and_build,fuzz,fuzzers)
	@tools/fuzz $(FUZZ) $(TIME)

soak: TIME = 1200
soak: ## a long mixed load with reloads: TIME=seconds (default 1200), SOAK="--build tsan --kill"
	@tools/install-deps build test
	$(call configure_and_build,release,frontdesk)
	@$(PYTHON) tests/soak/soak.py --time $(TIME) $(SOAK)

bench-micro: ## parsing, the choice of a server, a hit in memory, in nanoseconds, against budgets
	@tools/install-deps build
	$(call configure_and_build,release,bench_micro_http bench_micro_balance bench_micro_cache)
	@build/release/tests/bench_micro_http
	@build/release/tests/bench_micro_balance
	@build/release/tests/bench_micro_cache

bench-hits: ## hit ratio of the cache's memory tier beside an LRU, by made-up traces
	@tools/install-deps build
	$(call configure_and_build,release,bench_hit_ratio)
	@build/release/tests/bench_hit_ratio

cover: ## line coverage per layer, with a floor
	@tools/install-deps build test cover
	$(call configure_and_build,cover,all)
	@find build/cover -name '*.gcda' -delete
	@find build/cover -type d -exec chmod a+rwx {} +
	@umask 0; $(PYTHON) tools/run-tests build/cover    # a worker, too, writes its counts: as nobody
	@$(PYTHON) tools/check-cover build/cover

fmt: ## mends what clang-format would lay out differently
	@tools/install-deps lint
	@tools/check-format --fix

lint: ## layers, words, sizes, documents, clang-format, clang-tidy, cppcheck
	@tools/install-deps build test lint
	$(call configure_and_build,release,all)
	@tools/lint build/release

bench-balancing: ## balancing methods and reuse of connections; DOCS=1 writes docs/balancing.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin)
	@$(PYTHON) tests/bench/balancing.py $(if $(DOCS),--docs) $(BENCH)

bench: ## against Debian's nginx and haproxy; DOCS=1 writes docs/performance.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin bench_pace)
	@$(PYTHON) tests/bench/bench.py $(if $(DOCS),--docs) $(BENCH)

bench-cache: ## the cache against Debian's nginx, haproxy and Varnish; DOCS=1 writes docs/performance.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin bench_crowd)
	@$(PYTHON) tests/bench/cache.py $(if $(DOCS),--docs) $(BENCH)

bench-tls: ## TLS against Debian's nginx, haproxy and h2o; DOCS=1 writes docs/performance.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin bench_handshakes bench_tls_relay)
	@$(PYTHON) tests/bench/tls.py $(if $(DOCS),--docs) $(BENCH)

bench-h2: ## HTTP/2 against Debian's nginx, haproxy and h2o; DOCS=1 writes docs/performance.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin)
	@$(PYTHON) tests/bench/h2.py $(if $(DOCS),--docs) $(BENCH)

bench-abuse: ## floods over HTTP/2 and TLS, and what they cost others; DOCS=1 writes docs/performance.md
	@tools/install-deps build bench
	$(call configure_and_build,release,frontdesk bench_origin bench_pace bench_attack)
	@$(PYTHON) tests/bench/abuse.py $(if $(DOCS),--docs) $(BENCH)

bench-spike: ## a viral spike, with and without max_conns and queue
	@tools/install-deps build
	$(call configure_and_build,release,frontdesk)
	@$(PYTHON) tests/bench/spike.py $(BENCH)

docs: ## writes docs/directives.md from the directive tables
	@tools/install-deps build
	$(call configure_and_build,release,frontdesk)
	@tools/gen-directives

dev: ## a debug build; installs the git hooks in this clone
	@tools/install-deps build test
	$(call configure_and_build,dev,all)

clean: ## throws build/ away
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / { printf "%-16s %s\n", $$1, $$2 }' Makefile
