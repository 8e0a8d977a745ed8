# make demo and make test need nothing done before; on Debian, as root, they install engine and browser as well.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
SOURCES := evalharness benchmarks examples scripts tests

.PHONY: demo test test-all check docs pictures lock setup engine browser images bench gpu-check gpu-bench clean

demo: setup images
	scripts/demo.sh $(BIN)/evalharness

test: setup images browser
	scripts/test.sh $(BIN)/pytest "not slow"

test-all: setup images browser
	$(BIN)/pip install -qq -e ".[ray]"
	scripts/test.sh $(BIN)/pytest "slow or not slow"

check: setup
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/typos
	$(BIN)/python scripts/check_words.py
	$(MKDOCS) build --strict --quiet

docs: setup
	$(MKDOCS) serve

# Draws the documentation's pictures of pages again, from runs in results/pictures, which take some minutes to make.
pictures: setup images browser
	scripts/pictures/runs.sh $(BIN)/evalharness results/pictures
	$(BIN)/python scripts/pictures/draw.py results/pictures

# The versions that CI installs. Run it after a change of the dependencies in pyproject.toml.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --python-version 3.11 --python-platform linux --extra dev --extra ray --upgrade --quiet \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements-dev.lock

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
