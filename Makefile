# Two commands matter: `make demo` and `make test`. Both make their own environment first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
ENGINE ?= docker
IMAGE ?= modelwarden:0.1.0-python3.11

.PHONY: demo test lint format lock image clean help
.DEFAULT_GOAL := help

help:  ## Show what there is.
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"expected Python 3.11 or newer, got {sys.version.split()[0]}; run make PYTHON=python3.11")'
	@echo "Making .venv (about two minutes, once)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED)  ## Watch a training pipeline being defended, in Airflow and in Kubeflow.
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tests $(BIN)/python -m e2e.demo

test: $(INSTALLED)  ## Run the whole suite.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)  ## Check style, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)  ## Rewrite the code in the house's style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## Pin what demo and development use; needs uv.
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra all --group dev pyproject.toml --output-file requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra checks --extra gx --extra trees --extra onnx --extra logs --extra webauthn --extra kfp \
	  --constraint requirements/dev.txt pyproject.toml --output-file requirements/image.txt

image: $(INSTALLED)  ## Build the image for Kubeflow's tasks; needs a container engine.
	@rm -rf build/image && mkdir -p build/image && cp requirements/image.txt build/image
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir build/image .
	$(ENGINE) build --file components/Containerfile --tag $(IMAGE) $(BUILD) build/image

clean:  ## Remove the environment and everything built.
	rm -rf .venv build dist
