"""`planctl audit` on a history of 1,000 commits with realistic habits, beside `git log -p`.

Prints CPU seconds (children included) and peak memory of both on the same repository. The history
is made deterministically into a temporary folder: supervisor and engineer turns on ten initiatives,
briefs, summaries that grow at the top, a ledger that is archived now and then, logs of pytest and
of training, JSON metrics in versions, code changes, merged branches, wrong clocks.

    python bench/bench_audit.py [--commits N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    from bench.fast_import import Content, History
except ModuleNotFoundError:
    from fast_import import Content, History  # type: ignore[import-not-found,no-redef]

BUDGET_S = 20.0
_START = 1_762_000_000
_STEP_S = 900
_BLOCKS_KEPT = 200
_LEDGER_LINES = 1500


class Project:
    """A project that agents work on, turn by turn.

    Args:
        history: Where its commits go.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._ids = [f"STUDY-AREA-{number:03d}" for number in range(10)]
        self._summaries: dict[str, list[str]] = {name: [] for name in self._ids}
        self._ledger: dict[str, list[str]] = {name: [] for name in self._ids}
        self._code = {
            f"src/module_{n:03d}.py": [f"x_{i} = {i}" for i in range(200)] for n in range(60)
        }
        self._archived = 0
        self._when = _START

    def start(self) -> None:
        """Commit the code, plans and an empty ledger."""
        files: dict[str, Content] = {path: "\n".join(lines) for path, lines in self._code.items()}
        for name in self._ids:
            rows = "\n".join(f"- [{'x' if n < 3 else ' '}] A{n}: row {n}" for n in range(8))
            files[f"plans/active/{name}/implementation.md"] = (
                f"# {name}\n\nStatus: in_progress\n{rows}\n"
            )
        files["docs/fix_plan.md"] = self._ledger_text()
        files[".gitignore"] = "outputs/\n*.npz\n"
        self._history.commit(files, self._when)

    def turn(self, number: int) -> None:
        """Commit one turn: every third is the supervisor's."""
        self._when += _STEP_S
        name = self._ids[number // 9 % len(self._ids)]
        files = self._supervisor(name, number) if number % 3 == 0 else self._engineer(name, number)
        main = self._history.commit(files, self._when)
        if number % 40 == 39:
            self._merge(number, main)

    def _supervisor(self, name: str, number: int) -> dict[str, Content]:
        hub, part = self._hub(name, number - 1), f"{number % 60:03d}"
        row, after = f"A{number % 8}", f"A{(number + 1) % 8}"
        # Every second supervisor's clock runs four days ahead.
        stamp = _stamp(self._when + 4 * 86_400 * (number % 2))
        block = (
            f"### Turn Summary ({stamp})\n"
            f"Audited the hub and found that rows {row} and {after} still need evidence "
            f"(`{hub}/cli/train.log:1-3`, `src/module_{part}.py:{number % 200 + 1}`).\n"
            f"Next: rerun `pytest tests/test_{part}.py::TestStudy::test_run -vv`, capture "
            f"`analysis/metrics.json`, and refresh the inventory.\n"
            f"Artifacts: docs/fix_plan.md; plans/active/{name}/implementation.md; input.md\n"
        )
        brief = (
            f"# {name}\n\n**Focus:** {name}\n\n## Do Now\n\n1. Rerun the selector for {row}.\n"
            f"2. Capture `{hub}/analysis/metrics.json`.\n\n## Pitfalls\n\n- None.\n"
        )
        self._note(name, f"{_stamp(self._when)} (supervisor): ordered {row} again.")
        files: dict[str, Content] = {"input.md": brief, "docs/fix_plan.md": self._ledger_text()}
        return files | self._with_block(name, block)

    def _engineer(self, name: str, number: int) -> dict[str, Content]:
        hub, part = self._hub(name, number), f"{number % 60:03d}"
        files: dict[str, Content] = {
            f"{hub}/green/pytest.log": _pytest_log(number),
            f"{hub}/analysis/metrics.json": json.dumps(_metrics(number), indent=1),
            f"{hub}/analysis/artifact_inventory.txt": f"metrics_{number}\n",
        }
        if number % 4:
            files[f"{hub}/cli/train.log"] = _train_log(number)
        if number % 5 == 0:
            path = f"src/module_{part}.py"
            self._code[path][number % 200] = f"x_{number} = {number}"
            files[path] = "\n".join(self._code[path])
        seconds = f"{number % 90 / 10 + 0.1:.2f}"
        block = (
            f"### Turn Summary ({_stamp(self._when)} — engineer)\n"
            f"Executed the selector: GREEN (3/3, {seconds}s), loss={1 / (number + 1):.3e}, and "
            f"archived the run.\nRows A{number % 8} complete.\nNext: proceed to the next row.\n"
            f"Artifacts: {hub}/{{green/pytest.log, cli/train.log, "
            f"analysis/metrics.json, analysis/artifact_inventory.txt}}\n\n"
            f"Checklist:\n- Files touched: src/module_{part}.py\n"
            f"- Tests run: pytest tests/test_{part}.py::TestStudy::test_run -vv\n"
            f"- Artifacts updated: {hub}/analysis/metrics.json\n"
        )
        note = f"{_stamp(self._when)}: 3 passed in {seconds}s. Artifacts: `{hub}/` (cli/train.log)"
        self._note(name, note)
        files |= self._with_block(name, block)
        return files | {f"{hub}/summary.md": block, "docs/fix_plan.md": self._ledger_text()}

    def _merge(self, number: int, main: int) -> None:
        path = f"src/branch_{number}.py"
        side = self._history.commit(
            {path: "y = 1\n"}, self._when + 60, parents=[main], branch="side"
        )
        self._history.commit({path: "y = 1\n"}, self._when + 120, parents=[main, side])

    def _hub(self, name: str, number: int) -> str:
        off = 4 * 86_400 if number % 2 else 0
        when = _START + _STEP_S * (number // 6 * 6) + off
        return f"plans/active/{name}/reports/{_stamp(when)}/study"

    def _with_block(self, name: str, block: str) -> dict[str, Content]:
        blocks = self._summaries[name]
        blocks.insert(0, block)
        del blocks[_BLOCKS_KEPT:]
        return {f"plans/active/{name}/summary.md": "\n".join(blocks)}

    def _note(self, name: str, text: str) -> None:
        self._ledger[name].append(f"  * {text}")
        if sum(map(len, self._ledger.values())) > _LEDGER_LINES:
            for notes in self._ledger.values():
                del notes[: len(notes) // 2]

    def _ledger_text(self) -> str:
        parts = ["# Fix plan\n"]
        for name, notes in self._ledger.items():
            head = f"## [{name}] Study\n- Status: in_progress\n- Attempts History:\n"
            parts.append(head + "\n".join(notes) + "\n")
        return "\n".join(parts)


def _stamp(when: int) -> str:
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _pytest_log(number: int) -> str:
    name = f"tests/test_{number % 60:03d}.py::TestStudy"
    body = "".join(f"{name}::test_{n} PASSED\n" for n in range(60))
    seconds = f"{number % 90 / 10 + (0.1 if number % 7 else 0.4):.2f}"
    bar = "=" * 29
    return f"{bar} test session starts {bar}\n{body}{bar} 3 passed in {seconds}s {bar}\n"


def _train_log(number: int) -> str:
    return "".join(
        f"2025-11-14 02:{n % 60:02d}:00 epoch {n}: loss={1 / (n + number + 1):.6e} lr=1e-3\n"
        for n in range(300)
    )


def _metrics(number: int) -> dict[str, object]:
    return {"loss": 1 / (number % 17 + 1), "ssim": [0.9, 0.8 + number % 3 / 10], "epochs": 50}


def make(root: Path, commits: int) -> None:
    """Write the history."""
    history = History(root)
    project = Project(history)
    project.start()
    for number in range(1, commits):
        project.turn(number)
    history.close()


def measure(words: list[str], folder: Path) -> tuple[float, float, float]:
    """Return CPU seconds of a command and all it started, wall seconds, peak MiB of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - start, after.ru_maxrss / 1024


def main() -> None:
    """Make the history, measure both, print a table; exit 1 over budget."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="make the repository here and leave it")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="planctl-bench-"))
    try:
        if not (folder / ".git").exists():
            make(folder, options.commits)
        count = int(subprocess.check_output(["git", "rev-list", "--count", "HEAD"], cwd=folder))
        os.environ["OMP_NUM_THREADS"] = "1"
        planctl = str(Path(sys.executable).with_name("planctl"))
        peer = measure(["git", "log", "-p", "--no-color"], folder)
        ours = measure([planctl, "audit", "--json"], folder)
    finally:
        if options.keep is None:
            shutil.rmtree(folder)
    print(f"{count} commits")
    print(f"{'':22}{'CPU s':>8}{'wall s':>8}{'commits/s':>11}")
    for name, (cpu, wall, _) in (("git log -p", peer), ("planctl audit --json", ours)):
        print(f"{name:22}{cpu:8.2f}{wall:8.2f}{count / cpu:11.0f}")
    budget = BUDGET_S * count / 1000
    print(f"ratio {ours[0] / peer[0]:.2f}, peak {ours[2]:.0f} MiB, budget {budget:.0f} s of CPU")
    sys.exit(0 if ours[0] <= budget else 1)


if __name__ == "__main__":
    main()
