# Two commands do everything: `make run` and `make test`. The rest is for those who work on it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ID := FIX-PYTORCH-FORWARD-PARITY-001
# DATA=path/to/scan.npz runs on a real scan; empty means the built-in simulation.
DATA ?=
ifdef data
$(error write DATA=$(data), in capitals: `data` is not looked at)
endif
RUN := outputs/runs/$(shell date -u +%Y-%m-%dT%H%M%SZ)
SETTINGS = --scratch $(RUN)/hub --set OUT=$(RUN)/out --set 'DATA=$(DATA)'

SECONDS_EACH ?= 20

export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_NUM_THREADS ?= 1

.PHONY: run setup test test-slurm test-reliability demo-desync fuzz slurm-packages lint evidence verify bench bench-recipe bench-recon bench-scenes bench-probe-search bench-peers bench-verify bench-audit bench-bisect bench-loop clean

run: setup  ## Train, reconstruct and verify, into a new folder below outputs/runs/
	@echo "Data: $(or $(DATA),the built-in simulation; DATA=path/to/scan.npz takes a scan)"
	planctl run-phase $(ID) A $(SETTINGS)
	planctl verify $(ID) A $(SETTINGS)
	@echo; echo "Pictures:"; ls -1 $(RUN)/hub/analysis/*.png

setup: $(VENV)/.installed  ## Create .venv with the pinned versions

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[dev]' --constraint constraints.txt
	touch $@

test: setup  ## Unit, functional and architecture tests, linters and types
	$(BIN)/python -m pytest -m "not slow and not gpu and not slurm" -n 2

test-slurm: setup slurm-packages  ## The Slurm executor on a real Slurm that the tests start
	$(BIN)/python -m pytest -m slurm -rs

test-reliability: setup  ## Kills at every change, storms, full disks, random histories: minutes
	$(BIN)/python -m pytest -m slow -n 2 -rs tests/planctl

demo-desync: setup  ## The bad day, without planctl and with it: both columns, under a minute
	@$(BIN)/python -m examples.desync

fuzz: setup  ## Mutated inputs for every parser, 20 s of CPU each; SECONDS_EACH=600 for more
	$(BIN)/python -W ignore fuzz/run.py --seconds $(SECONDS_EACH)

slurm-packages:  ## Install Slurm and munge from Debian if they are missing
	@command -v slurmctld >/dev/null && command -v slurmd >/dev/null \
		&& command -v munged >/dev/null || { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive \
		apt-get install --quiet --yes --no-install-recommends slurm-wlm munge; }

lint: setup
	ruff check . && ruff format --check . && mypy && lint-imports

evidence: setup  ## Re-run only what is not fresh, into the committed evidence
	for phase in A B C; do planctl run-phase $(ID) $$phase || exit 1; done
	for phase in A B; do planctl run-phase PRETRAIN-001 $$phase || exit 1; done
	planctl verify

verify: setup  ## What is proven now
	planctl verify

bench: bench-recipe bench-recon bench-verify bench-audit bench-bisect bench-loop

bench-loop: setup  ## CPU seconds of `planctl status`, `ledger next`, `brief` and mcp at 1,000 turns
	$(BIN)/python bench/bench_loop.py

bench-bisect: setup  ## CPU seconds of `planctl bisect` on 1,000 commits
	$(BIN)/python bench/bench_bisect.py

bench-audit: setup  ## CPU seconds of `planctl audit` on 1,000 commits
	$(BIN)/python bench/bench_audit.py

bench-recon: setup  ## Error against CPU seconds of iterative reconstruction, beside plain rPIE
	$(BIN)/python bench/bench_recon.py

bench-scenes: setup  ## Error and CPU of every method on held-out scenes, beside a textbook rPIE
	$(BIN)/python bench/bench_scenes.py

bench-probe-search: setup  ## Wrong start probes: errors with and without the search for another
	$(BIN)/python bench/bench_probe_search.py

bench-peers: setup  ## The reconstruction beside pty-chi, PtyLab, CDTools, py4DSTEM (bench/peers/install.py first)
	$(BIN)/python bench/bench_peers.py

bench-recipe: setup  ## Floors of the training recipe, with flat and no-network rows
	$(BIN)/python bench/bench_recipe.py

bench-verify: setup  ## CPU and memory of `planctl verify`, beside git, sha256sum, doit and dvc
	$(BIN)/python bench/bench_verify.py

clean:
	rm -rf outputs
