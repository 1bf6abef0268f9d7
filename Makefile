# Everything that is done with the tree, by name. `make` alone tells what there is.
.DEFAULT_GOAL := help
SHELL := bash
.PHONY: help run test lint release dashboard dashboard-check demo demo-check client-test test-matrix corruptions instructions chaos soak bench big memory fuzz deny audit

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## a private Postgres in .walcast/, a few components, and walcast beside it
	@scripts/setup.sh run
	@cargo run --locked --quiet -- dev

test: ## all tests, on a throw-away Postgres; ARGS='…' goes to the test runner
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory tests/js/node_modules/.package-lock.json tests/python/venv/.installed
	@scripts/with-postgres.sh scripts/cargo-test.sh $(ARGS)

lint: ## formatting, and clippy with warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

release: ## the binary as it is released, built by a profile of what it does under the loads of bench/: some 15 minutes
	@scripts/setup.sh run
	@scripts/release.sh

dashboard: ## builds the page at /dashboard from dashboard/ into dashboard/dist, which is committed
	@$(MAKE) --no-print-directory dashboard/node_modules/.package-lock.json
	@scripts/build-page.sh dashboard

dashboard-check: ## whether dashboard/dist is what the sources build to
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory dashboard/node_modules/.package-lock.json
	@scripts/build-page.sh dashboard check

demo: ## builds the page at / of `walcast dev` from demo/ and client/src into demo/dist, which is committed
	@$(MAKE) --no-print-directory demo/node_modules/.package-lock.json
	@scripts/build-page.sh demo

demo-check: ## whether demo/dist is what the sources build to
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory demo/node_modules/.package-lock.json
	@scripts/build-page.sh demo check

client-test: ## the client for pages (client/): types, build, size, tests beside walcast and a throw-away Postgres, and a fresh app that installs it
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory client/node_modules/.package-lock.json
	@export WALCAST=$${WALCAST:-$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/walcast}; \
		[[ -x $$WALCAST ]] || cargo build --locked; \
		cd client && npm run --silent check && npm run --silent build && ../scripts/with-postgres.sh npm test --silent
	@cd client && node test/pack.mjs

test-matrix: ## the tests of replication against Postgres 14, 16, 17, 18; SMOKE=1: only 14 and 18
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory tests/matrix/node_modules/.package-lock.json
	@scripts/test-matrix.sh

chaos: ## faults of all kinds, by SEED=… for MINUTES=…, PLUGIN=…; then every client must hold what the database holds
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory tests/js/node_modules/.package-lock.json
	@PG_BIN=$$(scripts/find-postgres.sh $(filter wal2json,$(PLUGIN))) SEED=$(SEED) MINUTES=$(MINUTES) PLUGIN=$(PLUGIN) \
		cargo test --locked --quiet --test chaos -- chaos

soak: ## 500 changes/s and 1,000 sockets that come and go, for MINUTES=30; of a release build unless PROFILE=dev
	@scripts/setup.sh test
	@PG_BIN=$$(scripts/find-postgres.sh) SEED=$(SEED) MINUTES=$(MINUTES) \
		cargo test --locked --quiet --profile $(or $(PROFILE),release) --test chaos -- soak

corruptions: ## every byte of every captured frame as every other byte, by an optimised build: no decoder panics
	@cargo test --locked --release --lib -- --ignored every_corruption

bench: ## what walcast costs beside its peers, into bench/RESULTS.md: some 15 minutes
	@scripts/setup.sh test
	@RESULTS=bench/RESULTS.md bench/run.sh

instructions: ## what decoding, diffing and dispatching a change takes, by callgrind, beside bench/instructions.tsv; RENEW=1 writes that anew
	@scripts/setup.sh test
	@RENEW=$(RENEW) scripts/instructions.sh

big: ## one transaction of ROWS=1000000 beside a row in another room; of a release build unless PROFILE=dev
	@scripts/setup.sh test
	@PG_BIN=$$(scripts/find-postgres.sh) ROWS=$(ROWS) \
		cargo test --locked --quiet --profile $(or $(PROFILE),release) --test chaos -- big

memory: ## what a full history takes beside what WALCAST_REPLAY_BYTES says; of a release build unless PROFILE=dev
	@scripts/setup.sh test
	@PG_BIN=$$(scripts/find-postgres.sh) cargo test --locked --quiet --profile $(or $(PROFILE),release) --test chaos -- memory

fuzz: ## the decoders and the WebSockets under libFuzzer, FUZZ_SECONDS=60 for each target
	@scripts/fuzz.sh

deny: ## licences, bans, sources and advisories of the dependencies
	@scripts/cargo-deny.sh

audit: ## advisories of the npm packages that the tests use
	@scripts/npm-audit.sh

# npm writes this file last: it is there, and newer, only where the packages are those of the lock.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --no-fund --no-audit
	@touch $@

%/venv/.installed: %/requirements.txt
	python3 -m venv --clear $*/venv
	$*/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@
