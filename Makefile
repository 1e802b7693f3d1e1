# `make help` lists the targets. Everything is installed in .venv; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SRC ?= data/demo/train.zh
TGT ?= data/demo/train.en
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
HASHED = $(INSTALL) --require-hashes --no-deps --requirement
LOCK = uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header pyproject.toml
# torch has another file for each kind of machine and each index, so it has no hash; it pins its CUDA packages itself
CUDA = nvidia|cuda|triton
without = awk '/^[a-z]/ { keep = !/^($(1))/ } keep'

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-gpu test-faults coverage bench lint format corpus constraints audit clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	@echo "Creating $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing mt and its dependencies into $(VENV), with the versions and hashes of requirements.txt (a few minutes the first time)."
	@$(HASHED) requirements.txt
	@$(INSTALL) --constraint constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@echo "Installing the test tools."
	@$(HASHED) requirements-dev.txt
	@$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## train the demo model (about 3 minutes on 2 cores), score it, and translate with it
	@BIN=$(BIN) bash scripts/demo.sh

test: $(DEV_STAMP)  ## run the tests, except the slow ones (a few minutes)
	@echo "Running the tests (a few minutes)."
	@$(BIN)/python -m pytest -n auto

test-all: $(DEV_STAMP)  ## run all tests, every script included (about half an hour)
	@$(BIN)/python -m pytest -m '' -n auto

test-faults: $(DEV_STAMP)  ## kill trainings at 204 random instants, and let disks fail at many more (about 40 minutes)
	@FAULTS=17 $(BIN)/python -m pytest -m '' -n auto tests/test_faults.py

test-gpu: $(DEV_STAMP)  ## run the tests of training and translation on a GPU
	@$(BIN)/python -m pytest -m gpu tests/test_gpu.py

coverage: $(DEV_STAMP)  ## run the tests of `make test`, and report the lines they do not reach
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered

bench: $(STAMP)  ## time training beside other toolkits; SRC=FILE TGT=FILE: on text other than the demo's
	@$(BIN)/python scripts/bench_training.py --src $(SRC) --tgt $(TGT) --threads 1 2

lint: $(DEV_STAMP)  ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(DEV_STAMP)  ## format the code, and fix what ruff can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

corpus: $(STAMP)  ## generate the demo corpus again from its grammar
	@$(BIN)/python scripts/make_demo_corpus.py

constraints:  ## choose the newest versions that work together, for all versions of Python (needs uv)
	@$(LOCK) --extra dev | $(call without,$(CUDA)) > constraints.txt
	@$(LOCK) --constraint constraints.txt --generate-hashes | $(call without,$(CUDA)|torch==) > requirements.txt
	@$(LOCK) --constraint constraints.txt --generate-hashes --extra dev | $(call without,$(CUDA)|torch==) > requirements-dev.txt

audit:  ## look for known vulnerabilities in the packages (needs pip-audit and the network)
	@pip-audit --disable-pip --requirement requirements-dev.txt

clean:  ## delete .venv and caches; runs/ stays
	rm -rf $(VENV) build .coverage* .pytest_cache .mypy_cache .ruff_cache *.egg-info
