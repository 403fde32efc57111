"""The supervisor of the bad day, as a script: its clock runs ahead, and it believes dates.

Its rules, which are those of the real day:

1. Evidence counts if every log begins on or after the day on which the fix landed. By its own clock
   that is today, so no log can ever be young enough.
2. What does not count is ordered again, each time in other words.
3. After seven orders that changed nothing it asks for copies under new names, `_v2` and then `_v3`;
   for `_v2` it looks at the dates once more, `_v3` it takes for the name's sake.

It reads nothing that anybody tells it. Its memory is what it wrote into the journal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

INITIATIVE = "SCALE-001"
FOLDER = Path("plans/active") / INITIATIVE
LOGS = ("green/pytest_scale", "cli/train", "cli/infer")
HEAD_LINES = 40
ROUNDS_BEFORE_NEW_NAMES = 7
COMMANDS = """\
```sh
export HUB={hub} OUT=out
mkdir -p $OUT $HUB/green $HUB/cli $HUB/analysis
python -m pytest tests/test_scale.py -p no:cacheprovider 2>&1 | tee $HUB/green/pytest_scale{v}.log
python src/train.py $OUT/stats.json 2>&1 | tee $HUB/cli/train{v}.log
python src/infer.py $OUT/stats.json $OUT/prediction.json 2>&1 | tee $HUB/cli/infer{v}.log
cp $OUT/stats.json $HUB/analysis/stats{v}.json
cp $OUT/prediction.json $HUB/analysis/prediction{v}.json
```
"""
# (what it believes, what it orders); the first order is the only one with a reason.
WORDS = (
    (
        "Nothing of Phase A has been run yet.",
        "Run Phase A: the selector `tests/test_scale.py`, the fit and the prediction.",
    ),
    (
        "The hub's logs begin on {old}, the fix is of {today}: they cannot show it.",
        "Rerun Phase A: the selector and both commands.",
    ),
    (
        "Went through the hub once more; each log is still dated {old}.",
        "Refresh the evidence of rows A1, A2 and A3.",
    ),
    (
        "I see no run since the fix: what lies in `cli/` opens with {old}.",
        "Collect fresh evidence for Phase A, all three rows.",
    ),
    (
        "Checked again after the last turn, the dates have not moved from {old}.",
        "Re-capture `analysis/stats.json` and `analysis/prediction.json`.",
    ),
    (
        "The proof for the fix is outstanding, {old} is days too early.",
        "Repeat the selector `tests/test_scale.py` and both commands.",
    ),
    (
        "Same picture as before: {old} at the head of `cli/train.log`.",
        "Execute the commands of Phase A again and overwrite the artifacts in the hub.",
    ),
    (
        "A turn without effect: logs of {old}, fix of {today}.",
        "Regenerate the logs and both JSON files of rows A2 and A3.",
    ),
    (
        "Overwriting did not help, the logs say {old} as ever.",
        "Rerun the selector and both commands of Phase A into `{v}` copies beside the old ones.",
    ),
    (
        "The new copies begin on {old} too.",
        "Rerun rows A1, A2 and A3 into `{v}` copies.",
    ),
)


@dataclass(frozen=True)
class Look:
    """What the supervisor makes of the hub.

    Attributes:
        logs: How many of the logs are there.
        dates: The first dates in their heads.
        asked: Orders it gave so far.
        today: By its own clock.
    """

    logs: int
    dates: tuple[str, ...]
    asked: int
    today: str

    @property
    def version(self) -> str:
        """The ending of the names it wants next."""
        late = self.asked - ROUNDS_BEFORE_NEW_NAMES
        return "" if late < 1 else f"_v{late + 1}"

    @property
    def satisfied(self) -> bool:
        """Whether it believes the evidence."""
        if self.logs < len(LOGS) or not self.dates:
            return False
        return min(self.dates) >= self.today or self.asked > ROUNDS_BEFORE_NEW_NAMES + 2


def first_date(log: Path) -> str:
    """Return the first date in the head of a log, or the empty text."""
    head = "\n".join(log.read_text("utf-8", "replace").splitlines()[:HEAD_LINES])
    found = re.search(r"\d{4}-\d\d-\d\d", head)
    return found.group() if found else ""


def look(hub: Path, journal: Path) -> Look:
    """Look at the hub as the supervisor does.

    Args:
        hub: Where evidence lies.
        journal: Where it wrote what it asked for.
    """
    asked = sum('"asks"' in line for line in _lines(journal))
    ahead = dt.timedelta(days=float(os.environ.get("DESYNC_DAYS_AHEAD", "4")))
    today = (dt.datetime.now(dt.UTC) + ahead).date().isoformat()
    before = Look(0, (), asked - 1, today).version if asked else ""
    logs = [hub / f"{name}{before}.log" for name in LOGS]
    there = [log for log in logs if log.is_file()]
    seen = there or [hub / f"{name}.log" for name in LOGS if (hub / f"{name}.log").is_file()]
    dates = filter(None, map(first_date, seen))
    return Look(len(there), tuple(dates), asked, today)


def words(seen: Look) -> tuple[str, str]:
    """Return what the supervisor believes and orders now."""
    believes, orders = WORDS[min(seen.asked, len(WORDS) - 1)]
    fill = {"old": min(seen.dates, default=""), "today": seen.today, "v": seen.version}
    return believes.format(**fill), orders.format(**fill)


def brief(seen: Look, hub: Path) -> str:
    """Return the order for the engineer."""
    believes, orders = words(seen)
    commands = COMMANDS.format(hub=hub, v=seen.version)
    if seen.asked % 2:
        head = f"**Summary:** {believes}\n**Focus:** {INITIATIVE}\n**Artifacts:** `{hub}/`\n"
        return f"{head}\n**Do Now:** {orders}\n\n{commands}"
    head = f"## Summary\n\n{believes}\n\n## Focus\n\n{INITIATIVE}\n\n## Artifacts\n\n`{hub}/`\n"
    return f"# Brief\n\n{head}\n## Do Now\n\n{orders}\n\n{commands}"


def summary(seen: Look) -> str:
    """Return what the supervisor says about its turn."""
    believes, orders = words(seen)
    said = f"{believes} Rewrote the brief so that the next turn has the commands at hand."
    return f"{said}\nNext: {orders}\n"


def main() -> None:
    """Take one turn."""
    journal = Path(os.environ["DESYNC_JOURNAL"])
    hub = Path(os.environ.get("HUB") or next(FOLDER.glob("reports/*/*")))
    hub = hub.relative_to(Path.cwd()) if hub.is_absolute() else hub
    seen = look(hub, journal)
    if seen.satisfied:
        _note(journal, "accepts", "")
        _say("Accepted the evidence of Phase A: the copies are there.\nNext: Phase B.\n")
        return
    order = brief(seen, hub)
    Path("input.md").write_text(order, "utf-8")
    _note(journal, "asks", hashlib.sha256(order.encode()).hexdigest())
    _say(summary(seen))


def _say(text: str) -> None:
    told = os.environ.get("PLANCTL_SUMMARY")
    if told:
        Path(told).write_text(text, "utf-8")
    sys.stdout.write(text)


def _note(journal: Path, what: str, digest: str) -> None:
    entry = {"who": "supervisor", "what": what, "brief": digest}
    with journal.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def _lines(journal: Path) -> list[str]:
    return journal.read_text("utf-8").splitlines() if journal.is_file() else []


if __name__ == "__main__":
    main()
