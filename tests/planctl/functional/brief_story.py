"""A repository whose Phase A is fresh and whose Phase B is open, and briefs for it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.planctl.conftest import Repo

ID = "FIX-PYTORCH-FORWARD-PARITY-001"
HUB = f"plans/active/{ID}/reports/2025-11-13T000000Z/forward_parity"
SELECTOR = "tests/torch/test_cli_train_torch.py::TestPatchStatsCLI::test_patch_stats_dump"
FIXTURE = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "forward_parity_summary.md"

PLAN = f"""\
schema: planctl/plan/v1
id: {ID}
title: Stabilize Torch forward patch parity
findings: [POLICY-001, CONFIG-001]
hub: 2025-11-13T000000Z/forward_parity
commands_doc: docs/TESTING_GUIDE.md
env: {{ OUT: outputs/torch_forward_parity_baseline }}
phases:
  A:
    title: Diagnostics and baseline capture
    gate: "GATE"
    inputs: ["ptycho_torch/**", "tests/torch/test_cli_train_torch.py"]
    steps:
      - id: selector
        title: The command line writes patch statistics
        rows: [A0, A1]
        kind: pytest
        run: python -m pytest {SELECTOR} -vv
        log: green/pytest_patch_stats.log
      - id: train
        title: Ten epochs of training
        rows: [A2]
        needs: [selector]
        run: >-
          python ptycho_torch/train.py --output_dir $OUT --n_images 256 --max_epochs 10
          --log-patch-stats --patch-stats-limit 2
        log: cli/train_patch_stats.log
        outputs: [$OUT/torch_patch_stats.json]
        collect:
          - {{ from: $OUT/torch_patch_stats.json, to: analysis/torch_patch_stats.json }}
        checks:
          - {{ json: analysis/torch_patch_stats.json, path: var_zero_mean, gt: 1.0e-9 }}
      - id: infer
        title: Inference with debug dumps
        rows: [A3]
        needs: [train]
        run: python ptycho_torch/inference.py --model_path $OUT --log-patch-stats
        log: cli/inference_patch_stats.log
        collect:
          - {{ from: $OUT/debug, to: analysis/forward_parity_debug }}
  B:
    title: Scaling and config alignment
    inputs: ["ptycho_torch/**", "tests/torch/test_config_factory.py"]
    steps:
      - id: defaults
        title: object_big is on everywhere
        rows: [B1]
        kind: pytest
        run: python -m pytest tests/torch/test_config_factory.py -vv
        log: green/pytest_config_factory.log
      - id: scale
        title: The intensity scale of training is the one inference uses
        rows: [B2]
        run: python ptycho_torch/info.py $OUT
        log: cli/bundle_info.log
"""
ROWS = """\
# Forward parity: working plan

## Phase A: diagnostics and baseline capture

- [x] A0: the payload reaches the trainer
- [x] A1: patch statistics are written when asked
- [x] A2: ten epochs show variance
- [x] A3: inference shows variance

## Phase B: scaling and config alignment

- [ ] B1: `object_big` is on by default in `ptycho_torch/config_factory.py`
- [ ] B2: the intensity scale is persisted through the bundle
"""
FINDINGS = """\
# Findings

