"""What a day came to, counted from what it left: the journal of its processes, and its commits."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.desync.repository import FOLDER, git

SOURCES = ("src/", "tests/")
LAST_COMMAND = "infer"  # with it Phase A is complete
_PROVEN = "asks for evidence that is there"
_RECEIPT = re.compile(r"receipt (\w+) at commit ([0-9a-f]+)")
_COPY = re.compile(r"_v\d+(?=\.\w+$)")


@dataclass(frozen=True)
class Column:
    """One way the day went.

    Attributes:
        supervisor_turns: Turns of the supervisor.
        requests: Its orders for Phase A after Phase A was complete.
        reached: How many of these the engineer carried out.
        engineer_turns: Turns of the engineer.
        redundant_turns: Those after the first complete evidence that left neither changed code nor
            evidence of a row that had none.
        runs: How often the commands of Phase A were run.
        wasted_runs: How often after they had all been run.
        values: Different values that the one number of Phase A has had in git.
        rows: Rows of the checklist with evidence at the end.
    """

    supervisor_turns: int
    requests: int
    reached: int
    engineer_turns: int
    redundant_turns: int
    runs: int
    wasted_runs: int
    values: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def count(root: Path, journal: Path) -> Column:
    """Count what a day came to.

    Args:
        root: The project as the day left it.
        journal: What supervisor, engineer and commands wrote when they began.
    """
    events = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    complete = next(
        (at for at, event in enumerate(events) if event["what"] == LAST_COMMAND), len(events)
    )
    later = events[complete + 1 :]
    asked = {event["brief"] for event in later if event["what"] == "asks"}
    obeyed = {event["brief"] for event in later if event["what"] == "obeys"}
    return Column(
        supervisor_turns=_events(events, "asks") + _events(events, "accepts"),
        requests=_events(later, "asks"),
        reached=len(asked & obeyed),
        engineer_turns=_events(events, "obeys") + _events(events, "looks"),
        redundant_turns=_redundant(root),
        runs=_events(events, LAST_COMMAND),
        wasted_runs=_events(later, LAST_COMMAND),
        values=_values(root),
        rows=len(_evidence(git(root, "ls-tree", "-r", "--name-only", "HEAD").splitlines())),
    )


@dataclass(frozen=True)
class Refusals:
    """What planctl said to orders, as the records of the turns have it.

    Attributes:
        orders: Turns whose order was refused because what it asks for is proven.
        with_proof: Those whose refusal names a receipt and a commit, and both are in git.
        last: How the last one begins.
    """

    orders: int
    with_proof: int
    last: str


def refusals(root: Path) -> Refusals:
    """Read what was refused from the records of the turns.

    Args:
        root: The project.
    """
    records = sorted((root / FOLDER / "turns").glob("*.json"))
    told = [json.loads(record.read_text("utf-8"))["refused_orders"] for record in records]
    proven = [[line for line in lines if _PROVEN in line] for lines in told]
    firsts = [lines[0] for lines in proven if lines]
    tracked = git(root, "ls-tree", "-r", "--name-only", "HEAD")
    commits = git(root, "rev-list", "HEAD").split()
    proofs = [_RECEIPT.findall(line) for line in firsts]
    good = [
        found
        for found in proofs
        if found
        and all(receipt in tracked for receipt, _ in found)
        and all(any(full.startswith(commit) for full in commits) for _, commit in found)
    ]
    return Refusals(len(firsts), len(good), firsts[-1] if firsts else "")


def _events(events: Sequence[dict[str, str]], what: str) -> int:
    return sum(event["what"] == what for event in events)


def _redundant(root: Path) -> int:
    """Count the engineer's commits that added nothing, from the first complete evidence on."""
    told = git(root, "log", "--reverse", "--format=%x00%s", "--name-only", "--first-parent")
    had: set[str] = set()
    redundant = 0
    for commit in told.split("\0")[1:]:
        subject, *paths = commit.splitlines()
        evidence = _evidence(paths)
        news = bool(evidence - had) or any(path.startswith(SOURCES) for path in paths)
        had |= evidence
        redundant += subject.startswith("ENGINEER AUTO") and not news
    return redundant


def _evidence(paths: Sequence[str]) -> set[str]:
    """Return the logs among some paths, copies under new names under their own."""
    hub = re.compile(re.escape(FOLDER) + r"/reports/.*/(?:green|cli)/[^/]+\.log$")
    return {_COPY.sub("", path) for path in paths if hub.match(path)}


def _values(root: Path) -> int:
    """Count the different contents that the table of Phase A has had in any commit."""
    listed = git(root, "log", "--format=", "--raw", "--no-abbrev", "--", f"{FOLDER}/reports")
    blobs = re.findall(r"^:\S+ \S+ \S+ ([0-9a-f]{40}) \S+\t\S*/stats[^/]*\.json$", listed, re.M)
    return len(set(blobs) - {"0" * 40})
