# The commands of this project. Each works in a clean clone, without a step before it.
# PYTHON=python3.12 chooses the Python; ARGS="..." goes to the program that the target runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TARGET := connection
# Four at a time keep two cores busy, since the live ones wait now and then; more of them are slower.
JOBS ?= 4
# Containers often set it. The tests start hundreds of agents, and each would compile all its modules again.
unexport PYTHONDONTWRITEBYTECODE
READY := $(VENV)/.ready
# The compiled modules never lie beside their sources, where they would hide them.
COMPILED := $(CURDIR)/build/compiled
# Of all tests those that meet a compiled module; the live ones on an old and a new HAProxy.
COMPILED_TESTS := $(addprefix tests/,agent cli dialect metrics otlp records sampling server spop trace workers test_wheel.py)
COMPILED_LIVE := $(addprefix tests/peer/test_,traces_of_requests.py callers_context.py sampling.py whole_chain.py) tests/lifecycles

.DEFAULT_GOAL := help
.PHONY: help demo test test-compiled wheel check bench fuzz format lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## see it: two HAProxies, a server, the agent and a trace (ARGS="--once --json" for scripts)
	@$(BIN)/haproxy-telemetry demo $(ARGS)

test: $(READY) ## all tests, with every version of HAProxy that can be had (ARGS="-k peer -x" goes to pytest, JOBS=1 runs them in turn)
	@$(BIN)/python scripts/haproxy_versions.py
	@$(BIN)/python scripts/chromium.py
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup $(ARGS)

test-compiled: $(COMPILED)/.ready ## the tests of the hot path, compiled (`make test` runs the sources, interpreted)
	@PYTHONPATH=$(COMPILED) TESTED=compiled \
	    $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup $(COMPILED_TESTS) $(ARGS)
	@$(BIN)/python scripts/haproxy_versions.py
	@PYTHONPATH=$(COMPILED) TESTED=compiled \
	    $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup $(COMPILED_LIVE) -k "2.6 or 3.2" $(ARGS)

wheel: $(READY) ## dist/*.whl, its hot path compiled if a compiler is here (HAPROXY_TELEMETRY_PURE=1: for any Python)
	@$(BIN)/python -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

check: $(READY) ## what must be clean: ruff's rules, ruff's format, mypy --strict
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: $(READY) ## how fast it is, into docs/performance.md (ARGS="--quick", or parts: wire core haproxy memory soak)
	@$(BIN)/python scripts/haproxy_versions.py
	@PYTHONPATH=.:scripts $(BIN)/python -m bench $(ARGS)

fuzz: $(READY) ## look for bytes that break a parser (TARGET=connection or records, ARGS="-max_total_time=300")
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet atheris
	@$(BIN)/python fuzz/fuzz_$(TARGET).py $(ARGS)

format: $(READY) ## bring the code into the format that `make check` asks for
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: $(READY) ## choose new versions for constraints.txt (it names versions and hashes, never an address)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --no-config --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --extra demo --extra propagators --extra grpc --extra otel-config --extra viewer --group dev --group peers --output-file constraints.txt pyproject.toml
	@! grep -nE '[a-z]+://|^-|@' constraints.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(COMPILED)/.ready: $(READY) hatch_build.py $(shell find src -name '*.py')
	@rm -rf $(COMPILED)
	@scripts/compiler $(BIN)/python
	@echo "compiling into build/compiled"
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --target $(COMPILED) .
	@touch $@

# Made again when the dependencies change: they are all in these files.
$(READY): pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv $(PYTHON) $(VENV)
	@touch $@
