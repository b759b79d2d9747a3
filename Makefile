# `make demo` shows what it does, `make quick` is for every save, `make test` for every commit. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
WHEELS := .cache/wheels
READY := $(VENV)/.ready
BIN := $(VENV)/bin
INTEROP_VENV := .venv-interop
AIRFLOW_VENV := .venv-airflow
BENCH_VENV := .venv-bench
INTEROP := $(INTEROP_VENV)/.ready tests/interop/node_modules/.ready
# The generator formats its output only if it finds ruff on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Three workers even on two cores, because many tests wait for processes and time limits. A worker that runs out of tests
# takes some from the others, because a few files take far longer than the rest.
PARALLEL := -n 3 --dist worksteal
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Containers often set it. Without compiled files each worker and each process of a test compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup airflow demo quick test lint format types mypy generate check-generated import generate-all spec-diff update unit coverage check-api changelog test-interop test-airflow test-oldest airflow-demo test-faults fuzz docs bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create the virtual environment from the locked requirements

# Keep the wheels: a second set-up, and the tests that install our own wheel, need no network then.
$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "impact-jobs needs Python 3.11 or later; '$(PYTHON)' is older. Try: make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	mkdir -p $(WHEELS)
	@echo "Downloading the locked requirements into $(WHEELS), once; this may take a few minutes ..."
	$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: --find-links $(WHEELS) -r requirements-dev.txt -d $(WHEELS)
	$(BIN)/python -m pip install --quiet --require-hashes --no-index --find-links $(WHEELS) -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Schedule, wait, download, verify and replay against the embedded sandbox
	@$(BIN)/python scripts/demo.py

quick: lint types ## For every save: lint, types and the fast tests
	$(BIN)/python -m pytest $(PARALLEL) --quick --durations 3 --durations-min 1

test: lint types check-generated unit ## For every commit: lint, types, check-generated and all tests

lint: $(READY) ## Check ruff's rules, the formatting and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --cache-dir .cache/imports --no-logo

format: $(READY) ## Apply the formatting and the safe fixes, and copy docstrings to the asynchronous client
	$(BIN)/python scripts/async_docstrings.py
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## Check the types with mypy --strict, and those of the package for macOS and Windows, too
	@$(MAKE) --no-print-directory --jobs 2 mypy mypy-darwin mypy-win32

mypy: $(READY)
	$(BIN)/mypy

mypy-%: $(READY)
	$(BIN)/mypy --platform $* --cache-dir .cache/mypy-$* facade

generate: $(READY) ## Rebuild openapi/agency-api.json and generated/ from the fragments
	$(BIN)/python scripts/generate.py

check-generated: $(READY) ## Fail if `make generate` would change a byte
	$(BIN)/python scripts/generate.py --check

PAGE ?=
GROUP ?=
SPEC ?=
import: $(READY) ## Import published pages as fragments: PAGE="one.md two.yaml", GROUP=name, SPEC=folder
	@$(if $(PAGE),,echo "say which: make import PAGE=one.md" >&2; exit 1)
	@$(BIN)/python scripts/import_pages.py $(if $(GROUP),--group "$(GROUP)") $(if $(SPEC),--spec "$(SPEC)") -- $(PAGE)

INTO ?=
RULES ?=
generate-all: $(READY) ## Generate the whole API as a package: INTO=folder, PAGE="one.md two.yaml" for more pages, SPEC=folder for another account kind
	@$(if $(INTO),,echo "say where: make generate-all INTO=folder" >&2; exit 1)
	@$(BIN)/python scripts/generate_all.py $(if $(SPEC),--spec $(SPEC)) $(if $(RULES),--rules $(RULES)) -- $(INTO) $(PAGE)

BASE ?= HEAD
FORMAT ?= text
spec-diff: $(READY) ## Say what has changed in the API since a commit, and what it breaks: BASE=HEAD, FORMAT=text|json|markdown
	@$(BIN)/python scripts/spec_diff.py --base $(BASE) --format $(FORMAT)

TESTS ?= all
BREAKING ?= refuse
update: $(READY) ## From changed pages to tested code, in one step: PAGE="one.md two.yaml", GROUP=name, TESTS=none|quick|all, BREAKING=accept
	@$(if $(PAGE),,echo "say which: make update PAGE=one.md" >&2; exit 1)
	@$(BIN)/python scripts/update.py $(if $(GROUP),--group $(GROUP)) --tests $(TESTS) --breaking $(BREAKING) -- $(PAGE)

unit: $(READY) ## Run all tests, without lint and types
	$(BIN)/python -m pytest $(PARALLEL)

coverage: $(READY) ## Run the tests under coverage; fail below 97 % of the branches of facade/
	rm -rf .cache/coverage && mkdir -p .cache/coverage
	$(BIN)/python -m coverage run -m pytest $(PARALLEL)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage json --quiet -o .cache/coverage/report.json
	@$(BIN)/python -c 'import json; t = json.load(open(".cache/coverage/report.json"))["totals"]["percent_branches_covered"]; print(f"{t:.1f} % of the branches of facade/"); raise SystemExit(t < 97)'

check-api: $(READY) ## Compare the public interface with the last release, and name the kind of release that is due
	@$(BIN)/python scripts/check_api.py