| Finding | Rule |
|---|---|
| POLICY-001 | PyTorch is the only backend. |
| CONFIG-001 | Settings are built once. |
| ANTIPATTERN-001 | Ask `planctl verify` what is proven. |
"""
FILES = {
    "ptycho_torch/train.py": (
        "import json, pathlib, sys\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--output_dir') + 1])\n"
        "out.mkdir(parents=True, exist_ok=True)\n"
        "(out / 'torch_patch_stats.json').write_text(json.dumps({'var_zero_mean': 6.09e-05}))\n"
        "print('Model bundle saved')\n"
    ),
    "ptycho_torch/inference.py": (
        "import pathlib, sys\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--model_path') + 1]) / 'debug'\n"
        "out.mkdir(exist_ok=True)\n"
        "(out / 'stats.txt').write_text('healthy')\n"
    ),
    "ptycho_torch/info.py": "raise SystemExit('no intensity scale in the bundle')\n",
    "ptycho_torch/config_factory.py": (
        "class Factory:\n    def training(self):\n        return {'object_big': False}\n\n\n"
        "def defaults():\n    return Factory().training()\n"
    ),
    "tests/torch/test_cli_train_torch.py": (
        "class TestPatchStatsCLI:\n    def test_patch_stats_dump(self):\n        assert True\n"
    ),
    "tests/torch/test_config_factory.py": "def test_defaults():\n    assert True\n",
    "docs/TESTING_GUIDE.md": "# Testing\n",
    "docs/findings.md": FINDINGS,
    "docs/specs/bundle.md": "# The bundle\n\nThe bundle keeps every scale.\n",
    ".gitignore": "outputs/\n__pycache__/\n.pytest_cache/\n",
    f"plans/active/{ID}/implementation.md": ROWS,
}


def write_story(repo: Repo) -> None:
    """Write and commit the code, then the plan; phase A has not run yet."""
    for path, text in FILES.items():
        repo.write(path, text)
    gate = repo.commit("the fix")
    repo.write(f"plans/active/{ID}/plan.yaml", PLAN.replace("GATE", gate))
    repo.commit("the plan")


def nine() -> dict[int, str]:
    """Return the nine repeated requests of the real summary: line of its block → order."""
    lines = (184, 167, 139, 117, 99, 82, 54, 36, 19)
    text = FIXTURE.read_text("utf-8").split("\n")
    found = {}
    for start in lines:
        block = "\n".join(text[start - 1 :])
        block = re.split(r"(?m)^### Turn", block[5:])[0]
        found[start] = re.search(r"^Next: (.*)$", block, re.M)[1]  # type: ignore[index]
    return found


STALE = "Phase A proof remains stale; logs still say 2025-11-14."


def brief_of(order: str, summary: str = STALE) -> str:
    """Return a brief as a supervisor writes it, around an order."""
    return f"""\
Summary: {summary}
Mode: Perf
Focus: {ID} — Stabilize Torch forward patch parity
Branch: main
Mapped tests: {SELECTOR}
Artifacts: {HUB}/

Do Now — {ID}
{order}

If Blocked: `planctl block {ID} --reason "…"`
Findings Applied: POLICY-001; CONFIG-001
"""


# Each asks for something that is not proven, or for nothing to be run. Written before the reader.
HONEST = {
    "implement_the_next_row": f"""\
Summary: Phase A is proven (rows A0-A3 are fresh); persist the intensity scale next.
Mode: TDD
Focus: {ID} — Stabilize Torch forward patch parity (Phase B, row B1)
Branch: main
Mapped tests: tests/torch/test_config_factory.py::test_defaults
Artifacts: {HUB}/

Do Now — {ID}
1. Implement: `ptycho_torch/config_factory.py::Factory.training` — switch `object_big` on.
2. Validate: `pytest tests/torch/test_config_factory.py::test_defaults -vv`
3. Run: `planctl run-phase {ID} B --step defaults`

If Blocked: `planctl block {ID} --reason "what stands in the way"`.
Findings Applied: CONFIG-001 (settings are built once)
Pointers:
- `ptycho_torch/config_factory.py:3` — the default
- docs/findings.md:6
Next Up: row B2.
""",
    "headings_of_markdown": f"""\
# Input for the next loop

## Summary
Bundles must keep the scale.

## Focus
{ID}

## Branch
`main`

## Mapped tests
- `tests/torch/test_config_factory.py`

## Artifacts
`{HUB}/`

## Do Now
- **Implement:** `ptycho_torch/info.py` so that it prints the scale of the bundle.
- **Run:** `planctl run-phase {ID} B`

## Pitfalls
- Never re-run what is fresh; Phase A stays as it is.

## If Blocked
File a blocker with `planctl block`.
""",
    "bold_labels_that_forbid_a_rerun": f"""\
**Summary:** Wire the scale through the bundle.
**Focus:** {ID}
**Branch:** main
**Mapped tests:** `tests/torch/test_config_factory.py`
**Artifacts:** {HUB}/

**Do Now:**
- Implement: ptycho_torch/info.py — read the scale from the bundle, refuse a missing one.
- Do not rerun Phase A: its receipts are fresh. Use its bundle as it is.
- Run `planctl run-phase {ID} B --step scale` and commit the evidence.

**If Blocked:** planctl block {ID} --reason "…"
""",
    "a_run_of_what_is_open": f"""\
Summary: Produce the evidence for Phase B.
Focus: {ID}
Branch: main
Mapped tests: tests/torch/test_config_factory.py
Artifacts: {HUB}/
Do Now:
Run the selector and the bundle command of Phase B (`planctl run-phase {ID} B`), then close the \
turn.
If Blocked: planctl block {ID} --reason "…"
""",
    "the_same_program_with_another_seed": f"""\
