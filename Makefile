# Every command sets up what it needs first (Debian packages, .venv, locked Python packages); a second run does none of it again.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: run check test verify bench screenshots lock demo setup setup-test clean

run: setup                ## open the demo (offscreen, with a picture, where there is no display)
	@scripts/run.sh

setup:
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

check: setup-test         ## lint, types, import rules, unit tests: under a minute
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest -q -n 2 -m "not gui and not qemu and not slow and not verify"

test: check               ## all of check, plus samples, a part of the fuzz, GUI and real-QEMU tests: under 10 minutes on 2 cores
	$(PY) -m pytest -q -n 2 -m "slow and not gui and not qemu and not verify"
	$(PY) -m pytest -q -m "(gui or qemu) and not verify"

# Work is stolen, since one test (the fault runs) takes half an hour; three workers, since that one mostly waits. Long tests without faulthandler's dumps: taken while a thread runs, one of them crashed its worker (Python 3.11).
verify: test              ## device matrix, long fuzz, every sample: under 60 minutes
	$(PY) -m pytest -q -n 3 --dist worksteal -m verify -o faulthandler_timeout=0

bench: setup-test         ## side-by-side comparisons in one run; prints ratios
	$(PY) -m tests.bench

screenshots:              ## the pictures of README and docs, from the real application, its walk with a real QEMU, and the report, from a real browser
	@scripts/setup.sh docs
	$(PY) scripts/screenshots.py
	$(PY) scripts/record_walk.py
	$(PY) scripts/demo_report.py

demo: setup-test          ## rebuild resources/demo with real QEMU
	$(PY) scripts/make_demo.py

lock:                     ## refresh requirements-dev.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	    --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
