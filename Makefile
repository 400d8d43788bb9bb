# make run     the app on http://127.0.0.1:8501
# make test    lint, types and every test (long ones sampled);  make test-long runs them whole
# make bench   the figures, printed as tables

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8501
# processes that share the tests; a browser test keeps two busy by itself, its server and its Chromium
WORKERS ?= 2
# live torch runs on one thread: on a busy machine more threads are many times slower
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false

.PHONY: run dev test test-long lint types unit browser bench check clean

.venv/app.stamp: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test.stamp: requirements-dev.txt .venv/app.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Anki, the judge of its packages: in an environment of its own, called as a process, never part of the app
ANKI := .venv-anki
$(ANKI)/test.stamp:
	@test -x $(ANKI)/bin/python || $(PYTHON) -m venv $(ANKI)
	$(ANKI)/bin/python -m pip install --quiet --disable-pip-version-check anki==26.9.3
	@touch $@

run: .venv/app.stamp
	@$(BIN)/python -m backend sync --no-vectors
	@echo "Attend is at http://127.0.0.1:$(PORT)  (stop it with Ctrl+C)"
	@$(BIN)/python -m streamlit run app.py --server.address 127.0.0.1 --server.port $(PORT) --server.headless true

dev: .venv/app.stamp
	@$(BIN)/python -m backend sync --no-vectors
	$(BIN)/python -m streamlit run app.py --server.address 127.0.0.1 --server.port $(PORT) --server.fileWatcherType auto --client.showErrorDetails full

lint: .venv/test.stamp
	$(BIN)/ruff check .

types: .venv/test.stamp
	$(BIN)/mypy

unit: .venv/test.stamp $(ANKI)/test.stamp
	$(BIN)/python -m pytest --ignore tests/browser -n $(WORKERS) --dist worksteal

browser: .venv/test.stamp
	CHROMIUM="$$($(BIN)/python -m tests.browser.chromium)" && export CHROMIUM && $(BIN)/python -m pytest tests/browser -n $(WORKERS) --dist loadfile

test: lint types unit browser

test-long: export ATTEND_LONG = 1
test-long: test

bench: .venv/test.stamp
	@for file in tests/benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python -m $$(echo $${file%.py} | tr / .) || exit 1; done

check: .venv/app.stamp
	@$(BIN)/python -m backend check

clean:
	rm -rf .venv .venv-anki .mypy_cache .ruff_cache .hypothesis
