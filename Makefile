# Two commands: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format golden docs bench accuracy fuzz clean

demo: $(VENV)/.runtime ## set up, then diagnose a sample incident
	$(BIN)/slowq analyze sample_logs/large_nq/logs

test: $(VENV)/.dev $(VENV)/.services ## set up, then run every test
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(VENV)/.dev ## rewrite the expected results of sample_logs/
	$(BIN)/python -m tests.golden

docs: $(VENV)/.dev ## rewrite docs/rules/ from the rules themselves
	$(BIN)/python -m tests.docs
	$(BIN)/python -m tests.check_docs
	$(BIN)/python -m tests.conformance_docs
	$(BIN)/python -m tests.metrics_docs
	$(BIN)/python -m tests.scenario_docs

bench: $(VENV)/.dev ## speed and memory beside grep, ripgrep, pgBadger and pt-query-digest
	$(BIN)/python -m bench.speed

accuracy: $(VENV)/.dev ## how often the verdicts are right, on recorded incidents and public reports
	$(BIN)/python -m bench.accuracy.run

fuzz: $(VENV)/.dev ## ten minutes of random input through parsers and expressions
	$(BIN)/python -m bench.fuzz --seconds 600

$(VENV)/.runtime: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.runtime

$(VENV)/.services: $(VENV)/.dev tests/services.sh
	tests/services.sh $(VENV)
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-milvus $(VENV)-npm build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
