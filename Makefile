# Every command sets up .venv by itself; the second call is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPARK := .venv-spark
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo stop compare test spark-server lint format benchmarks clean

help: ## Show the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Install the project and its tools in .venv

demo: $(STAMP) ## Deploy all of it to this machine, on examples/companies: tables, a trained model, the endpoint, a schedule
	@$(BIN)/entity-matching deploy all -t local --yes $(ARGS)

stop: $(STAMP) ## Stop the endpoint and the scheduler that demo has started; the tables stay
	@$(BIN)/entity-matching destroy -t local --yes $(ARGS)

compare: $(STAMP) ## Match the example without labels, with labels and with Ditto, and compare (ARGS=--no-ditto: in seconds)
	@$(BIN)/entity-matching demo $(ARGS)

test: $(STAMP) ## Run the tests (ARGS="-k name" goes to pytest)
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

spark-server: $(SPARK)/.installed ## Install Apache Spark's own server in .venv-spark, for the tests that ask it too (needs Java)

lint: $(STAMP) ## Check format, style, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

benchmarks: $(STAMP) ## Measure every published figure: make benchmarks DATA=DIR
	@test -d "$(DATA)" || { echo "make benchmarks needs DATA=DIR, a folder with companies/, companies-wild/, blocking/ and er_magellan/" >&2; exit 2; }
	@set -e; \
	$(BIN)/python benchmarks/companies.py --data "$(DATA)/companies" --ditto; \
	$(BIN)/python benchmarks/companies.py --data "$(DATA)/companies-wild" --ditto; \
	$(BIN)/python benchmarks/blocking.py --data "$(DATA)/blocking"; \
	$(BIN)/python benchmarks/pairs.py --data "$(DATA)/er_magellan"; \
	$(BIN)/python benchmarks/ditto.py --data "$(DATA)/er_magellan"; \
	$(BIN)/python benchmarks/ditto_speed.py --data "$(DATA)/er_magellan/amazon-google"; \
	$(BIN)/python benchmarks/scale.py --data "$(DATA)/companies"; \
	$(BIN)/python benchmarks/pipeline.py --data "$(DATA)"; \
	$(BIN)/python benchmarks/serving.py --data "$(DATA)" --endurance 100000

clean: ## Remove .venv, builds and caches
	@rm -rf $(VENV) $(SPARK) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests benchmarks examples -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "Entity Matching needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; again only when pyproject.toml or constraints.txt change)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,local,serve,train]'
	@touch $@

# in an environment of its own: client and server are both the package pyspark, and must be of one version
$(SPARK)/.installed: constraints.txt
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	@echo "Installing Apache Spark's server into $(SPARK) (once; again only when constraints.txt changes)"
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check \
	  "pyspark==$$(sed -n 's/^pyspark-client==//p' constraints.txt)"
	@touch $@
