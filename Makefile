# Two commands: `make run` does the job, `make test` proves it. Each target is one tool's command.
# EXTRAS=all,dev   what is installed          EXISTING_TORCH=1   use the torch that is there
EXTRAS ?= all,dev$(if $(filter bench,$(MAKECMDGOALS)),$(COMMA)bench)
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
COMMA  := ,
READY  := $(VENV)/.ready-$(subst $(COMMA),-,$(EXTRAS))$(if $(EXISTING_TORCH),-existing-torch)

.PHONY: run lab test check bench study faults clean

run: $(READY)            ## all notebooks in batch, with an HTML report
	$(BIN)/labkit run

lab: $(READY)            ## JupyterLab on the notebooks
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

test: $(READY) browser   ## everything that must hold
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(READY)          ## style, types, layers, clean notebooks
	$(BIN)/ruff check labkit tests notebooks benchmarks
	$(BIN)/ruff format --check labkit tests notebooks benchmarks
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify --extra-keys metadata.papermill notebooks/*.ipynb

bench: $(READY)          ## speed against peers, equal results asserted first; how often verdicts err
	$(BIN)/python -m benchmarks.encoding
	$(BIN)/python -m benchmarks.corpus_size
	$(BIN)/python -m benchmarks.corpus_statistics
	$(BIN)/python -m benchmarks.readers
	$(BIN)/python -m benchmarks.filters
	$(BIN)/python -m benchmarks.c4
	$(BIN)/python -m benchmarks.duplicates
	$(BIN)/python -m benchmarks.personal_data
	$(BIN)/python -m benchmarks.curation
	$(BIN)/python -m benchmarks.trainer
	$(BIN)/python -m benchmarks.sharding
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.slider
	$(BIN)/python -m benchmarks.thresholds
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.verdicts
	$(BIN)/python -m benchmarks.records
	$(BIN)/python -m benchmarks.notebooks

study: $(READY)          ## studies, declared in their files: recipes, parts of the block, open recipe; an hour
	$(BIN)/python benchmarks/recipes.py
	$(BIN)/python -m benchmarks.architectures
	$(BIN)/python -m benchmarks.open_recipe

faults: $(READY)         ## kill, stop, damage and fill the disk of builds, curations and training runs: a table
	$(BIN)/python -m benchmarks.faults_table
	PYTHONPATH=. $(BIN)/python benchmarks/guards.py

$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "labkit needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 1; }
	@echo "Installing labkit[$(EXTRAS)] into $(VENV): about 2.2 GB with CPU torch, 2 to 4 minutes."
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(if $(EXISTING_TORCH),--system-site-packages) $(VENV)
	@$(if $(EXISTING_TORCH),grep -v '^torch==' constraints.txt,cat constraints.txt) > $(VENV)/constraints.txt
	$(BIN)/pip install --quiet --no-compile -c $(VENV)/constraints.txt -e '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # on all cores; pip takes one
	$(BIN)/pip check
	@touch $@

.PHONY: browser
browser:                 # CI must have a browser; elsewhere its tests are skipped by name
	@if [ -n "$$CI" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq chromium >/dev/null; fi

clean:                   ## remove the environment; artifacts/ stays
	rm -rf $(VENV)
