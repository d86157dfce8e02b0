# Every target is a thin call of `python -m dplib …` or of a tool in tools/, so that all
# of it works without make as well (CONTRIBUTING.md lists the plain commands).
PYTHON ?= python3
# handed to every `pip install`, for example to choose another build of PyTorch
PIP_ARGS ?=
# what the targets hand on: make run ARGS="--seed 1", make test ARGS="-k losses"
ARGS ?=
# processes that run tests, one torch thread each
JOBS ?= 2

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install $(PIP_ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup run lab test lint notebooks bench clean

help: ## explain the targets (this text)
	@echo "Deep-Person in notebooks. Usage: make TARGET"
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) \
	  | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo
	@echo "run, lab and test first install into .venv what they need, once."
	@echo "Variables: PYTHON=python3.12 (which Python makes .venv), PIP_ARGS='…' (handed to"
	@echo "pip install), ARGS='…' (handed to the command), JOBS=2 (test processes)."

setup: .venv/.ready-notebooks ## make .venv and install all that the lessons need

run: .venv/.ready-notebooks ## the main job: draw ToyMarket, train Deep-Person, rank people
	$(PY) -m dplib quickstart $(ARGS)

lab: .venv/.ready-notebooks ## open the lessons in JupyterLab, in your own copies
	$(PY) -m dplib lab $(ARGS)

# One pytest run: the lessons (slow, so they start first), then the unit tests; a whole
# file goes to one worker, since a notebook's cells share a kernel.
test: .venv/.ready-test ## run the lessons and the unit tests
	OMP_NUM_THREADS=1 $(PY) -m pytest --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=900 -n $(JOBS) --dist loadscope --no-loadscope-reorder \
	  notebooks tests $(ARGS)

lint: .venv/.ready-test ## ruff (lessons too), formatting, mypy, layers, stale lessons, their numbers
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-cache
	$(PY) tools/build_notebooks.py --check
	$(PY) tools/lesson_stats.py

notebooks: .venv/.ready-notebooks ## build and execute the lessons that are stale
	$(PY) tools/build_notebooks.py $(ARGS)

bench: .venv/.ready-test ## compare with peers, side by side
	@echo "Installing the peers that we are measured against …"
	$(PIP) -q --no-deps --target build/peers -r benchmarks/requirements.txt
	@set -e; for name in evaluation reranking training; do \
	  echo "== $$name"; $(PY) benchmarks/$$name.py $(ARGS); done

clean: ## remove caches and builds (.venv, data and runs stay)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find dplib tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: what is installed, and again when pyproject.toml changes.
.venv/.ready-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is not. Name one that is:" \
	    "make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv || { \
	  echo "No virtual environment could be made. On Debian and Ubuntu:" \
	    "apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/.ready-notebooks: .venv/.ready-python pyproject.toml
	@echo "Installing PyTorch: a large download, this can take several minutes …"
	$(PIP) 'torch>=2.9' 'torchvision>=0.24'
	@echo "Checking that PyTorch and torchvision fit together …"
	@$(PY) -c 'import torch, torchvision; from torchvision.ops import nms; \
	print("torch", torch.__version__, "| torchvision", torchvision.__version__)' || { \
	  echo "This pair of torch and torchvision cannot be imported. Remove .venv and" \
	    "choose both from one source, with PIP_ARGS."; exit 1; }
	@echo "Installing JupyterLab and the rest …"
	$(PIP) -e '.[notebooks]'
	@touch $@

.venv/.ready-test: .venv/.ready-notebooks
	@echo "Installing the test tools …"
	$(PIP) -e '.[notebooks,test]'
	@tools/get_chromium.sh
	@touch $@
