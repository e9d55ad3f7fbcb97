# The everyday verbs. Needs git, make and python3.13; everything else is installed into .venv and .sam,
# from the hashed lists that `make lock` writes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.13
BIN := .venv/bin
SAM := .sam/bin/sam

# The machine's own architecture, so that the wheels of a local build run here. samconfig.toml says what is deployed.
ARCHITECTURE ?= $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)

# sam build looks for python3.13 on the PATH; .venv has one wherever the machine keeps its own.
# The region is a name the linter of `sam validate` wants to hear; nothing is asked of AWS.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Folders too: a file that is gone changes nothing else.
SOURCES := $(shell find functions layers -name __pycache__ -prune -o -print 2>/dev/null)
BUILT := .aws-sam/built-$(ARCHITECTURE)

.PHONY: help setup format lint types imports locked template test explore check build lock stack demo invoke bench clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready .sam/ready ## install everything into .venv and .sam

.venv/packages: tests/requirements.txt
	@echo "Installing Jetbridge's tools into .venv (a minute or two, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --require-hashes --requirement tests/requirements.txt
	@touch $@

.venv/ready: .venv/packages pyproject.toml
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.sam/ready: local/requirements.txt
	@echo "Installing the SAM CLI into .sam (a minute or two, once)"
	@test -x .sam/bin/python || $(PYTHON) -m venv .sam
	@.sam/bin/python -m pip install -qq --require-hashes --requirement local/requirements.txt
	@touch $@

format: .venv/ready ## rewrite the code the way it should look
	@ruff check --quiet --fix --exit-zero
	@ruff format

lint: .venv/ready ## ruff: rules and layout
	@ruff check
	@ruff format --check

types: .venv/ready ## mypy, strict
	@mypy

imports: .venv/ready ## which module may import which
	@lint-imports

template: .sam/ready ## the template, by SAM's own validation and cfn-lint
	@$(SAM) validate --lint

locked: .venv/ready ## do the locked lists still answer pyproject.toml?
	@pytest --quiet --no-header tests/test_locks.py

check: lint types imports template locked ## everything that can be said without running the code

test: .venv/ready build ## the whole test suite, the local stack included
	@pytest --numprocesses auto --dist loadgroup --cov --cov-report term $(TESTS)

explore: .venv/ready ## the property tests with new and many more examples than `make test` draws (minutes)
	@pytest --numprocesses auto --hypothesis-profile explore -m hypothesis $(or $(TESTS),tests/unit)

build: $(BUILT) ## what would be deployed, into .aws-sam/build, with byte code

# Byte code: without it every cold start compiles the libraries again, three times as long (SAM leaves it out and
# the layer is mounted read-only). unchecked-hash: the default looks at file times, which packing does not keep.
$(BUILT): template.yaml $(SOURCES) | .venv/ready .sam/ready
	@echo "Building for $(ARCHITECTURE)"
	@rm -f .aws-sam/built-*
	@said=$$($(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE) 2>&1) || { echo "$$said"; exit 1; }
	@find .aws-sam/build -name __pycache__ -prune -exec rm -rf {} +
	@python3.13 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s .aws-sam/build .aws-sam/build
	@touch $@

# No address and no path of a machine may end in these files; versions that are there already stay, unless UPGRADE=1.
COMPILE = uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

lock: .venv/ready ## write the three hashed lists of packages (UPGRADE=1 for newer versions)
	@echo "Writing tests/requirements.txt, layers/core/requirements.txt and local/requirements.txt"
	@$(COMPILE) pyproject.toml --group dev --output-file tests/requirements.txt
	@$(COMPILE) pyproject.toml --constraint tests/requirements.txt --output-file layers/core/requirements.txt
	@$(COMPILE) --group sam --output-file local/requirements.txt

stack: .venv/ready build ## the whole system on this machine, until Ctrl-C
	@python -m local.stack $(if $(PORT),--port $(PORT))

demo: .venv/ready build ## a merchant's day, from the first order to the ledger
	@python -m local.demo

invoke: .venv/ready build ## one built function, one event: FUNCTION=ReceiveWebhook EVENT=events/x.json
	@python -m local.emulator $(FUNCTION) $(EVENT)

bench: .venv/ready build ## print the figures of our targets
	@python -m tests.benchmarks

clean: ## remove everything that was built or installed
	@rm -rf .venv .sam .aws-sam .stack .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -prune -exec rm -rf {} +
