# Everything that README, CONTRIBUTING and .ci/run call. `make` alone lists it.

# The first Python that is new enough; `make demo PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

DEMO := .venv-demo
DEV := .venv
SOURCES := $(shell find retrieval index training eval -type f ! -name '*.pyc')
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTEST := $(ONE_THREAD) $(DEV)/bin/python -m pytest -n 2 --dist loadfile
RECIPE ?= training/recipes/ptbxl.yaml

# With it set, every process that a test starts would compile its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: help demo test test-fast lint format docs wheel lock evaluate train clean

help: ## List what can be made (this).
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(DEMO)/.nearbeat ## Set up in .venv-demo (no torch), answer three queries, write demo-out/demo.html.
	@$(DEMO)/bin/nearbeat demo --out demo-out

test: $(DEV)/.nearbeat ## Set up in .venv (all of it, with torch), run the whole suite.
	@$(PYTEST)

# Merely importing torch takes longer than most of these tests, hence the folder is left out as well.
test-fast: $(DEV)/.nearbeat ## The tests that need neither torch nor patience.
	@$(PYTEST) -m "not slow and not train" --ignore=tests/training

lint: $(DEV)/.nearbeat ## Style (ruff) and types (pyright).
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@$(DEV)/bin/pyright

format: $(DEV)/.nearbeat ## Lay the code out as make lint wants it.
	@$(DEV)/bin/ruff check --fix .
	@$(DEV)/bin/ruff format .

docs: $(DEV)/.nearbeat ## Build the documentation into build/site, strictly.
	@NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --strict --quiet

wheel: $(DEV)/.nearbeat ## Build the package into dist/.
	@$(DEV)/bin/python -m hatchling build -t wheel

evaluate: $(DEMO)/.nearbeat ## Measure on PTB-XL: make evaluate PTBXL=FOLDER [BUNDLE=FOLDER] [UNTRAINED=FOLDER]
	@test -n "$(PTBXL)" || { echo "make evaluate needs the folder of PTB-XL: make evaluate PTBXL=FOLDER" >&2; exit 2; }
	@$(DEMO)/bin/nearbeat evaluate --ptbxl "$(PTBXL)" --out evaluation \
		$(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(UNTRAINED),--untrained "$(UNTRAINED)")

train: $(DEV)/.nearbeat ## Train towers by a recipe: make train PTBXL=FOLDER [RECIPE=FILE]; goes on where it was stopped.
	@test -n "$(PTBXL)" || { echo "make train needs the folder of PTB-XL: make train PTBXL=FOLDER" >&2; exit 2; }
	@PTBXL="$(PTBXL)" $(DEV)/bin/nearbeat train "$(RECIPE)" --out "runs/$(basename $(notdir $(RECIPE)))"

# A lock holds for every platform and Python version, with hashes, and names no index.
COMPILE = $(DEV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: $(DEV)/.tools ## Write requirements/*.txt anew from pyproject.toml; make lock UPGRADE=1 takes the newest versions.
	@$(COMPILE) pyproject.toml -o requirements/run.txt
	@$(COMPILE) pyproject.toml --extra train --extra dev -c requirements/run.txt -o requirements/dev.txt
	@$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	@! grep -nE '://|file:|--(extra-)?index|--find-links' requirements/*.txt

clean: ## Remove what was installed and built here; runs/ and evaluation/ stay.
	@rm -rf $(DEMO) $(DEV) demo-out build dist .pytest_cache .ruff_cache .hypothesis
	@find retrieval index training eval tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. Each step leaves a stamp, so that it is done once and again only after its lock has changed.

PYTHON_IS_MISSING = no Python 3.11 or newer was found (python3 is $$(python3 -V 2>&1 | head -n 1)); \
install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12
VENV_IS_MISSING = $(PYTHON) cannot make a virtual environment, for it lacks ensurepip; \
install it (Debian and Ubuntu: apt install python3-venv)
UV = $(@D)/bin/uv pip install --quiet --python $(@D)/bin/python

$(DEMO)/.tools $(DEV)/.tools: requirements/build.txt
	@test -n "$(PYTHON)" || { echo "NearBeat: $(PYTHON_IS_MISSING)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "NearBeat: $(VENV_IS_MISSING)" >&2; exit 2; }
	@echo "Setting up $(@D) …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(DEMO)/.dependencies: requirements/run.txt $(DEMO)/.tools
	@echo "Installing what answering needs (0.7 GB) …"
	@$(UV) --require-hashes -r $<
	@touch $@

# As a wheel and not in place, so that the demo shows what a user gets.
$(DEMO)/.nearbeat: $(DEMO)/.dependencies pyproject.toml README.md $(SOURCES)
	@$(UV) --no-deps --no-build-isolation --reinstall-package nearbeat .
	@touch $@

$(DEV)/.dependencies: requirements/dev.txt $(DEV)/.tools
	@echo "Installing everything, with torch (7 GB) …"
	@$(UV) --require-hashes -r $<
	@touch $@

$(DEV)/.nearbeat: $(DEV)/.dependencies pyproject.toml
	@$(UV) --no-deps --no-build-isolation --editable .
	@touch $@
