# Every target that needs tools sets up .venv first; nothing has to be installed by hand but make and Python >= 3.11.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
# What builds images: anything that takes the arguments of `docker build`.
ENGINE := docker
# What decides the content of the environment; its path too, since virtual environments cannot be moved.
STAMP := $(VENV)/stamp-$(shell { pwd; cat requirements/dev.txt pyproject.toml; } | cksum | tr ' ' -)

CODE := src tests testenv tools bench
PROSE := README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md changelog.d docs mkdocs.yml Makefile Dockerfile pyproject.toml .ci/run
TIERS := unit property peers integration faults
# The tests of a file stay together in one worker, and each worker has servers of its own. WORKERS=0: no workers at all.
WORKERS ?= logical
PYTEST = $(PYTHON) -m pytest -n $(WORKERS) --maxprocesses=4 --dist=loadfile

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(STAMP) ## Make or update the virtual environment .venv (the targets below do it by themselves)

$(STAMP):
	@sh tools/setup.sh $@

.PHONY: demo
demo: engine ## Show the operator at work on real servers; KEEP=1 leaves them running, CONTEXT=name uses a cluster of yours
	@$(PYTHON) -m testenv.demo $(if $(KEEP),--keep) $(if $(CONTEXT),--context '$(CONTEXT)')

# One tier after the other even under -j: the workers of one keep the machine busy. What ARGS choose is in some tiers
# only, and a tier without any test would fail, so these run as one.
.PHONY: test
test: $(STAMP) $(if $(ARGS),engine controlplane helm) ## Run all tests; ARGS='-k name' goes to pytest
ifdef ARGS
	$(PYTEST) tests $(ARGS)
else
	@for tier in $(TIERS); do $(MAKE) --no-print-directory test-$$tier || exit 1; done
endif

.PHONY: test-unit
test-unit: engine ## Run the tests of pure functions (seconds)
	$(PYTEST) tests/unit $(ARGS)

.PHONY: test-property
test-property: engine ## Run the hypothesis tests (a minute)
	$(PYTEST) tests/property $(ARGS)

.PHONY: engine
engine: $(STAMP) ## Build the template engine, unless it is in the user's cache (half a minute, once)
	@$(PYTHON) -m tools.engine

.PHONY: test-peers
test-peers: engine helm ## Try what others' programs make of it: Go's templates, Helm, Java, promtool, a browser (minutes)
	$(PYTEST) tests/peers $(ARGS)

# Built ahead, since pytest would hide the progress of something that takes minutes.
.PHONY: controlplane
controlplane: $(STAMP) ## Build the control plane for tests and demo, unless it is in the user's cache (5 minutes, once)
	@[ -n "$$KUBEBUILDER_ASSETS" ] || $(PYTHON) -m testenv build >/dev/null

.PHONY: helm
helm: $(STAMP) ## Build Helm for the tests, unless it is in the PATH or in the user's cache (2 minutes, once)
	@$(PYTHON) -m testenv helm >/dev/null

.PHONY: test-integration
test-integration: engine controlplane helm ## Run the operator against real servers (minutes)
	$(PYTEST) tests/integration $(ARGS)

# These count seconds, so they have the machine to themselves.
.PHONY: test-faults
test-faults: WORKERS := 0
test-faults: engine controlplane ## Do the same while things break
	$(PYTEST) tests/faults $(ARGS)

# The theme advertises its successor otherwise.
export NO_MKDOCS_2_WARNING := 1

.PHONY: docs
docs: $(STAMP) ## Build the documentation into build/site; a warning or a broken link is an error
	@$(BIN)/mkdocs build --strict --quiet
	@echo "docs: build/site/index.html"

# Every check runs, and the target fails if one of them did: a list of all complaints beats the first one.
.PHONY: check
check: $(STAMP) ## Check format, lint, types, layers, dependencies, spelling, generated files and documentation
	@failed=; \
	step() { echo "check: $$*"; "$$@" || failed="$$failed, $$(basename $$1) $$2"; }; \
	step $(BIN)/ruff format --check .; \
	step $(BIN)/ruff check .; \
	step $(BIN)/mypy $(CODE); \
	step $(BIN)/lint-imports; \
	step $(BIN)/deptry src; \
	step $(BIN)/codespell $(CODE) $(PROSE); \
	step $(PYTHON) tools/generate.py --check; \
	step $(BIN)/mkdocs build --strict --quiet; \
	if [ -n "$$failed" ]; then echo "check: failed: $${failed#, }" >&2; exit 1; fi

.PHONY: bench
bench: engine controlplane ## Measure against the real servers; N=1000 sets the number of resources
	@$(PYTHON) -m bench $(if $(N),--number '$(N)')
	@$(PYTHON) -m bench.templates

.PHONY: format
format: $(STAMP) ## Format the code, and repair what ruff can repair
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: generate
generate: $(STAMP) ## Write the generated files
	$(PYTHON) tools/generate.py

# Reproducible: the same bytes from the same commit, on any machine.
.PHONY: wheel
wheel: engine ## Build the wheel in dist/
	@rm -f dist/*.whl
	@$(PYTHON) tools/stamp.py
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} \
	  $(PYTHON) -m build --wheel --no-isolation --outdir dist . >/dev/null; \
	  status=$$?; rm -f src/vso/stamp.json; exit $$status
	@cd dist && sha256sum *.whl

.PHONY: bill
bill: $(STAMP) ## Write the bill of materials (CycloneDX) and the list of licences in dist/
	@$(PYTHON) tools/bill.py dist

.PHONY: image
image: builder wheel ## Build the container image IMAGE, with the Python of BUILDER=image@sha256:... (docker, or ENGINE=podman)
	$(ENGINE) build --build-arg 'BUILDER=$(BUILDER)' --build-arg "SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct)" \
	  --tag '$(or $(IMAGE),vault-secrets-operator)' .

.PHONY: builder
builder:
	@case '$(BUILDER)' in *@sha256:*) ;; *) \
	  echo "image: name an image with Python by its digest, BUILDER=name@sha256:...;" \
	    "see docs/how-to/build-the-image.md" >&2; exit 2 ;; esac
	@command -v '$(ENGINE)' >/dev/null || { \
	  echo "image: there is no $(ENGINE) here, which would build it: ENGINE=name names another program;" \
	    "see docs/how-to/build-the-image.md" >&2; exit 2; }

.PHONY: requirements
requirements: ## Write the pins in requirements/ from pyproject.toml; UPGRADE=1 takes newer versions
	@sh tools/requirements.sh $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove .venv, caches and build output
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
