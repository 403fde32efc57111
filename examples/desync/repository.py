"""The project of the bad day in small: a fix, a hub, and a Phase A of three commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

INITIATIVE = "SCALE-001"
FOLDER = f"plans/active/{INITIATIVE}"
HUB = "2025-11-13T000000Z/scale"
JOURNAL = """\
\"\"\"Says when a command begins.\"\"\"

import datetime
import json
import os


def journal(what):
    place = os.environ.get("DESYNC_JOURNAL")
    if place:
        with open(place, "a") as lines:
            lines.write(json.dumps({"who": "command", "what": what}) + "\\n")
    print(f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M:%S} {what} begins")
"""
SOURCES = {
    "src/scale.py": '''\
"""The scale of a measurement."""


def scale(values):
    return sum(values) / len(values)
''',
    "src/journal.py": JOURNAL,
    "src/train.py": '''\
"""Fit the scale to noisy values; nobody fixed the seed."""

import json
import random
import statistics
import sys

from journal import journal
from scale import scale

journal("train")
values = [3 + random.gauss(0, 0.1) for _ in range(200)]
found = {"scale": scale(values), "variance": statistics.variance(values)}
json.dump(found, open(sys.argv[1], "w"))
print(f"variance={found['variance']:.3e}")
''',
    "src/infer.py": '''\
"""Apply the fitted scale."""

import json
import sys

from journal import journal

journal("infer")
found = json.load(open(sys.argv[1]))
json.dump({"prediction": 2 * found["scale"]}, open(sys.argv[2], "w"))
print("prediction written")
''',
    "tests/test_scale.py": """\
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "src"))

from journal import journal
from scale import scale


def test_the_scale_is_the_mean():
    journal("test")
    assert scale([1, 3]) == 2
""",
    ".gitignore": "out/\n__pycache__/\n",
}
ROWS = f"""\
# {INITIATIVE}: the scale of a measurement

## Phase A: evidence for the fix

- [ ] A1: the test of the scale passes
- [ ] A2: a fit whose variance is not zero
- [ ] A3: a prediction from the fit
"""


LATER = {
    "B": ("The scale travels with the fit", ("B1", "B2", "B3")),
    "C": ("The prediction uses it", ("C1", "C2", "C3")),
    "D": ("Both are compared", ("D1", "D2", "D3")),
}
PLAN_HEAD = """\
schema: planctl/plan/v1
id: {initiative}
title: The scale of a measurement
priority: high
hub: {hub}
env: {{ OUT: out }}
phases:
  A:
    title: Evidence for the fix
    gate: "{gate}"
    inputs: ["src/*.py", "tests/**"]
    steps:
      - id: selector
        rows: [A1]
        kind: pytest
        run: python -m pytest tests/test_scale.py -p no:cacheprovider
        log: green/pytest_scale.log
        timeout: 1m
      - id: train
        rows: [A2]
        needs: [selector]
        run: mkdir -p $OUT && python src/train.py $OUT/stats.json
        log: cli/train.log
        timeout: 1m
        outputs: [$OUT/stats.json]
        collect:
          - {{ from: $OUT/stats.json, to: analysis/stats.json }}
        checks:
          - {{ json: analysis/stats.json, path: variance, gt: 1.0e-9 }}
      - id: infer
        rows: [A3]
        needs: [train]
        run: python src/infer.py $OUT/stats.json $OUT/prediction.json
        log: cli/infer.log
        timeout: 1m
        collect:
          - {{ from: $OUT/prediction.json, to: analysis/prediction.json }}
        checks:
          - {{ json: analysis/prediction.json, path: prediction, gt: 0 }}
"""
# Each script is asked once a turn, as on the day; by default one that is refused is asked again.
ONCE = """
[loop]
brief_retries = 0
corrections = 0
"""
STEP = """\
      - id: {step}
        rows: [{row}]
        run: python src/parts/{step}.py
        log: cli/{step}.log
        timeout: 1m
        inputs: [src/parts/{step}.py]
        checks:
          - {{ log: cli/{step}.log, matches: "^{row} holds$" }}
"""


def git(root: Path, *words: str) -> str:
    """Run git in a repository and return what it printed."""
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make(root: Path) -> str:
    """Write the project: its first version, the fix, and the working plan with open rows.

    Args:
        root: An empty folder, or none.

    Returns:
        The commit of the fix.
    """
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "config", "user.name", "A person")
    git(root, "config", "user.email", "person@example.org")
    _write(root, SOURCES | {"src/scale.py": SOURCES["src/scale.py"].replace("len(values)", "2")})
    _commit(root, "The project, with a mistake in the scale")
    _write(root, {"src/scale.py": SOURCES["src/scale.py"]})
    fix = _commit(root, "The fix: the scale is the mean of all values")
    rows = "".join(
        f"\n## Phase {phase}: {title}\n\n" + "".join(f"- [ ] {row}: {title}\n" for row in names)
        for phase, (title, names) in LATER.items()
    )
    _write(root, {f"{FOLDER}/implementation.md": ROWS + rows, f"{FOLDER}/summary.md": ""})
    (root / FOLDER / "reports" / HUB).mkdir(parents=True)
    _commit(root, "The working plan")
    return fix


def add_plan(root: Path, gate: str) -> None:
    """Give the project, which `planctl init` has set up, the same plan for machines.

    Args:
        root: The project.
        gate: The commit that evidence must contain.
    """
    text = PLAN_HEAD.format(initiative=INITIATIVE, hub=HUB, gate=gate)
    for phase, (title, rows) in LATER.items():
        steps = "".join(STEP.format(step=row.lower(), row=row) for row in rows)
        text += f"  {phase}:\n    title: {title}\n    steps:\n{steps}"
    _write(root, {f"{FOLDER}/plan.yaml": text})
    settings = root / "planctl.toml"
    settings.write_text(settings.read_text("utf-8") + ONCE, "utf-8")
    _commit(root, "The same plan for machines")


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def _commit(root: Path, message: str) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")