changelog: .venv-docs/.ready ## Show the notes of the next release
	@.venv-docs/bin/towncrier build --draft --version "$$($(BIN)/hatchling version)"

test-interop: $(READY) $(INTEROP) ## Run the checks against redocly, Prism, pyright, real object stores and dataframe libraries
	$(BIN)/python -m pytest -m interop

# A separate environment, because only these tests need Swift and its dependencies.
$(INTEROP_VENV)/.ready: tests/interop/requirements.txt $(READY)
	$(PYTHON) -m venv --clear $(INTEROP_VENV)
	$(INTEROP_VENV)/bin/python -m pip download --quiet --require-hashes --only-binary :all: --find-links $(WHEELS) -r $< -d $(WHEELS)
	$(INTEROP_VENV)/bin/python -m pip install --quiet --require-hashes --no-index --find-links $(WHEELS) -r $<
	$(BIN)/python -m pip --python $(INTEROP_VENV)/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	$(INTEROP_VENV)/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

tests/interop/node_modules/.ready: tests/interop/package-lock.json tests/interop/package.json
	npm ci --prefix tests/interop --no-audit --no-fund
	@touch $@

airflow: $(AIRFLOW_VENV)/.ready ## Install a real Airflow, with this package, in .venv-airflow

# uv rather than pip, because it installs the 250 packages in seconds.
$(AIRFLOW_VENV)/.ready: tests/airflow/requirements.txt
.venv-airflow-oldest/.ready: tests/airflow/requirements-oldest.txt
$(AIRFLOW_VENV)/.ready .venv-airflow-oldest/.ready: $(READY)
	$(PYTHON) -m venv --clear $(@D)
	$(BIN)/uv pip install --python $(@D)/bin/python --quiet --require-hashes --only-binary :all: -r $(filter %.txt,$^)
	$(BIN)/python -m pip --python $(@D)/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	$(BIN)/python -m pip --python $(@D)/bin/python install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

RUN ?= full
test-airflow: $(AIRFLOW_VENV)/.ready tests/interop/node_modules/.ready ## Check the provider on a real Airflow: RUN=full|small|none; needs PostgreSQL, npm
	$(AIRFLOW_VENV)/bin/python -m mypy --strict -p impact_jobs.airflow
	$(AIRFLOW_VENV)/bin/python -m pytest -c tests/airflow/pytest.ini tests/airflow --run $(RUN)

test-oldest: .venv-airflow-oldest/.ready ## Check the provider's classes on the oldest Airflow that it supports
	.venv-airflow-oldest/bin/python -m pytest -c tests/airflow/pytest.ini tests/airflow --ignore tests/airflow/storage \
	  --ignore tests/airflow/test_operators_in_airflow.py --ignore tests/airflow/plans/test_in_airflow.py \
	  --ignore tests/airflow/test_package.py

airflow-demo: $(AIRFLOW_VENV)/.ready ## Run a real Airflow with the example DAGs and sandbox accounts, until Ctrl-C: needs PostgreSQL
	@$(AIRFLOW_VENV)/bin/python -m tests.airflow.demo

test-faults: $(READY) ## Run thousands of random sessions under faults and kills, file calls that fail, and power cuts (30 minutes)
	$(BIN)/python -m pytest $(PARALLEL) tests/faults --examples 1600

SECONDS_EACH ?= 60
FUZZ ?= all
KEEP ?=
fuzz: .venv-fuzz/.ready ## Fuzz every parser of untrusted input: SECONDS_EACH=60, FUZZ=all, KEEP=1 to extend the corpus
	.venv-fuzz/bin/python -m tests.fuzzing $(FUZZ) --seconds $(SECONDS_EACH) $(if $(KEEP),--keep)

docs: .venv-docs/.ready ## Build the documentation into docs/_build/html; a warning is an error
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

bench: $(READY) $(BENCH_VENV)/.ready ## Compare speed with curl and others, and polling with other pollers: needs nginx (apt-get install nginx-light)
	$(BENCH_VENV)/bin/python -m tests.benchmarks

$(BENCH_VENV)/.ready: requirements-bench.txt $(READY)
	$(PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r $<
	$(BIN)/python -m pip --python $(BENCH_VENV)/bin/python install --quiet --no-index --find-links $(WHEELS) hatchling editables
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

lock: $(READY) ## Upgrade and lock all requirements, with hashes, for every supported Python
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra cli --extra dlt --extra pytest --extra sandbox --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra cli --extra frames --extra pytest --extra sandbox --group docs pyproject.toml -o requirements-docs.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/interop/requirements.in -o tests/interop/requirements.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/fuzzing/requirements.in -o tests/fuzzing/requirements.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/airflow/requirements.in -o tests/airflow/requirements.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  tests/airflow/requirements-oldest.in -o tests/airflow/requirements-oldest.txt
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra sandbox --extra frames --group bench pyproject.toml -o requirements-bench.txt

clean: ## Remove everything that `make` created
	rm -rf $(VENV) $(AIRFLOW_VENV) .venv-airflow-oldest $(INTEROP_VENV) $(BENCH_VENV) .venv-fuzz .venv-docs .cache dist demo-output docs/_build tests/interop/node_modules
