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

.PHONY: demo test docs lint soak bench wheel-check clean
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
