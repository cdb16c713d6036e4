# Each target works alone in a fresh clone: it makes .venv, installs, and does its work.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PEERS  := $(VENV)-peers
LOCK   := requirements.lock

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench gallery docs golden lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

$(STAMP): pyproject.toml $(LOCK)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (the first time: about 5 GB, some minutes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(STAMP)  ## does batch norm or dropout help a small CNN on 5,000 digits? (9 runs, no download)
	@$(BIN)/contrast run quickstart

test: $(STAMP)  ## the fast tests
	@$(BIN)/python -m pytest -q -n auto

test-all: $(STAMP)  ## all tests: simulations and large data too
	@$(BIN)/python -m pytest -q -n auto -m ""

check: $(STAMP)  ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# The peers have an environment of their own that sees ours: what they bring along must not change what we test.
$(PEERS)/.installed: $(STAMP) bench/peers.txt
	@$(BIN)/python -m venv $(PEERS)
	@$(BIN)/python -c "import sysconfig; print('$(CURDIR)/src', sysconfig.get_path('purelib'), sep='\n')" > "$$(echo $(PEERS)/lib/python3*/site-packages)/contrast.pth"
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers.txt
	@touch $@

bench: $(PEERS)/.installed  ## measure speed beside the peers (needs CIFAR-10 and cats_vs_dogs in $$CONTRAST_DATA, 1 hour)
	@$(PEERS)/bin/python bench/speed.py $(BENCH)

gallery: $(STAMP)  ## run what is missing of the five reports' studies and write docs/gallery (BUDGET=full for the reports' own settings)
	@$(BIN)/python docs/gallery.py --budget $(or $(BUDGET),short)

docs: $(STAMP)  ## write docs/reference from the code
	@$(BIN)/python docs/reference.py

golden: $(STAMP)  ## write tests/golden anew; tests/golden/README.md says when that is legitimate
	@$(BIN)/python -m tests.golden.make

lock: $(STAMP)  ## pin what is installed into requirements.lock
	@$(BIN)/python -m pip freeze --exclude-editable --exclude contrast > $(LOCK)

clean:  ## remove .venv
	rm -rf $(VENV) $(PEERS)
