# Two commands matter: `make demo` and `make test`. Everything they need is set up by themselves.
PYTHON ?= python3
VENV ?= .venv
WHEELS := .cache/wheels
READY := $(VENV)/.ready
BIN := $(VENV)/bin
PEERS_VENV := .venv-peers
BENCH_VENV := .venv-bench
PEERS := $(PEERS_VENV)/.ready tests/interop/node_modules/.ready
# The generator finds ruff on PATH, or silently skips formatting.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests of a file stay together, for they share what is dear to set up.
AT_ONCE := -n auto --maxprocesses 4 --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types generate check-generated unit coverage check-api changelog test-peers test-faults fuzz docs bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create the virtual environment from the locked requirements

# The wheels are kept, so that a second set-up, and the tests that install our own wheel, need no network.
$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "impact-jobs needs Python 3.11 or later; '$(PYTHON)' is older. Try: make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	mkdir -p $(WHEELS)
	$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: --find-links $(WHEELS) -r requirements-dev.txt -d $(WHEELS)
	$(BIN)/python -m pip install --quiet --require-hashes --no-index --find-links $(WHEELS) -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Schedule, wait, download, verify and replay against the embedded sandbox
	@$(BIN)/python scripts/demo.py

test: lint types check-generated unit ## Everything a change must pass, in under five minutes

lint: $(READY) ## Rules, formatting and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

format: $(READY) ## Apply the formatting and the safe fixes, and copy docstrings to the asynchronous client
	$(BIN)/python scripts/async_docstrings.py
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## mypy --strict
	$(BIN)/mypy

generate: $(READY) ## Rebuild openapi/agency-api.json and generated/ from the fragments
	$(BIN)/python scripts/generate.py

check-generated: $(READY) ## Fail when `make generate` would change a byte
	$(BIN)/python scripts/generate.py --check

unit: $(READY) ## The tests
	$(BIN)/python -m pytest $(AT_ONCE)

coverage: $(READY) ## The tests under coverage; fails below 97 % of the branches of facade/
	rm -rf .cache/coverage && mkdir -p .cache/coverage
	$(BIN)/python -m coverage run -m pytest $(AT_ONCE)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage json --quiet -o .cache/coverage/report.json
	@$(BIN)/python -c 'import json; t = json.load(open(".cache/coverage/report.json"))["totals"]["percent_branches_covered"]; print(f"{t:.1f} % of the branches of facade/"); raise SystemExit(t < 97)'

check-api: $(READY) ## What kind of release is due, by the public interface
	@$(BIN)/python scripts/check_api.py

changelog: .venv-docs/.ready ## Show what the next release's notes would say
	@.venv-docs/bin/towncrier build --draft --version "$$($(BIN)/hatchling version)"

test-peers: $(READY) $(PEERS) ## Strangers' checks: redocly, Prism, pyright, real object stores and dataframe libraries
	$(BIN)/python -m pytest -m peers

# A venv of their own: Swift and its kin are no concern of ours but here.
$(PEERS_VENV)/.ready: tests/interop/requirements.txt $(READY)
	$(PYTHON) -m venv --clear $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip download --quiet --require-hashes --only-binary :all: --find-links $(WHEELS) -r $< -d $(WHEELS)
	$(PEERS_VENV)/bin/python -m pip install --quiet --require-hashes --no-index --find-links $(WHEELS) -r $<
	$(BIN)/python -m pip --python $(PEERS_VENV)/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	$(PEERS_VENV)/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

tests/interop/node_modules/.ready: tests/interop/package-lock.json tests/interop/package.json
	npm ci --prefix tests/interop --no-audit --no-fund
	@touch $@

test-faults: $(READY) ## Thousands of sessions under cuts, stalls, lies, kills and interruptions
	$(BIN)/python -m pytest tests/faults --examples 1600

SECONDS_EACH ?= 60
FUZZ ?= all
fuzz: .venv-fuzz/.ready ## Coverage-guided fuzzing of every reader of foreign bytes: SECONDS_EACH=60, FUZZ=all
	.venv-fuzz/bin/python -m tests.fuzzing $(FUZZ) --seconds $(SECONDS_EACH)

docs: .venv-docs/.ready ## Build the documentation into docs/_build/html, warnings being errors
	.venv-docs/bin/python -m sphinx -W --keep-going -b html docs docs/_build/html

.venv-docs/.ready: requirements-docs.txt $(READY)
	$(PYTHON) -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r $<
	$(BIN)/python -m pip --python .venv-docs/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	.venv-docs/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

.venv-fuzz/.ready: tests/fuzzing/requirements.txt $(READY)
	$(PYTHON) -m venv --clear .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r $<
	$(BIN)/python -m pip --python .venv-fuzz/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	.venv-fuzz/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

bench: $(READY) $(BENCH_VENV)/.ready ## Speed beside curl and its kin, waiting by simulation: needs nginx (apt-get install nginx-light)
	$(BENCH_VENV)/bin/python -m tests.benchmarks

$(BENCH_VENV)/.ready: requirements-bench.txt $(READY)
	$(PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r $<
	$(BIN)/python -m pip --python $(BENCH_VENV)/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

lock: $(READY) ## Resolve the locked requirements afresh, for every supported Python, with hashes
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --all-extras --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --all-extras --group docs pyproject.toml -o requirements-docs.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/interop/requirements.in -o tests/interop/requirements.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/fuzzing/requirements.in -o tests/fuzzing/requirements.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra sandbox --group bench pyproject.toml -o requirements-bench.txt

clean: ## Remove what make made
	rm -rf $(VENV) $(PEERS_VENV) $(BENCH_VENV) .venv-fuzz .venv-docs .cache dist demo-output docs/_build tests/interop/node_modules
