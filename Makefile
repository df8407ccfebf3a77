# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check clean

demo: $(READY)
	$(BIN)/python data/demo.py

# A worker a core, each with one thread: most of the suite's time is spent beside the models. One that dies is a failure
# at once: pytest-xdist can wait for ever after it replaced one.
test: $(READY)
	MEMAPP_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(READY): constraints.txt pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "memapp needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip "setuptools>=77"
	grep -v '# optional' constraints.txt > $(VENV)/pins.txt
	# GCC's _tile_loadconfig tells it that 8 of 64 bytes are read, so it drops the stores of the rest and llama.cpp's
	# code for AMX crashes. The flag keeps them; --no-cache-dir, because pip would take a build without it.
	CFLAGS=-fno-tree-dse CXXFLAGS=-fno-tree-dse $(BIN)/python -m pip install --no-deps --no-cache-dir \
	    $$(grep '^llama_cpp_python==' $(VENV)/pins.txt)
	$(BIN)/python -m pip install --no-deps -r $(VENV)/pins.txt
	$(BIN)/python -m pip install --quiet --no-deps -e . $(addprefix -e ,$(wildcard plugins/*))
	touch $@

clean:
	rm -rf $(VENV) .demo
