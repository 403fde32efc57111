"""A made-up project's history, with the truth about every claim in it kept beside."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path

from bench.fast_import import Content, History

HOME = "plans/active/beam-drift"
LEDGER = "docs/fix_plan.md"
START = 1_770_000_000
MINUTE = 60
DAY = 86_400


def stamp(when: int) -> str:
    """Spell a time as names do."""
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H%M%SZ")


def pytest_log(passed: int, seconds: str) -> str:
    """Return a log of a test run that does not tell its command."""
    head = f"=== test session starts ===\ncollected {passed} items\n"
    return f"{head}=== {passed} passed in {seconds}s ===\n"


class Story:
    """Turns of a project with many habits, seven kinds that come round again.

    Args:
        root: Where the repository goes.

    Attributes:
        truth: Key of a total → what it must be; `….of` for the whole.
    """

    def __init__(self, root: Path) -> None:
        self.history = History(root)
        self.now = START
        self.truth: Counter[str] = Counter()
        self.blocks: list[str] = []
        self.notes: list[str] = []
        self.code = [f"value_{n} = {n}" for n in range(40)]
        self.promised: dict[str, str] = {}
        self.first = self.history.commit(self._start(), self.now)

    def _start(self) -> dict[str, Content]:
        rows = "- [x] A1: scan\n- [ ] A2: tilt\n"
        return {
            "src/stage.py": "\n".join(self.code),
            "docs/notes.md": "notes\n",
            ".gitignore": "scratch/\n*.npz\n",
            f"{HOME}/implementation.md": f"# Beam drift\n\n**Status:** in progress\n\n{rows}",
            LEDGER: self._ledger(),
        }

    def tell(self, rounds: int) -> None:
        """Write so many rounds of turns."""
        turns = (
            *(self.parentheses, self.braces, self.joined, self.attempt),
            *(self.listed, self.supervisor, self.change, self.second_thought),
        )
        for number in range(rounds):
            for turn in turns:
                turn(number)

    def commit(self, files: dict[str, Content], minutes: int = 37) -> int:
        """Commit, with whatever an earlier turn cited and did not commit."""
        return self.history.commit(files, self.now + minutes * MINUTE)

    def _turn(self, files: dict[str, Content]) -> None:
        self.history.commit(files, self.now)
        self.now += 37 * MINUTE

    def _hub(self, name: str, off: int = -5 * MINUTE) -> str:
        self.truth["names.hubs.of"] += 1
        self.truth["names.hubs"] += off > 2 * MINUTE or off < -30 * MINUTE
        self.truth["names.hubs.off"] += abs(off) > 30 * MINUTE
        self.truth["names.hubs.future"] += off > 2 * MINUTE
        return f"{HOME}/reports/{stamp(self.now + off)}/{name}"

    def _block(self, text: str) -> dict[str, Content]:
        self.blocks.insert(0, text)
        return {f"{HOME}/summary.md": "# Beam drift\n\n" + "\n".join(self.blocks)}

    def _log(self, silent: bool = True) -> None:
        self.truth["logs.silent.of"] += 1
        self.truth["logs.silent"] += silent

    def _heading(self, off: int = 0) -> str:
        self.truth["names.headings.of"] += 1
        self.truth["names.headings"] += off != 0
        return stamp(self.now + off)

    def _cited(self, number: int) -> None:
        self.truth["citations.cited"] += number

    def _absent(self, verdict: str) -> None:
        self.truth["citations.absent"] += 1
        self.truth[f"citations.{verdict}"] += 1

    def _claimed(self, matched: bool) -> None:
        self.truth["tests.unmatched.of"] += 1
        self.truth["tests.unmatched"] += not matched

    def parentheses(self, number: int) -> None:
        """A folder with a list in parentheses; everything is there."""
        hub = self._hub(f"scan_{number}")
        block = (
            f"### Turn Summary ({self._heading()})\n"
            f"Went over the stage; 14 passed (0.6{number % 10}s).\n"
            "Next: hand over.\n"
            f"Artifacts: {hub}/ (run.md, green/pytest.log)\n"
        )
        self._cited(2)
        self._claimed(True)
        self._log()
        wide, tight = {"loss": 1.0 + number}, {"loss": 1.0 + number % 2 / 50}
        self._turn(
            self._block(block)
            | {
                f"{hub}/run.md": "ran\n",
                f"{hub}/green/pytest.log": pytest_log(14, f"0.6{number % 10}"),
                f"{HOME}/analysis/wide_v{number + 1}.json": json.dumps(wide),
                f"{HOME}/analysis/tight.json": json.dumps(tight),
            }
        )

    def braces(self, number: int) -> None:
        """Braces and a remark; one file never comes, and the hub's clock runs ahead."""
        hub = self._hub(f"table_{number}", 4 * DAY)
        block = (
            f"### Turn Summary ({self._heading()} — Engineer)\n"
            "Executed the drift scan and captured the table; all is complete.\n"
            "Next: look at the table.\n"
            f"Artifacts: {hub}/{{analysis/table.json, analysis/plot.png}} (updated), "
            "docs/notes.md\n"
        )
        self._cited(3)
        self._absent("never")
        files = {f"{hub}/analysis/table.json": json.dumps({"rows": number})}
        self._turn(self._block(block) | files)

    def joined(self, number: int) -> None:
        """A list joined by plus signs; a log comes one commit late, a suite holds one test."""
        hub = self._hub(f"suite_{number}")
        block = (
            f"#### **Turn Summary** ({self._heading(4 * DAY)} - Engineer)\n"
            "Went through the tests: 14 passed in 3.21s.\n"
            "Next: none.\n"
            f"Artifacts: {hub}/green/pytest_full_suite.log + {hub}/cli/run.log\n"
        )
        self._cited(2)
        self._absent("next")
        self._claimed(False)
        self._log()
        self.truth["logs.suite"] += 1
        self.truth["logs.suite.of"] += 1
        self.promised[f"{hub}/cli/run.log"] = f"$ python run.py --seed {number}\nfinished\n"
        log = pytest_log(1, f"1.{number:02d}")
        self._turn(self._block(block) | {f"{hub}/green/pytest_full_suite.log": log})

    def attempt(self, number: int) -> None:
        """A line in the ledger; one artifact comes some commits later, one is ignored."""
        hub = self._hub(f"attempt_{number}")
        files: dict[str, Content] = dict(self.promised)
        self.promised.clear()
        self._log(silent=False)
        self.notes.append(
            f"  * *{stamp(self.now)} (attempt {number}):* 2 passed (0.4{number % 10}s). "
            f"Artifacts: `{hub}/green/pytest.log`, `{hub}/analysis/late.json`, "
            f"`scratch/{number}.npz`."
        )
        self._cited(3)
        self._absent("later")
        self._absent("ignored")
        self._claimed(True)
        self._log()
        self.promised[f"{hub}/analysis/late.json"] = json.dumps({"late": number})
        files[LEDGER] = self._ledger()
        files[f"{hub}/green/pytest.log"] = pytest_log(2, f"0.4{number % 10}")
        self._turn(files)

    def listed(self, number: int) -> None:
        """The hub's own summary: a list under the key, paths from the hub, a glob."""
        hub = self._hub(f"blocked_{number}", -45 * MINUTE)
        block = (
            f"## Prior Turn Summary ({self._heading()} — Planning)\n\n"
            f"The stage stood still in round {number}.\n\n"
            "**Artifacts:**\n\n- `green/pytest.log`\n- red/blocked_*.md\n"
            "- analysis/none.json (pending)\n"
        )
        self._cited(2)
        self._log()
        self.truth["names.blockers.of"] += 1
        self._turn(
            {
                f"{hub}/summary.md": block,
                f"{hub}/green/pytest.log": pytest_log(3, "0.10"),
                f"{hub}/red/blocked_{stamp(self.now)}_stage.md": "stuck\n",
            }
        )

    def supervisor(self, number: int) -> None:
        """Points at a line of code, and asks again for what is complete."""
        line = 5 + number
        block = (
            f"### Turn Summary (Planning — {self._heading(-2 * DAY)})\n"
            f"Read `src/stage.py:{line}` once more.\n"
            "Next: rerun the drift scan and capture `analysis/table.json` again.\n"
            f"Artifacts: docs/notes.md; {LEDGER}\n"
        )
        self._cited(2)
        self.truth["pointers.of"] += 1
        self.truth["pointers"] += 1
        self.truth["requests.repeated"] += 1
        self.truth["requests.repeated.of"] += 1
        files: dict[str, Content] = dict(self.promised)
        self.promised.clear()
        self._turn(self._block(block) | files)

    def change(self, number: int) -> None:
        """A change of code, which moves every line that was pointed at."""
        self.code.insert(0, f"# change {number}")
        self._turn({"src/stage.py": "\n".join(self.code)})

    def second_thought(self, number: int) -> None:
        """The same request after the code changed: justified. The brief orders a ticked row."""
        brief = (
            "# Brief\n\n**Focus:** [beam-drift]\n\n## Do Now\n\n"
            f"1. Rerun the drift scan for A1 and capture `analysis/table.json` (round {number}).\n"
        )
        self.truth["requests.repeated.of"] += 1
        self._turn({"input.md": brief})

    def _ledger(self) -> str:
        notes = "\n".join(self.notes)
        head = "# Fix plan\n\n## [beam-drift] Drift of the beam\n- Status: in_progress\n"
        return f"{head}- Attempts History:\n{notes}\n"
