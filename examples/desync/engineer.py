"""The engineer of the bad day, as a script: it does what the brief says, to the letter.

Its rules:

1. A brief it has not carried out yet: run its commands, report what they left.
2. If `AGENTS.md` says that results come through `planctl run-phase`, it runs them by that: the
   phase that the brief names; of a brief with several open rows the first, whose script it writes.
3. A turn without a new brief: write a script that looks whether everything is there, and run it.

It changes nothing that it was not told to change, and it tells no lies.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

INITIATIVE = "SCALE-001"
FOLDER = Path("plans/active") / INITIATIVE
RUN = re.compile(r"`planctl run-phase ([^`\s]+) ([^`\s]+)[^`]*`(?: \(`(\w+)`)?")
PHASE = re.compile(r"\bPhase (\w+)")
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROOF = """\
# Looks whether the artifacts of Phase A are younger than the fix.
import pathlib
import sys

files = [pathlib.Path(name) for name in sys.argv[1:]]
fix = pathlib.Path("src/scale.py").stat().st_mtime
late = [file for file in files if file.stat().st_mtime >= fix]
print(f"{len(late)} of {len(files)} artifacts are younger than the fix")
sys.exit(len(late) != len(files))
"""


def shell(command: str) -> str:
    """Run a command as the engineer's terminal would; return what it printed."""
    words = ["bash", "-c", f"set -euo pipefail\n{command}"]
    done = subprocess.run(words, check=False, text=True, capture_output=True)
    sys.stderr.write(done.stdout + done.stderr)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout


def carry_out(brief: str) -> str:
    """Run the commands of a brief and report."""
    for command in FENCE.findall(brief):
        shell(command)
    written = re.findall(r"(?:tee|cp \S+) \$HUB/(\S+)", brief)
    hub = next(FOLDER.glob("reports/*/*"))
    numbers = json.loads((hub / _first(written, "stats")).read_text("utf-8"))
    tests = (hub / _first(written, "pytest")).read_text("utf-8").splitlines()[-1]
    outcome = re.search(r"(\d+) passed in ([\d.]+)s", tests)
    shown = f"{outcome[1]} passed in {outcome[2]}s" if outcome else "no outcome"
    listed = ", ".join(f"`{hub}/{name}`" for name in written)
    return (
        f"Executed the commands of Phase A for rows A1, A2 and A3: the selector "
        f"`tests/test_scale.py` gave {shown}, the fit variance={numbers['variance']:.3e}, and "
        f"the prediction; captured the logs and both JSON files.\n"
        f"Rows A1, A2 and A3 are complete.\nNext: Phase B.\nArtifacts: {listed}\n"
    )


def under_planctl() -> bool:
    """Tell whether the repository asks for planctl."""
    agents = Path("AGENTS.md")
    return agents.is_file() and "planctl run-phase" in agents.read_text("utf-8")


def work_through_planctl(brief: str) -> str:
    """Do what a brief says, by planctl, and report."""
    named = RUN.search(brief)
    phase = named[2] if named else _first(PHASE.findall(brief), "")
    step = named[3] if named else None
    if step is None or phase == "A":
        shell(f"planctl run-phase {INITIATIVE} {phase}")
        return (
            f"Ran phase {phase} as the brief says. Its steps ended well.\n"
            "The logs and artifacts lie in the hub.\nNext: the next phase.\n"
        )
    script = Path("src/parts") / f"{step}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'row = "{step.upper()}"\nprint(f"{{row}} holds")\n', "utf-8")
    shell(f"planctl run-phase {INITIATIVE} {phase} --step {step}")
    return (
        f"Wrote `{script}` for row {step.upper()}. Ran its step.\n"
        f"The other rows of phase {phase} were left alone.\nNext: the next open row.\n"
    )


def prove(number: int) -> str:
    """Write a script that proves by file times that nothing is missing."""
    script = FOLDER / "bin" / f"phase_a_is_complete_{number}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(PROOF, "utf-8")
    hub = next(FOLDER.glob("reports/*/*"))
    said = shell(f"python {script} {hub}/green/*.log {hub}/cli/*.log").strip()
    return f"Wrote a check of Phase A: {said}.\nNext: Phase B.\nArtifacts: `{script}`\n"


def _first(names: list[str], part: str) -> str:
    return next(name for name in names if part in name)


def main() -> None:
    """Take one turn."""
    journal = Path(os.environ["DESYNC_JOURNAL"])
    brief = Path("input.md").read_text("utf-8")
    digest = hashlib.sha256(brief.encode()).hexdigest()
    seen = journal.read_text("utf-8") if journal.is_file() else ""
    new = f'"obeys", "brief": "{digest}"' not in seen
    entry = {"who": "engineer", "what": "obeys" if new else "looks", "brief": digest}
    with journal.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")
    if under_planctl():
        report = work_through_planctl(brief)
    else:
        report = carry_out(brief) if new else prove(seen.count('"looks"') + 1)
    told = os.environ.get("PLANCTL_SUMMARY")
    if told:
        Path(told).write_text(report, "utf-8")
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
