"""What is told of a turn: the record, the block of the summaries, the message of the commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename

from planctl import clock
from planctl._text import count, printable
from planctl.models.diff_kinds import TurnsSettings, by_kind
from planctl.models.receipt import StoredReceipt
from planctl.models.turn.prose import TurnProse
from planctl.models.turn.record import TurnRecord, plain_path
from planctl.models.turn.settings import filled
from planctl.models.turn.turn import TurnSummary, braced, render
from planctl.ops.summary import is_test, test_run
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import TurnEvidence

_SUMMARY = 72
_LINE = 400
_RECEIPTS = re.compile(r"^receipts/.*")


@dataclass(frozen=True)
class Derived:
    """What planctl saw of a turn, as its checklist tells it.

    Attributes:
        artifacts: Hub → names that receipts of the turn recorded.
    """

    files_touched: tuple[str, ...]
    tests_run: tuple[str, ...]
    artifacts: dict[str, tuple[str, ...]]
    tests: str

    @property
    def artifact_paths(self) -> tuple[str, ...]:
        """Repository-relative paths of the artifacts."""
        return tuple(f"{hub}/{name}" for hub, names in self.artifacts.items() for name in names)


def derive(evidence: TurnEvidence, changes: Changes) -> Derived:
    """Derive a checklist from the diff and the receipts."""
    filed = evidence.filed
    artifacts: dict[str, tuple[str, ...]] = {}
    for stored in filed:
        names = (subject.name for subject in stored.receipt.subjects)
        known = artifacts.get(stored.receipt.hub, ())
        artifacts[stored.receipt.hub] = tuple(dict.fromkeys((*known, *names)))
    hubs = {item.receipt.hub for item in filed} | {evidence.focus.report.hub or ""}
    tests = [item.receipt for item in filed if is_test(item.receipt)]
    return Derived(
        files_touched=tuple(_folded(changes.touched, sorted(hubs - {""}))),
        tests_run=tuple(map(test_run, tests)),
        artifacts=artifacts,
        tests=_tests(filed),
    )


def _folded(paths: Sequence[str], hubs: Sequence[str]) -> list[str]:
    """Return paths, those of each hub as one brace list in front."""
    found: list[str] = []
    rest = list(paths)
    for hub in hubs:
        inside = [path.removeprefix(f"{hub}/") for path in rest if path.startswith(f"{hub}/")]
        # Named one by one they would count as told, also those that no block has told of yet.
        inside = list(dict.fromkeys(_RECEIPTS.sub("receipts/", path) for path in inside))
        rest = [path for path in rest if not path.startswith(f"{hub}/")]
        found += [braced(hub, inside)] if inside else []
    return [*found, *rest]


def _tests(filed: Sequence[StoredReceipt]) -> str:
    tests = [item.receipt for item in filed if is_test(item.receipt)]
    if not tests:
        return "not run"
    failed = [receipt for receipt in tests if not receipt.ok]
    if failed:
        return f"{len(failed)} of {count(len(tests), 'run')} failed"
    seen = [
        result.seen.strip("`")
        for receipt in tests
        for result in receipt.checks
        if result.ok and "tests" in result.check
    ]
    return seen[0] if len(seen) == 1 else f"{count(len(tests), 'run')} passed"


def files_by_kind(rules: TurnsSettings, changes: Changes) -> dict[str, tuple[str, ...]]:
    """Return kind of change → paths, as a record holds them."""
    found = by_kind(changes.touched, rules)
    return {kind: tuple(map(plain_path, paths)) for kind, paths in found.items()}


def block_of(record: TurnRecord, derived: Derived, cited: Sequence[str]) -> str:
    """Spell the block that goes on top of the summaries."""
    accepted = (
        f"Accepted unsupported: {item.claim} ({item.found}) by {item.by}: {item.why}"
        for item in record.accepted
    )
    struck = (f"Struck out: {item.claim} ({item.found})" for item in record.refused)
    skipped = [f"{item.path} ({item.why})" for item in record.skipped]
    remarks = [*accepted, *struck]
    if skipped:
        more = f"; and {len(skipped) - 20} more" if len(skipped) > 20 else ""
        remarks.append(f"Not committed: {'; '.join(skipped[:20])}{more}")
    artifacts = {hub: names for hub, names in derived.artifacts.items() if names}
    return render(
        TurnSummary(
            id=record.id,
            stamp=clock.stamp(record.closed),
            sentences=record.sentences,
            next=record.next or "not told",
            artifacts=artifacts,
            files_touched=derived.files_touched,
            tests_run=derived.tests_run,
            artifacts_updated=tuple(braced(hub, names) for hub, names in artifacts.items()),
            cited=tuple(cited),
            remarks=tuple(remarks),
        )
    )


def ledger_line(record: TurnRecord) -> str:
    """Return the attempt that the ledger tells of a turn."""
    first = record.sentences[0] if record.sentences else record.outcome
    return f"turn {record.shown} ({record.role}, {record.id}): {_cut(first, _LINE)}"


def message_of(record: TurnRecord, template: str, tests: str) -> str:
    """Return the message of a turn's commit, trailers last."""
    first = record.sentences[0] if record.sentences else record.outcome
    values = {
        "role": record.role,
        "ROLE": record.role.upper(),
        "prompt": record.prompt or "",
        "iter": record.shown,
        "number": record.shown,
        "focus": record.focus,
        "summary": _cut(first.rstrip("."), _SUMMARY),
        "tests": tests,
    }
    body = [*record.sentences, *([f"Next: {record.next}"] if record.next else [])]
    trailers = [
        f"Turn: {record.shown} {record.id}",
        f"Role: {record.role}",
        f"Focus: {record.focus}",
        *(f"Receipt: {name}" for name in record.receipts),
        *(
            f"Accepted-Unsupported: {item.claim} — by {item.by}: {item.why}"
            for item in record.accepted
        ),
    ]
    parts = [filled(template, values), "\n".join(body), "\n".join(trailers)]
    lines = "\n\n".join(part for part in parts if part).split("\n")
    return "\n".join(printable(line) for line in lines) + "\n"


def _cut(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1].rstrip()}…"


def hub_summary(evidence: TurnEvidence) -> str | None:
    """Return the path of the focus's hub summary, if it has a hub."""
    hub = evidence.focus.report.hub
    return None if hub is None else f"{hub}/summary.md"


def cited_paths(prose: TurnProse, derived: Derived, named: Sequence[str]) -> list[str]:
    """Return the author's artifacts that planctl's own list does not have.

    Args:
        prose: The words; without an `Artifacts:` line there are none.
        derived: What receipts recorded.
        named: The paths of that line as they were found, repository-relative.
    """
    if not prose.artifacts:
        return []
    known = {*derived.artifact_paths, *(basename(path) for path in derived.artifact_paths)}
    return [path for path in dict.fromkeys(named) if path not in known]
