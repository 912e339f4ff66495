# Every target works from any folder (`make -C path/to/tusklite run`) and makes its own environment, .venv, once.
PROFILE ?= lite
PRESET ?= lite
SEED ?= 0
JOBS ?= 2
LESSON ?= 00
LESSONS ?= $(wildcard notebooks/*.ipynb notebooks/solutions/*.ipynb)
UV ?= uv

# TORCH=cpu takes PyTorch without CUDA, from where PyTorch keeps it: torch and torchvision as a pair, in the versions
# that are locked. It counts while .venv is being made.
TORCH ?=
CPU_WHEELS ?= https://download.pytorch.org/whl/cpu
ifeq ($(TORCH),cpu)
SIZE := 2 GB
else ifeq ($(TORCH),)
SIZE := 6 GB
else
$(error TORCH: '$(TORCH)' was given; allowed are cpu, or nothing for the locked one)
endif

# On Windows make comes from a package manager, and its shell and tools with Git for Windows.
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := Scripts
else
PYTHON ?= python3
BIN := bin
endif
VENV := .venv/$(BIN)/python
READY := .venv/.ready
OLDEST_PYTHON ?= $(PYTHON)
OLDEST := .venv-oldest/$(BIN)/python
OLDEST_READY := .venv-oldest/.ready

# Kernels start without warnings about folders and frozen modules; Python reads and prints UTF-8 on any system.
export JUPYTER_PLATFORM_DIRS := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help setup lab run test test-quick test-oldest test-browser lint types outputs notebooks bench record record-gpu \
	departures results equations teach bootstrap site mutants lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## make .venv with the locked requirements and the package (PYTHON=python3.12; TORCH=cpu without CUDA)

lab: setup  ## open a lesson in JupyterLab (LESSON=00; another number opens another)
	@test -n "$(wildcard notebooks/$(LESSON)_*.ipynb)" || { echo "LESSON: '$(LESSON)' was given; allowed are $(sort $(foreach file,$(wildcard notebooks/*.ipynb),$(firstword $(subst _, ,$(notdir $(file))))))"; exit 1; }
	$(VENV) -m jupyterlab $(wildcard notebooks/$(LESSON)_*.ipynb)

run: setup  ## the main job: train and evaluate on MNIST-Hard in lesson 13 (PROFILE=ci takes a minute)
	$(VENV) -m tusklite run mnist-hard --profile $(PROFILE)

test: setup lint types  ## formatting, lint, types, tests with doctests, then every lesson and solution from top to bottom
	MPLBACKEND=Agg $(VENV) -m pytest
	TUSKLITE_PROFILE=ci TUSKLITE_RUNS=$$(mktemp -d) $(VENV) -m pytest --nbval-lax --nbval-current-env \
		--nbval-cell-timeout=1800 --nbval-kernel-startup-timeout=600 notebooks

test-quick: setup  ## the tests that take under 10 s each, without the lessons, on JOBS=2 processors: two to three minutes
	MPLBACKEND=Agg $(VENV) -m pytest --numprocesses $(JOBS) --dist worksteal -m "not slow" --ignore tests/notebooks

test-oldest: $(OLDEST_READY)  ## the tests but the lessons', with the oldest versions that are allowed (OLDEST_PYTHON=python3.10)
	MPLBACKEND=Agg $(OLDEST) -m pytest --numprocesses $(JOBS) -W default::DeprecationWarning --ignore tests/notebooks

test-browser: site  ## the site's pages, and lessons in JupyterLab, in a real Chromium (apt-get install chromium)
	TUSKLITE_BROWSER=1 $(VENV) -m pytest tests/browser

lint: setup  ## formatting and lint alone
	$(VENV) -m ruff format --check .
	$(VENV) -m ruff check .

types: setup  ## the types of the package, by mypy
	$(VENV) -m mypy

outputs: setup  ## run all lessons anew and write over their stored outputs: hours (LESSONS=notebooks/00_start_here.ipynb)
	$(VENV) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
		--ExecutePreprocessor.extra_arguments=--log-level=40 $(LESSONS)

notebooks:  ## refused, since it could mean two things: `make lab` opens them, `make outputs` runs and overwrites them
	@echo "make lab opens the lessons; make outputs runs all of them and writes over their stored outputs"; exit 1

bench: setup  ## every claim of speed, measured: one line each
	@for file in $(filter-out benchmarks/ratio.py benchmarks/step_flops.py benchmarks/gpu_step.py benchmarks/class_of_thirty.py,$(wildcard benchmarks/*.py)); do $(VENV) $$file || exit 1; done

record: setup  ## train once and record the result under results/ (SEED=0 PRESET=lite)
	$(VENV) -m tusklite train mnist-hard --preset $(PRESET) --seed $(SEED) --record

record-gpu: setup  ## nine minutes of the full preset on a GPU; type it again until it says that it is done
	$(VENV) -m tusklite train mnist-hard --preset full --minutes 9 --resume --device cuda --record

departures: setup  ## train and record short runs of the lite recipe, each with one setting changed
	$(VENV) -m tusklite departures

results: setup  ## write the tables of recorded results into README.md
	$(VENV) -m tusklite results --write

equations: setup  ## write the index of equations again, from the docstrings
	$(VENV) site/equations.py

teach: setup  ## write the pages for teaching again, from the lessons and site/teach
	$(VENV) site/teaching.py

bootstrap: setup  ## write the first cell of every lesson again, with the address in pyproject.toml
	$(VENV) site/bootstrap.py

site: setup  ## build the web site, offline, into build/site/html, and follow its links (OUTSIDE=1: those elsewhere too)
	$(VENV) site/make_site.py $(if $(OUTSIDE),--outside)

mutants: setup  ## put small faults into the core, one at a time, and see the tests notice: about 20 minutes
	$(VENV) -m pip install --quiet "mutmut>=3.8,<4"
	$(VENV) tests/mutation_testing.py

lock:  ## write requirements.lock again from pyproject.toml (needs uv; LOCK_FLAGS=--upgrade takes the newest versions)
	$(UV) pip compile --quiet --universal --python-version 3.10 --no-python-downloads --no-config --no-annotate \
		--custom-compile-command "make lock" --extra course --extra sweep --extra test --extra site --extra browser $(LOCK_FLAGS) --output-file requirements.lock pyproject.toml

clean:  ## remove caches and build products; environments, runs/ and results/ stay
	rm -rf build dist mutants *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find benchmarks notebooks tests tusklite -name __pycache__ -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -prune -exec rm -rf {} +

# The stamp is removed first and written last: what was interrupted starts over, what is only out of date is updated.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "tusklite needs Python 3.10 or newer, and $(PYTHON) is not there; try: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("tusklite needs Python 3.10 or newer, and $(PYTHON) is %d.%d; try: make setup PYTHON=python3.12" % sys.version_info[:2])'
	@test -f $@ || { echo "Making .venv, once: about $(SIZE) and a few minutes"; $(PYTHON) -m venv --clear .venv; }
	@rm -f $@
ifeq ($(TORCH),cpu)
	grep -E '^(torch|torchvision)==' requirements.lock > .venv/torch.txt
	grep -vE '^(cuda-|nvidia-|triton==|torch==|torchvision==)' requirements.lock > .venv/others.txt
	$(VENV) -m pip install --no-deps --index-url $(CPU_WHEELS) --requirement .venv/torch.txt
	$(VENV) -m pip install --requirement .venv/torch.txt --requirement .venv/others.txt
else
	$(VENV) -m pip install --requirement requirements.lock
endif
	$(VENV) -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

# Old releases beside new ones warn of what has changed since: those warnings are no errors there.
$(OLDEST_READY): pyproject.toml tests/oldest_versions.py
	@echo "Making .venv-oldest: about 7 GB and a few minutes"
	$(OLDEST_PYTHON) -m venv --clear .venv-oldest
	$(OLDEST) -m pip install packaging tomli
	$(OLDEST) tests/oldest_versions.py > .venv-oldest/requirements.txt
	$(OLDEST) -m pip install --requirement .venv-oldest/requirements.txt
	$(OLDEST) -m pip install --no-deps --no-build-isolation --editable .
	@touch $@
