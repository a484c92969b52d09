# batchtwin: `make` lists what there is. Everything lives in .venv; nothing else is touched.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test kernels browser lint bench soak accept docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready  ## make .venv and install batchtwin with what its tests need

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "batchtwin needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: setup  ## play a working day of a plant, write its run folder and report
	rm -rf runs/demo
	$(BIN)/batchtwin run working-day --out runs/demo
	$(BIN)/batchtwin report runs/demo
	@echo "the live plant in a browser: $(BIN)/batchtwin dash"

test:  ## run every test; three at a time on two cores, for some wait
	$(MAKE) --no-print-directory -j 2 setup browser
	$(MAKE) --no-print-directory -j 2 lint kernels
	$(BIN)/python -m pytest -n 3 --dist loadfile

kernels: setup
	$(BIN)/batchtwin warmup

browser:  ## Chromium for the tests of the pages (Debian, as root); without it they are skipped and say so
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } || \
	  echo "no Chromium, and not root on Debian: the tests of the pages in a browser are skipped"

lint: setup  ## style, types and the rules between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup  ## measure speed, side by side with the plain alternative
	$(BIN)/batchtwin bench

soak: setup  ## a day of clients that come, go and misbehave: memory flat, nothing lost
	$(BIN)/python tools/soak.py

accept: setup  ## play every acceptance case over OPC UA: server, reference controller and suite as three processes
	$(BIN)/python tools/accept.py

docs: setup  ## run the code in the documentation
	$(BIN)/python -m pytest tests/acceptance/test_docs.py

clean:  ## remove .venv, runs and caches of tools
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
