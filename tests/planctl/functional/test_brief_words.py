"""Orders in another project's words: phases and rows with other names, a Makefile, no clocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from planctl.cli.app import run
from planctl.models.plan.plan import Plan
from planctl.models.verdict import VerifyReport
from planctl.ops.brief.satisfied import Satisfied, satisfied
from planctl.ops.verify import verify
from planctl.workspace import Workspace
from tests.planctl.conftest import GITCONFIG, Repo

Drift = tuple[Workspace, Plan, VerifyReport]
PLAN = """\
schema: planctl/plan/v1
id: beam-drift
title: How the beam drifts
hub: 2026-02-01T000000Z/scan
env: { OUT: out }
phases:
  baseline:
    title: Drift at rest
    inputs: ["tools/**", "tests/test_drift.py"]
    steps:
      - id: scan
        rows: [R1]
        run: python tools/scan.py --dose 5 --frames 200 --out $OUT/scan.npz
        log: cli/scan.log
        collect: [{ from: $OUT/scan.npz, to: analysis/scan.npz }]
      - id: drift-table
        rows: [R2, R3]
        needs: [scan]
        run: make drift-table
        log: cli/table.log
        inputs: [Makefile]
        collect: [{ from: $OUT/drift.csv, to: analysis/drift.csv }]
      - id: tests
        rows: [R4]
        kind: pytest
        run: python -m pytest tests/test_drift.py -q
        log: green/tests.log
  tilt:
    title: Tilt series
    inputs: ["tools/**"]
    steps:
      - { id: tilt-series, rows: [S1], run: python tools/tilt.py --angles 7, log: cli/tilt.log }
"""
ROWS = """\
# Drift