Summary: Is the variance an accident of the seed?
Focus: {ID}
Branch: main
Artifacts: {HUB}/
Do Now:
- Run `planctl run --log cli/train_seed_7.log -- python ptycho_torch/train.py --output_dir \
outputs/seed7 --n_images 256 --max_epochs 10 --seed 7`.
- Compare its `torch_patch_stats.json` with the one of Phase A.
Mapped tests: none (a measurement)
If Blocked: planctl block {ID} --reason "…"
""",
    "a_change_that_makes_phase_a_stale": f"""\
Summary: The trainer must log the loss too.
Focus: {ID}
Branch: main
Mapped tests: {SELECTOR}
Artifacts: {HUB}/
Do Now:
1. Implement: `ptycho_torch/train.py` — print the loss of every epoch.
2. Rerun Phase A (A1, A2, A3), which the change makes stale: `planctl run-phase {ID} A`.
If Blocked: planctl block {ID} --reason "…"
""",
    "only_documentation": f"""\
Summary: Write down how the scale travels.
Focus: {ID}
Branch: main
Mapped tests: none (documentation)
Artifacts: {HUB}/
Do Now: Implement: `docs/specs/scale.md` (new) — describe the scale, citing \
`{HUB}/analysis/torch_patch_stats.json`.
If Blocked: planctl block {ID} --reason "…"
""",
    "a_test_that_is_to_be_written": f"""\
### Input (turn 12)
- **Focus:** {ID}
- **Branch:** main
- **Mapped tests:** `tests/torch/test_model_manager.py::test_scale_survives` (new)
- **Artifacts:** `{HUB}/`
- **Do Now:** Implement: `tests/torch/test_model_manager.py::test_scale_survives` (to be \
created) and make it pass in `ptycho_torch/info.py`; capture `green/pytest_model_manager.log`.
- **If Blocked:** planctl block {ID} --reason "…"
""",
    "read_compare_and_plan": f"""\
Summary: Find out why the scale is 1.0.
Focus: {ID}
Branch: main
Mapped tests: tests/torch/test_config_factory.py::test_defaults
Artifacts: {HUB}/
Do Now:
1. Read `{HUB}/cli/train_patch_stats.log:1-3` and compare it with \
`{HUB}/cli/inference_patch_stats.log`.
2. Implement: `ptycho_torch/config_factory.py::defaults` — take the scale from the payload.
3. Mark row B2 in the checklist and update docs/fix_plan.md.
If Blocked: planctl block {ID} --reason "…"
""",
    "short_and_plain": f"""\
Focus: {ID}
Do Now: Implement `ptycho_torch/config_factory.py::defaults` so that B1 holds, then run `pytest \
tests/torch/test_config_factory.py -q`.
Artifacts: {HUB}/
If Blocked: planctl block {ID} --reason "…"
""",
    "a_condition_on_the_verdict": f"""\
Summary: Row B1.
Focus: {ID}
Branch: main
Mapped tests: tests/torch/test_config_factory.py
Artifacts: {HUB}/
Do Now:
- Implement: `tests/torch/test_config_factory.py::test_defaults` — assert `object_big`.
- Run `planctl run-phase {ID} B --step defaults`. If `planctl verify` then says that Phase A is \
stale, run it again; else leave it alone.
If Blocked: planctl block {ID} --reason "…"
""",
    "another_measurement": f"""\
