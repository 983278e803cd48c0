# `make demo` and `make test` need Python 3.10+ and make; both set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

OLDEST := .venv-oldest/bin/python

.PHONY: demo test test-oldest coverage check format docs dashboards bench bench-peers bench-masking clean
.DEFAULT_GOAL := demo

# What the demo runs: the package with the three SDKs and the embedded engine.
$(VENV)/.app: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
	$(PIP) --constraint constraints.txt --editable '.[all]'
	touch $@

# What tests and checks run beyond that.
$(VENV)/.dev: $(VENV)/.app
	$(PIP) --constraint constraints.txt --group dev
	touch $@

demo: $(VENV)/.app
	$(BIN)/vigilo demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The same with the oldest supported SDKs in their place.
.venv-oldest/.dev: pyproject.toml constraints.txt tests/matrix/oldest.txt
	test -x $(OLDEST) || $(PYTHON) -m venv .venv-oldest
	$(OLDEST) -m pip --disable-pip-version-check install --quiet --upgrade 'pip>=25.1'
	$(OLDEST) -m pip install --quiet --constraint constraints.txt --editable . --group test
	$(OLDEST) -m pip install --quiet --requirement tests/matrix/oldest.txt
	touch $@

CAPTURE := tests/instrumentation/capture
test-oldest: .venv-oldest/.dev
	$(OLDEST) -m pytest tests/matrix $(CAPTURE)/test_cassettes.py $(CAPTURE)/test_*_endpoints.py \
		$(CAPTURE)/test_realtime.py $(PYTEST_ARGS)

# Runs the matrix with the newest SDKs and the oldest, and writes the page of it.
coverage: $(VENV)/.dev .venv-oldest/.dev
	rm -f tests/matrix/results/*.json
	MATRIX_RESULTS=tests/matrix/results/newest.json $(BIN)/python -m pytest tests/matrix/test_[!r]*.py
	MATRIX_RESULTS=tests/matrix/results/oldest.json $(OLDEST) -m pytest tests/matrix/test_[!r]*.py
	$(BIN)/python docs/generate.py

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/house

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Generated files: the settings table, the table of coverage and the Grafana dashboards. Tests fail when they have drifted.
docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

dashboards: $(VENV)/.dev
	$(BIN)/python -m vigilo_exporter.panels.grafana

# What a call, an exported span, the policies and the store cost, each beside a floor or a peer.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/call_overhead.py
	$(BIN)/python benchmarks/export_cost.py
	$(BIN)/python benchmarks/masking_cost.py
	$(BIN)/python benchmarks/mask_settings_cost.py
	$(BIN)/python benchmarks/foreign_cost.py
	$(BIN)/python benchmarks/pricing_cost.py
	$(BIN)/python benchmarks/quota_cost.py
	$(BIN)/python benchmarks/pacing.py
	$(BIN)/python benchmarks/reprice_speed.py
	$(BIN)/python benchmarks/exporter_memory.py
	$(BIN)/python benchmarks/ingest_speed.py
	$(BIN)/python benchmarks/store_size.py
	$(BIN)/python benchmarks/gauge_cost.py
	$(BIN)/python benchmarks/oom_forecast.py
	$(BIN)/python benchmarks/query_speed.py --calls 1000000

# The same beside other instrumentations; installs each into an environment of its own in the user's cache.
bench-peers: $(VENV)/.dev
	$(BIN)/python benchmarks/peers.py

# How much is masked and what is masked wrongly, beside other maskers, each in an environment of its own.
bench-masking: $(VENV)/.dev
	$(BIN)/python benchmarks/masking_quality.py

clean:
	rm -rf $(VENV) .venv-oldest .venv-neighbours build dist .mypy_cache .pytest_cache .ruff_cache
