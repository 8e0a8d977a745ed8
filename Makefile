# make demo and make test need nothing done before; on Debian, as root, they install engine and browser as well.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := evalharness benchmarks tests

.PHONY: demo test test-all check setup engine browser images bench gpu-check gpu-bench clean

demo: setup images
	scripts/demo.sh $(BIN)/evalharness

test: setup images browser
	$(BIN)/pytest -m "not slow"

test-all: setup images browser
	$(BIN)/pip install -qq -e ".[ray]"
	$(BIN)/pytest

check: setup
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

setup: $(STAMP)

$(STAMP): pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV)
	@touch $@

engine:
	scripts/engine.sh

browser:
	scripts/browser.sh

images: setup engine
	$(BIN)/evalharness sandbox build

bench: setup images
	$(BIN)/pip install -qq -e ".[bench]"
	$(BIN)/python benchmarks/grading_speed.py

gpu-check:
	scripts/gpu.sh benchmarks/gpu_check.py --out results/gpu-check.json

gpu-bench:
	scripts/gpu.sh benchmarks/gpu_bench.py --out results

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
