# Two commands do everything from a fresh clone: `make demo` and `make test`. Neither calls apt or sudo.
PYTHON ?= python3
# Another wheel index for torch, e.g. make test TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# A T1 scan of your own for the demo: make demo T1=scan.nii.gz
T1 ?=
# Processes that run the tests, each file in one of them.
JOBS ?= 2
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test docs lint soak lowest newest pythons bench wheel-check clean
.DEFAULT_GOAL := demo

# torch goes first and alone: asked for together with the rest, pip may take a newer build with gigabytes of CUDA.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; try: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[app,cluster,demo,dicom,notebook,tables,train,docs,dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/python -m darts_ensemble.demo --out demo_output $(if $(T1),--t1 "$(T1)")

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# The documentation as a site in build/docs: a dead link, a missing page or a request to another server fails.
docs: $(INSTALLED)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html -d build/docs-trees docs build/docs
	@echo "the site is build/docs/index.html"

soak: $(INSTALLED)
	DARTS_SOAK=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --timeout 3600

# The tests with the lowest and with the newest versions that pyproject.toml allows, each in an environment of its own in build/.
lowest: build/lowest/.installed
	build/lowest/bin/python -m pytest -n $(JOBS) --dist loadfile

newest: build/newest/.installed
	build/newest/bin/python -m pytest -n $(JOBS) --dist loadfile

build/lowest/.installed: pyproject.toml .ci/lowest_versions.py
	$(PYTHON) -m venv build/lowest
	$(PYTHON) .ci/lowest_versions.py > build/lowest/constraints.txt
	build/lowest/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' build/lowest/constraints.txt)"
	build/lowest/bin/pip install --quiet --constraint build/lowest/constraints.txt --editable '.[all,dev]'
	touch $@

# Made anew each time: what is newest changes without a change here.
.PHONY: build/newest/.installed
build/newest/.installed:
	$(PYTHON) -m venv --clear build/newest
	build/newest/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	build/newest/bin/pip install --quiet --editable '.[all,dev]'

# The wheel with all extras in a fresh environment of each Python that is here, 3.11 to 3.14.
pythons: $(INSTALLED)
	TORCH_INDEX=$(TORCH_INDEX) .ci/check_pythons

# Side by side with the reference and with peers: make bench SUBJECTS_DIR=subjects/ (see benchmarks/README.md).
bench: $(INSTALLED)
	$(BIN)/python benchmarks/run_all.py "$(SUBJECTS_DIR)"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel-check: $(INSTALLED)
	.ci/check_wheel

clean:
	rm -rf .venv build dist demo_output docs/notebooks docs/reference/python