- [ ] R1: a scan of the resting stage
- [ ] R2: a table of drift against time
- [ ] R3: the table has no gaps
- [ ] R4: the tests of the drift model
- [ ] S1: seven tilts of the sample
"""
AGAIN = (
    "Repeat the baseline phase.",
    "Rerun phase baseline; the csv is dated last week.",
    "Take the scan of the resting stage again.",
    "Please regenerate drift.csv.",
    "make drift-table",
    "`make drift-table`",
    "Run `make drift-table 2>&1 | tee cli/table_v2.log`",
    "Acquire a fresh scan with 200 frames at dose 5.",
    "The drift table has to be rebuilt from scratch.",
    "R1 through R4 once more.",
    "rows R2 and R3: new evidence",
    "Execute tests/test_drift.py and archive the log.",
    "I'd like to see the scan repeated before we go on.",
    "Could you re-do the scan?",
    "Let's run the baseline again to be safe.",
    "Do the baseline.",
    "Finish the baseline phase first.",
    "Start over with R1.",
    "Provide a new scan log.",
    "Someone should rerun R1.",
    "Step `scan` must run again.",
    "run-phase beam-drift baseline",
    "planctl run-phase beam-drift baseline --force --step scan",
    "Rerun everything.",
    "Re-run all steps of this initiative.",
    "Bring all evidence of the baseline up to date.",
    "R1–R3 need evidence newer than the fix.",
    "Produce post-fix evidence for R1.",
    "Confirm R1 with a new run.",
    "Check R4 by running the tests again.",
    "Recollect the artifacts of the baseline phase (scan.npz, drift.csv).",
    "Evidence for R2 is missing; create it.",
    "Complete R1, R2, R3.",
    "Prove R1 again.",
    "Go back to R1 and measure again.",
    "The supervisor wants a current scan in the hub.",
    "Overwrite analysis/drift.csv with a new one.",
    "Scan: repeat. Table: repeat.",
    "Repeat steps scan and drift-table, then report.",
    "Run all baseline steps before anything else.",
    "Execute `python tools/scan.py --dose 5 --frames 200 --out $OUT/scan.npz` and keep the output.",
    "R1, R2, R3 and R4 must be demonstrated after commit abc1234.",
    "The hub lacks logs from this week. Supply them for the baseline phase.",
    "Evidence for R4 should be produced after the clock fix.",
    "`pytest tests/test_drift.py`",
    "Rerun tests/test_drift.py::test_a.",
    "Next: run the baseline (scan, table, tests).",
    "Re-establish the proof of R2.",
    "Kindly redo rows R1..R3.",
    "Archive `scan_v3.npz` from another run of the scan.",
    "Ralph runs the scan, builds the table and runs the tests.",
    "Get fresh logs: scan, drift-table, tests.",
    "Launch the resting-stage scan.",
    "Collect everything for the baseline once more, with today's stamp.",
    "We still have no R1 evidence dated after 18 November; produce it.",
    "Do R1.",
    "R2: run it.",
    'Please execute the steps of phase "baseline".',
)
OTHER = (
    "Run the tilt series (S1).",
    "Run `python tools/tilt.py --angles 7`.",
    "Run `python tools/scan.py --dose 9 --frames 200`.",
    "Run a scan with 500 frames.",
    "Rewrite `tools/scan.py` to log the dose, then repeat the scan.",
    "Plot drift.csv of R2 in docs/drift.md.",
    "Compare S1 with R1.",
    "The baseline is proven; continue with tilt.",
    "Use the scan of R1 as input of the tilt series and run S1.",
    "Write a test for the tilt: `tests/test_tilt.py` (new).",
    "Explain in docs/notes.md why the scan of R1 drifts.",
    "R1 is done. R2 is done. Do S1.",
    "Do not run the baseline again. Run S1.",
    "Never rerun R1.",
    "Implement `tools/tilt.py::main` (new).",
    "Run S1 and keep the logs of R1 as they are.",
    "Replay the baseline with `planctl replay beam-drift`.",
    "Verify the baseline with `planctl verify beam-drift baseline`.",
    "Run the tilt series against the drift table.",
    "Ask for review of the drift table.",
    "Update the row R2 in implementation.md: it has a typo.",
    "Collect `dose_series.csv` at three doses.",
    "Sign the receipts of R1: `planctl sign beam-drift baseline`.",
    "Measure the drift of a second sample.",
    "Start the tilt series.",
    "Do S1.",
    "S1: run it.",
    "Refactor `tools/tilt.py` and run S1.",
    "Double the dose of the scan (--dose 10) and record it.",
    "Investigate why the drift table of R2 has a kink at frame 40.",
    "Attach the drift table to the report.",
    "Leave the baseline alone; work on the tilt.",
    "Since R1-R4 are fresh, only S1 remains: run `planctl run-phase beam-drift tilt`.",
    "Extend tests/test_drift.py with a case for negative drift and run it.",
    "Fix `Makefile` so that the table has a header, then rebuild the drift table.",
    "Summarise R1 to R4 in docs/summary.md.",
    "Quote the scan log of R1 in the paper draft.",
    "Run a humidity scan: `python tools/humidity.py`.",
    "Collect a temperature series over 24 h into `temperature.csv`.",
    "Open a blocker if the tilt stage sticks.",
    "Wait for the microscope; re-check on Monday.",
    "Ask the group whether R3 needs a tolerance.",
    "Waive R3 until June.",
    "Prepare slides from drift.csv.",
    "Commit the evidence of R1.",
    "Push the branch and open a pull request for R1-R4.",
    "Review the diff of tools/scan.py.",
    "Delete out/ to save space.",
    "Explore whether the drift depends on humidity.",
)


@pytest.fixture(scope="module")
def drift(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Drift]:
    """Return a repository whose baseline is fresh and whose tilt series is open."""
    home = tmp_path_factory.mktemp("drift")
    (home / ".gitconfig").write_text(GITCONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
        patch.delenv("PLANCTL_ROLE", raising=False)
        root = home / "repo"
        root.mkdir()
        patch.chdir(root)
        repo = _written(root)
        assert run(["run-phase", "beam-drift", "baseline"]) == 0
        repo.commit("evidence")
        workspace = Workspace.open(root)
        plan = workspace.load_plan("beam-drift")
        yield workspace, plan, verify(workspace, plan)


def _written(root: Path) -> Repo:
    repo = Repo(root)
    repo.git("init", "--quiet")
    repo.write(
        "tools/scan.py",
        "import pathlib, sys\n\nout = pathlib.Path(sys.argv[-1])\n"
        "out.parent.mkdir(exist_ok=True)\nout.write_text('x')\n",
    )
    repo.write("tools/tilt.py", "print(1)\n")
    repo.write("Makefile", "drift-table:\n\techo 1,2 > out/drift.csv\n")
    repo.write("tests/test_drift.py", "def test_a():\n    pass\n")
    repo.write(".gitignore", "out/\n__pycache__/\n.pytest_cache/\n")
    repo.write("plans/active/beam-drift/plan.yaml", PLAN)
    repo.write("plans/active/beam-drift/implementation.md", ROWS)
    repo.commit("plan")
    return repo


def asked(drift: Drift, order: str) -> Satisfied:
    workspace, plan, report = drift
    return satisfied(workspace, plan, order, report=report)


@pytest.mark.parametrize("order", AGAIN)
def test_asking_again_is_seen(drift: Drift, order: str) -> None:
    found = asked(drift, order)
    assert found.refused
    assert {proof.phase for proof in found.proven} == {"baseline"}


@pytest.mark.parametrize("order", OTHER)
def test_other_work_is_let_through(drift: Drift, order: str) -> None:
    assert asked(drift, order).proven == ()


@pytest.mark.parametrize(
    ("order", "steps"),
    [
        ("Redo R1.", {"scan"}),
        ("Rerun rows R2 and R4.", {"drift-table", "tests"}),
        ("`make drift-table`", {"drift-table"}),
        ("Repeat the baseline phase.", {"scan", "drift-table", "tests"}),
        ("Rerun the tests of the baseline phase.", {"tests"}),
        ("Please regenerate drift.csv.", {"drift-table"}),
        ("Acquire a fresh scan.", {"scan"}),
        ("Get R1 and R4 green again.", {"scan", "tests"}),
    ],
)
def test_what_is_named_is_what_is_meant(drift: Drift, order: str, steps: set[str]) -> None:
    assert {proof.step for proof in asked(drift, order).proven} == steps