Summary: How does the variance depend on the learning rate?
Focus: {ID} (new phase D: ablation)
Branch: main
Mapped tests: none
Artifacts: {HUB}/analysis/
Do Now:
- Add phase D to the plan, run the ablation over learning rates and collect `ablation_grid.csv`.
- Implement: `ptycho_torch/ablation.py` (new).
If Blocked: planctl block {ID} --reason "…"
""",
}

# Each asks for evidence of Phase A, or a part of it, that is fresh.
AGAIN = (
    "Rerun Phase A.",
    "Re-capture A0-A3 under the hub.",
    "Collect fresh evidence for Phase A.",
    "Refresh the Phase A evidence; the logs still begin with 2025-11-14 timestamps.",
    f"Run `python -m pytest {SELECTOR} -vv`.",
    f"pytest {SELECTOR}",
    f"- Run: `pytest -q {SELECTOR} --tb=short`",
    "Run the pytest selector of Phase A for a fresh log dated 18 November.",
    "Execute the 10-epoch training again and archive `train_patch_stats_v4.log`.",
    "Regenerate `analysis/torch_patch_stats.json`.",
    "We need fresh Phase A logs.",
    "Phase A again, please.",
    "One more pass over rows A1, A2 and A3.",
    "New evidence for Phase A is required before touching Phase B.",
    "Phase A evidence must be re-captured.",
    "Rows A2/A3 need another run.",
    f"`planctl run-phase {ID} A --force`",
    "If the logs still say 14 November, rerun Phase A.",
    "Reproduce Phase A from a clean checkout and copy the refreshed artifacts into `$HUB`.",
    "Kick off Phase A once more.",
    "Make sure that Phase A is executed anew.",
    "Redo A2.",
    "Phase A: everything, from scratch.",
    "Implement: `docs/specs/bundle.md` — fix a typo. Then rerun Phase A.",
    "Ralph reruns the selector and both CLI commands with --log-patch-stats --patch-stats-limit 2.",
    "Validate Phase A by rerunning the selector.",
    "```bash\nexport HUB OUT\npython ptycho_torch/train.py --output_dir $OUT --n_images 256 "
    "--max_epochs 10 --log-patch-stats --patch-stats-limit 2\n```",
    "Repeat the inference with debug dumps for a new `inference_patch_stats.log`.",
    "Obtain up-to-date proof of A1.",
    "Evidence refresh: A0 through A3.",
    "Do not forget to rerun Phase A.",
    "Do it over: the whole of Phase A.",
    "Please make sure the hub has up-to-date evidence for A2.",
    "The training must be measured once more.",
    "Delete the stale logs and generate new ones for train and infer.",
    "Don't run Phase B yet, rerun Phase A.",
    "Run B1. Then rerun the selector and both commands of the baseline.",
    "A1 first; then collect fresh evidence for it.",
)
AGAIN_IN_OTHER_WORDS = (
    "Engineer: capture green/pytest_patch_stats.log again, today's date in the header please.",
    "Hub evidence predates dc5415ba. Re-execute the three Phase A commands and swap the logs.",
    "Repeat the patch-stat training (10 epochs, 256 images) and the inference that follows.",
    "Verify the hub by rerunning Phase A end to end.",
    "Before B1, refresh A1-A3.",
    "Prior to any scaling work, collect clean Phase A proof.",
    "The selector has to go green once more.",
    "Show me a passing run of test_patch_stats_dump from today.",
    "torch_patch_stats.json must be regenerated after the clock reset.",
    "Fill the hub with post-fix copies of the train and inference logs.",
    "Phase A rerun.",
    "Do Phase A properly this time.",
    "Tick A0–A3 only after rerunning them.",
    "Let Ralph produce the Phase A artifacts.",
    "Baseline: retrain for ten epochs, infer, dump stats.",
    "Run `planctl run-phase FIX-PYTORCH-FORWARD-PARITY-001 A`, then B.",
    "Stage A: complete again.",
    "Rerun both CLI commands.",
    "Redo the diagnostics and the baseline capture.",
    "Evidence of A2 is four days old, so train again.",
    "Make new debug dumps with the inference command.",
    "Please re-collect all Phase A artifacts: JSON, PNG and debug bundles.",
    "Train the baseline again with --max_epochs 10.",
)
OTHER_WORK = (
    "Run the config factory tests.",
    "Persist the intensity scale in the bundle (B2), then run the bundle command.",
    "Run `python ptycho_torch/info.py $OUT` and read the scale.",
    "Teach ptycho_torch/inference.py to use the stored scale; then infer again.",
    "Train with --max_epochs 40 and compare with A2.",
    "Add logging to ptycho_torch/train.py.",
    "Write docs/specs/parity.md.",
    "Phase A stays untouched. B1: flip the default in ptycho_torch/config_factory.py::defaults.",
    "Use Phase A's bundle to debug B2.",
    "Find out why object_big is False in Factory.training.",
    "Run B1 and B2.",
    "Close Phase B: `planctl run-phase FIX-PYTORCH-FORWARD-PARITY-001 B`.",
    "Document in docs/TESTING_GUIDE.md how A1 is run.",
    "Open phase C with a parity test `tests/torch/test_parity.py` (new).",
    "Investigate the variance drop between train and inference with the existing A2/A3 artifacts.",
    "Run an ablation without the probe and store `ablation.json`.",
    "Rename the hub? No: leave it as it is.",
    "Update docs/findings.md with a new finding about scales.",
    "Review the selectors of Phase B for coverage.",
    "Run the whole test suite: `pytest tests/torch`.",
    "Train on the fly65 dataset with the same settings.",
    "Check out the branch and run B2.",
    "Measure the memory of training with `python -m memray run ptycho_torch/train.py`.",
    "Do not touch green/; run B1 only.",
    "Summarize rows A0-A3 in summary.md and hand off.",
)
