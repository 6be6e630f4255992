PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := g++ make perl

.PHONY: demo conformance test coverage lint clean

# A photograph through the Verilog of the bilinear x2 layer, every pixel compared with golden.
demo: $(VENV)/demo.installed
	$(BIN)/python -m sim.image astronaut -o build/demo/astronaut_x2.png \
	  --side-by-side build/demo/side_by_side.png

# Golden and the Verilog beside the answers of others; writes docs/conformance.md.
conformance: $(VENV)/conformance.installed
	$(BIN)/python -m conformance

# Everything that CI runs.
test: $(VENV)/test.installed lint
	$(BIN)/python -m pytest -n 2

# The same, with the lines that no test runs; takes twice as long.
coverage: $(VENV)/test.installed
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=95

lint: $(VENV)/test.installed
	$(BIN)/ruff check

clean:
	rm -rf build $(VENV)

$(VENV)/%.installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || \
	  { echo "install Python 3.11 or newer with its venv module, not $$($(PYTHON) --version)"; exit 1; }
	@for tool in $(TOOLS); do command -v $$tool >/dev/null || \
	  { echo "install $$tool (Debian: apt-get install g++ make perl)"; exit 1; }; done
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@
