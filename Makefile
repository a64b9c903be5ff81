# Two commands do everything: `make demo` and `make test`. Nothing is written outside the checkout.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: demo demo-oci test lint types proof bench docs clean

$(BIN)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(BIN)/.ready
	bash examples/demo.sh

demo-oci: $(BIN)/.ready
	bash examples/demo_oci.sh

# What tests write goes to a folder of its own under the system's temporary one (sockets need short paths); it is removed.
SCRATCH = scratch=$$(mktemp -d) && chmod 755 $$scratch && export TMPDIR=$$scratch && \
	trap 'chmod -R u+rwX $$scratch; rm -rf $$scratch' EXIT &&

test: lint types $(BIN)/.ready
	$(SCRATCH) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -r fEs

lint: $(BIN)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.ready
	$(BIN)/mypy

# The proofs that measure time run alone, one after the other; the rest shares the cores.
TIMED := tests/targets/oci/test_latency.py tests/applying/test_real_tree.py tests/history/test_recovery.py
proof: $(BIN)/.ready
	$(SCRATCH) PROOF=full $(BIN)/python -m pytest -m proof -s -n 0 $(TIMED)
	$(SCRATCH) PROOF=full $(BIN)/python -m pytest -m proof -vv -rP --durations=10 -n $(JOBS) --dist worksteal $(TIMED:%=--ignore=%)

# What is made from the code; tests fail when it is stale.
docs: $(BIN)/.ready
	$(BIN)/python -m backup_runner.cli.reference > docs/cli.md
	$(BIN)/python -m backup_runner.cli.manpages share
	$(BIN)/python -m backup_runner.jobfile.rulepages docs/rules
	for name in $$($(BIN)/backup-runner schema list); do \
		$(BIN)/backup-runner schema $$name > schemas/$$name.schema.json || exit 1; done

# SETS=small,big,million,catalog,oci,startup TOOLS=us,restic,borg,rclone ROUNDS=3 SCALE=1 FULL=1 AGAIN=1
bench: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .demo .bench .proof .mypy_cache .ruff_cache .pytest_cache .hypothesis
