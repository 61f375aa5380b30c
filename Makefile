# The one way in. `make` alone shows what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
BIN := .venv/bin
STEP := scripts/step.sh

# Python 3.11 or later that makes the virtual environments; empty: the first that fits on the PATH.
PYTHON ?=
export PYTHON
# What `make check` compares the contracts with; empty: the last release tag, else origin/main (scripts/breaking.sh).
PROTO_BASE ?=
export PROTO_BASE
# More arguments for pytest, such as PYTEST_ARGS='-k barge_in -x'.
PYTEST_ARGS ?=
# Options of deploy/check_compose.py, such as COMPOSE_ARGS='--engine podman --compose podman-compose'.
COMPOSE_ARGS ?=

##@ Use it
help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST); echo

setup: .setup-cpu .models ## Make .venv with all that the embedded CPU default needs

demo: setup ## Hold a whole conversation: five services, a caller, a latency waterfall; result in out/demo/
	@$(BIN)/parley demo

up: setup ## Start the five services on this machine
	@$(BIN)/parley up

down: ## Stop them
	@if [ -x $(BIN)/parley ]; then $(BIN)/parley down; fi

bench: setup ## Measure latency, barge-in and orchestration cost into out/bench/
	@$(PY) -m bench

##@ Work on it
test: .setup-dev .models .test-models .redis .prometheus ## Run all tests
	@$(PY) -m pytest $(PYTEST_ARGS)

test-unit: .setup-dev ## Run the unit tests alone: seconds
	@$(PY) -m pytest -m unit $(PYTEST_ARGS)

test-contract: .setup-dev .models .test-models ## Run the suites that every engine must pass
	@$(PY) -m pytest -m contract $(PYTEST_ARGS)

test-integration: .setup-dev .models .test-models .redis .prometheus ## Run the tests on real gRPC servers
	@$(PY) -m pytest -m integration $(PYTEST_ARGS)

test-e2e: .setup-dev .models .test-models .redis ## Run the tests of whole calls
	@$(PY) -m pytest -m e2e $(PYTEST_ARGS)

test-models: .setup-dev .test-models ## Make the tiny models that the tests of the real engines load: .models/test

check-compose: setup ## Bring the CPU compose file up and kill every service under live calls (needs docker; COMPOSE_ARGS)
	@$(PY) deploy/check_compose.py $(COMPOSE_ARGS)

check: lint type check-contracts check-proto ## Check all that can be checked without running it
	@echo "all checks passed"

lint: .setup-dev ## Lint: ruff, formatting, import rules, shell scripts, what must not be in the tree
	@$(STEP) "ruff check" $(BIN)/ruff check .
	@$(STEP) "ruff format" $(BIN)/ruff format --check .
	@$(STEP) "import rules" $(BIN)/lint-imports --no-cache --no-logo
	@$(STEP) "shell scripts" scripts/check_shell.sh
	@$(STEP) "tree" $(PY) scripts/check_tree.py

type: .setup-dev ## Check types: mypy --strict
	@$(STEP) "mypy --strict" $(BIN)/mypy

format: .setup-dev ## Format the code and mend what can be mended mechanically
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

check-contracts: .setup-dev ## Check protos/: buf lint, and no breaking change
	@$(STEP) "buf lint" $(BIN)/buf lint protos
	@$(STEP) "buf breaking" scripts/breaking.sh $(BIN)/buf

proto: .setup-proto ## Generate gen/ anew from protos/
	@scripts/gen_proto.sh

check-proto: .setup-proto ## Check that gen/ is what protos/ generate
	@$(STEP) "gen/ matches protos/" scripts/check_proto.sh

lock: ## Write requirements/*.lock anew (needs uv on the PATH)
	@scripts/lock.sh

clean: ## Remove what make made: environments, caches, models, out/
	@if [ -x $(BIN)/parley ]; then $(BIN)/parley down >/dev/null 2>&1 || true; fi
	rm -rf .venv .venv-proto .models .run out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Instant where nothing changed: each compares what is installed with the lock by content.
.setup-cpu:
	@scripts/setup.sh cpu
.setup-dev:
	@scripts/setup.sh dev
.setup-proto:
	@scripts/setup.sh proto
# The two ONNX files of turn detection, out of pinned wheels.
.models:
	@$(PY) scripts/fetch_turn_models.py
# A tiny Whisper, Llama and Piper voice of our own making, for the real libraries; nothing to do where they are there.
.test-models:
	@$(PY) -m scripts.test_models
.redis:
	@scripts/need_redis.sh
.prometheus:
	@scripts/need_prometheus.sh

.PHONY: help setup demo up down bench test test-unit test-contract test-integration test-e2e check-compose check lint type format \
	check-contracts proto check-proto lock clean .setup-cpu .setup-dev .setup-proto .models .test-models .redis .prometheus test-models
# Targets run one after another, in the order they stand, also under -j.
.NOTPARALLEL:
