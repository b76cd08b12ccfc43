# Tongdao. Needs Python 3.11 or newer with pip, and make; everything else comes by itself.
PYTHON ?= python3
BIN := .venv/bin
LOCKS := $(wildcard requirements/*.lock)
PROJECTS := $(wildcard */pyproject.toml services/*/pyproject.toml)
PACKAGES := tlog soap statute runtime relay wire identity witness sample_providers tongdao_cli audit_service catalog_service exchange_service gateway
T ?=
ARGS ?=

# Said in words that every Python understands.
CHECK := import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; say which to use: make PYTHON=python3.11 ...")
INSTALL := $(PYTHON) -c '$(CHECK)' && $(PYTHON) requirements/install.py

.DEFAULT_GOAL := help
.PHONY: help setup run demo fmt lint types arch test test-unit faults simulate fsck-clean ci bench bench-search bench-suspension bench-log bench-log-search bench-noisy bench-revocation bench-rotation bench-slow-clients bench-curves bench-guard profile docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.for-test ## everything that tests and linters need

# What tests need contains what a run needs: once it is there, it stays.
.venv/.for-run: $(LOCKS) $(PROJECTS) requirements/install.py
	@if [ -e .venv/.for-test ]; then $(INSTALL) test && touch .venv/.for-test; else $(INSTALL) run; fi
	@touch $@

.venv/.for-test: $(LOCKS) $(PROJECTS) requirements/install.py
	@$(INSTALL) test
	@touch .venv/.for-run $@

run: .venv/.for-run ## start everything and keep it running (ARGS="--port 8090 --home DIR")
	@$(BIN)/tongdao up $(ARGS)

demo: .venv/.for-run ## start on free ports, make one governed call, prove it, stop
	@$(BIN)/tongdao demo $(ARGS)

fmt: .venv/.for-test ## format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: .venv/.for-test ## style, format, dead code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/vulture

types: .venv/.for-test ## mypy, strict, on sources and tests
	@$(BIN)/mypy $(PACKAGES:%=-p %) -p peers
	@$(BIN)/mypy tests

arch: .venv/.for-test ## who may import whom
	@$(BIN)/lint-imports

test: .venv/.for-test ## all tests, or T=path
	@$(BIN)/pytest -q -n 2 --dist loadgroup $(T)

test-unit: .venv/.for-test ## only what needs no process and no database
	@$(BIN)/pytest -q tests/unit

faults: .venv/.for-test ## kill -9 under load, with more seeds than `make test` takes (SEEDS="1 2 3")
	@SEEDS="$(or $(SEEDS),1 2 3)" $(BIN)/pytest -q tests/system/test_kills.py

simulate: .venv/.for-test ## the sequencer under 2,000 seeded schedules of crashes, pauses and late commits (SEEDS=2000)
	@PYTHONPATH=tests $(BIN)/python bench/simulate.py

fsck-clean: .venv/.for-test ## a thousand random logs that are whole: fsck must find nothing (RUNS=1000 SEED=1)
	@PYTHONPATH=tests $(BIN)/python bench/fsck_clean.py

ci: lint types arch test ## what has to pass before a merge

bench: .venv/.for-test ## beside nginx, Envoy and a naive gateway, ten minutes (QUICK=1: less than five)
	@QUICK="$(QUICK)" $(BIN)/python bench/compare.py

bench-search: .venv/.for-test ## how fast 50,000 entries are searched; fails where p95 is not below 50 ms
	@PYTHONPATH=tests $(BIN)/python bench/search.py

bench-suspension: .venv/.for-test ## how soon a suspension is effective at the gateway, under load
	@PYTHONPATH=tests $(BIN)/python bench/suspension.py $(ARGS)

bench-log: .venv/.for-test ## how fast the log takes, sequences and shows records (RECORDS=600000 PACED_S=60)
	@PYTHONPATH=tests $(BIN)/python bench/log.py

bench-log-search: .venv/.for-test ## how fast ten million rows of the log are searched (ROWS=1000000 is quicker, HOT=0.6 archives the rest)
	@PYTHONPATH=tests $(BIN)/python bench/log_search.py

bench-noisy: .venv/.for-test ## what a provider that hangs costs its neighbours; fails where p99 grows by half
	@PYTHONPATH=tests $(BIN)/python bench/noisy_neighbour.py

bench-curves: .venv/.for-test ## what a call costs as payload, catalog, masks and processes grow (ARGS="grants masks": only those, QUICK=1: small)
	@QUICK="$(QUICK)" $(BIN)/python bench/curves.py $(ARGS)

bench-guard: .venv/.for-test ## fails where a call takes 30 % more processor than bench/baseline.json says (ARGS=--keep: the new baseline)
	@$(BIN)/python bench/guard.py $(ARGS)

profile: .venv/.for-test ## flame graphs of gateway, exchange and audit service under load, in bench/results/profile
	@$(BIN)/python bench/flames.py $(ARGS)

docs: .venv/.for-test ## renew the pages that are made from the code
	@$(BIN)/python docs/write.py

bench-revocation: .venv/.for-test ## how soon is what was revoked refused at three gateways, under load and with connections cut
	@PYTHONPATH=tests $(BIN)/python bench/revocation.py

bench-rotation: .venv/.for-test ## ten thousand calls while the key that signs tokens is rotated; fails where one of them does
	@PYTHONPATH=tests $(BIN)/python bench/rotation.py

bench-slow-clients: .venv/.for-test ## what 300 slow clients cost all others; fails where they are not cut off
	@PYTHONPATH=tests $(BIN)/python bench/slow_clients.py

lock: ## choose versions anew: requirements/*.in -> *.lock
	@$(INSTALL) lock

clean: ## everything that was made here, except the data in var/
	@rm -rf .venv .tools .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -prune -exec rm -rf {} +
