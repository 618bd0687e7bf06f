# Every target sets up what it needs inside the checkout, without root.
SHELL := /bin/bash
.SHELLFLAGS := -Eeuo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
EXCLUDE_NEWER := 2026-11-20
EXTRAS ?=
FLAGS ?=
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PY := .venv/bin/python
COMPILE := pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --exclude-newer $(EXCLUDE_NEWER)

# Behind a proxy that inspects TLS the CA is in the system's store alone: uv, pip and npm bring lists of their own.
SYSTEM_CAS := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
export UV_SYSTEM_CERTS ?= true
ifneq ($(SYSTEM_CAS),)
export PIP_CERT ?= $(SYSTEM_CAS)
export NODE_EXTRA_CA_CERTS ?= $(SYSTEM_CAS)
endif

.PHONY: help demo init kill-sweep kill-runs host-tree test test-ci proof check lint types imports shell bench lock sync dev node clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet uv==$(UV_VERSION)

UV_NEEDED := $(filter .tools/bin/uv,$(UV))

.venv/pyvenv.cfg: | $(UV_NEEDED)
	$(UV) venv --quiet --python $(PYTHON) .venv

# The stamp says which lock the venv was made from.
.venv/.stamp-dev: requirements-dev.lock | .venv/pyvenv.cfg $(UV_NEEDED)
	$(UV) pip sync --quiet --require-hashes --compile-bytecode --python .venv requirements-dev.lock
	@rm -f .venv/.stamp-*; cp requirements-dev.lock $@

# The short command, and what lets a script find the checkout; a host's venv gets the way back of a bad merge as well.
LAUNCHER := deploy/launcher
PURELIB = $$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

.venv/.stamp-launcher: $(wildcard $(LAUNCHER)/monitoring*) .venv/.stamp-dev
	@install -m 0644 $(LAUNCHER)/monitoring_script.* "$(PURELIB)"
	@install -m 0755 $(LAUNCHER)/monitoring .venv/bin/monitoring
	@touch $@

dev: .venv/.stamp-launcher

# An EVM node and contracts nobody here wrote, for tests and the demo. Who needs them says what is missing,
# so only CI, where every part must be there, fails without.
node_modules/.stamp: package.json package-lock.json .npmrc tools/old_safes.sh
	@if ! command -v npm >/dev/null; then echo "npm is missing: what needs a local chain is left out" >&2; \
	elif npm ci --cache .tools/npm --loglevel=error; then cp package-lock.json $@; \
	tools/old_safes.sh || echo "the oldest Safes cannot be had: tests of them are left out" >&2; \
	else echo "npm ci failed: what needs a local chain is left out" >&2; fi
	@test -e $@ -o "$${CI:-}" != true

node: node_modules/.stamp ## fetch the local chain's parts by npm

# Also where another target makes the venv by `sync`, as `demo` does on a fresh machine.
LOCK := $(if $(EXTRAS),requirements-$(EXTRAS).lock,requirements.lock)
# Before anything is made: a venv in which root left files can be changed by nobody else.
ifneq (,$(filter sync,$(MAKECMDGOALS)))
ifeq (,$(wildcard $(LOCK)))
$(error there is no extra '$(EXTRAS)' in this release; type: make sync, or EXTRAS= one of $(patsubst requirements-%.lock,%,$(filter-out %-dev.lock,$(wildcard requirements-*.lock))))
endif
OWNER := $(shell git config --file .git/config --get monitoring.sync 2>/dev/null | grep -qx true && test "$$(id -u)" != "$$(stat -c %u .)" && stat -c %U .)
ifneq (,$(OWNER))
$(error this checkout belongs to $(OWNER); type: sudo -u $(OWNER) make -C $(CURDIR) sync$(if $(EXTRAS), EXTRAS=$(EXTRAS)))
endif
endif

sync: | .venv/pyvenv.cfg $(UV_NEEDED) ## bring the venv to requirements.lock (EXTRAS=ai, notify or web3)
	$(UV) pip sync --quiet --require-hashes --compile-bytecode --python .venv $(LOCK)
	@rm -f .venv/.stamp-*
	@install -m 0644 $(LAUNCHER)/*.py $(LAUNCHER)/*.pth "$(PURELIB)"
	@install -m 0755 $(LAUNCHER)/monitoring .venv/bin/monitoring

lock: | $(UV_NEEDED) ## raise the pins
	$(UV) $(COMPILE) pyproject.toml -o requirements.lock
	$(UV) $(COMPILE) pyproject.toml --extra dev -o requirements-dev.lock
	for extra in ai notify web3; do $(UV) $(COMPILE) pyproject.toml --extra $$extra -o requirements-$$extra.lock; done

# A developer's venv serves as well as a host's.
demo: $(if $(wildcard .venv/.stamp-dev),dev,sync) node ## show the whole system once, on this machine alone
	@$(PY) -m tools.demo

init: $(if $(wildcard .venv/.stamp-dev),dev,sync) ## set up bot, chat, endpoints and your own watch: asks, then writes
	@$(PY) -m automation init $(FLAGS)

# Three workers on two cores: many tests wait for a clock or a child of theirs.
test: dev node ## set everything up and run the tests (ten minutes at most)
	$(PY) -m pytest -n 3 -m "not (ci or host or proof)"

test-ci: dev node ## the slower tests, and those that boot a host (half an hour at most)
	$(PY) -m pytest -n 3 -m "(ci or host) and not proof"

proof: dev node ## long sweeps and simulated weeks
	$(PY) -m pytest -n 2 -m proof

host-tree: dev ## as root: a small Debian for the tests that boot a host (minutes, once)
	tools/host_tree.sh

kill-sweep: dev ## kill recording and delivery at every step; say what was lost (minutes)
	$(PY) -m tools.kill_sweep

kill-runs: dev ## kill scheduler and runs at random; hold the audit to what was seen (minutes)
	OBSERVED_SEEDS=$(or $(SEEDS),20) $(PY) -m pytest -n 2 tests/acceptance/test_observed.py

check: lint types imports shell ## the gates, without the tests

lint: dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/deptry .

types: dev
	.venv/bin/mypy

imports: dev
	.venv/bin/lint-imports

shell:
	@if command -v shellcheck >/dev/null; then git -c safe.directory='*' grep -lE '^#!.*bash' -- ':!*.md' | xargs shellcheck; \
	else echo "shellcheck is missing: shell scripts are not checked" >&2; test "$${CI:-}" != true; fi

# The pin of deploy/ first; the next one where a module proxy does not carry it. Without it, what is compared with
# supercronic is left out of the report.
SUPERCRONIC_VERSIONS = v0.2.46 v0.2.48
.tools/parts/supercronic:
	@command -v go >/dev/null || { echo "go is missing: no supercronic is built" >&2; exit 0; }; \
	for version in $(SUPERCRONIC_VERSIONS); do \
	GOBIN="$(CURDIR)/.tools/parts" timeout 600 go install "github.com/aptible/supercronic@$$version" && exit 0; done; \
	echo "supercronic cannot be built here" >&2

bench: dev .tools/parts/supercronic ## measure, next to the alternatives (15 minutes; QUICK=1: 2), and write a report
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(FLAGS)

clean: ## remove what these targets made
	rm -rf .venv .tools node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
