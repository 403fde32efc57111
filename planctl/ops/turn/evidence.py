"""The evidence of a turn: what was recorded in it, and whether anything of it was tampered with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planctl._files import behind_link, sha256_file
from planctl.models.plan.plan import Plan
from planctl.models.receipt import StoredReceipt
from planctl.models.turn.record import OpenTurn
from planctl.models.verdict import VerifyReport
from planctl.ops.receipts import LoadedReceipt
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.problems import Problem
from planctl.ops.verify import judge_of, verify
from planctl.ops.witness import witnessed
from planctl.workspace import ACTIVE, Workspace

_RECEIPT = re.compile(
    rf"{re.escape(ACTIVE)}/([^/]+)/reports/[^/]+/[^/]+/receipts/"
    r"([0-7][0-9A-HJKMNP-TV-Z]{25})_[^/]*\.json"
)
# Of a ULID: the time it was made; what follows is random.
_TIME_DIGITS = 10
_REPORT = re.compile(rf"{re.escape(ACTIVE)}/([^/]+)/reports/")


@dataclass(frozen=True)
class InitiativeEvidence:
    """One initiative that a turn had to do with.

    Attributes:
        filed: Receipts recorded in the turn, oldest first.
        loaded: All of its receipts.
        since: Id of the turn: a run with an older one is not of it.
        recorded: Repository-relative path → SHA-256, of every file that a receipt which holds
            recorded; `folders` are those it recorded whole.
    """

    plan: Plan
    report: VerifyReport
    filed: tuple[StoredReceipt, ...]
    loaded: tuple[LoadedReceipt, ...]
    recorded: Mapping[str, str]
    folders: tuple[str, ...]
    since: str


@dataclass(frozen=True)
class TurnEvidence:
    """What was recorded in a turn; the focus first."""

    initiatives: tuple[InitiativeEvidence, ...]
    problems: tuple[Problem, ...]

    @property
    def focus(self) -> InitiativeEvidence:
        """The initiative the turn worked on."""
        return self.initiatives[0]

    @property
    def filed(self) -> tuple[StoredReceipt, ...]:
        """Receipts recorded in the turn, oldest first."""
        found = (item for part in self.initiatives for item in part.filed)
        return tuple(sorted(found, key=lambda item: item.receipt.ulid))

    @property
    def focus_runs(self) -> tuple[StoredReceipt, ...]:
        """Every receipt of the focus that can be read, oldest first."""
        found = (item.stored for item in self.focus.loaded)
        return tuple(stored for stored in found if stored is not None)

    @property
    def superseded(self) -> dict[str, str]:
        """Artifact of an earlier run → that of the run which speaks for the step now."""
        found: dict[str, str] = {}
        for part in self.initiatives:
            chosen = {step.step: step.stored for step in part.report.steps}
            for old in (item.stored for item in part.loaded):
                new = None if old is None else chosen.get(old.receipt.step)
                if old is None or new is None or old.receipt.ulid == new.receipt.ulid:
                    continue
                for subject in old.receipt.subjects:
                    now = new.receipt.subject_for(subject.declared)
                    path = f"{old.receipt.hub}/{subject.name}"
                    if now is not None and path != f"{new.receipt.hub}/{now.name}":
                        found[path] = f"{new.receipt.hub}/{now.name}"
        return found

    def has(self, path: str) -> bool:
        """Tell whether a receipt recorded a file, alone or with its folder."""
        return any(
            path in part.recorded or any(path.startswith(f"{top}/") for top in part.folders)
            for part in self.initiatives
        )


def evidence_of(workspace: Workspace, turn: OpenTurn, changes: Changes) -> TurnEvidence:
    """Collect the receipts that were recorded in a turn, and look for tampering.

    Raises:
        PlanError: The plan of an initiative cannot be used.
    """
    names = dict.fromkeys([turn.focus, *_touched_initiatives(workspace, changes)])
    parts = [_one(workspace, name, turn, changes) for name in names]
    problems = [problem for part in parts for problem in _tampered(workspace, part, changes)]
    return TurnEvidence(tuple(parts), tuple(problems))


def receipt_ids(paths: Iterable[str]) -> dict[str, str]:
    """Return receipt path → its id, for those among some paths."""
    found = ((path, _RECEIPT.fullmatch(path)) for path in paths)
    return {path: match[2] for path, match in found if match is not None}


def _touched_initiatives(workspace: Workspace, changes: Changes) -> Iterator[str]:
    known = set(workspace.initiatives())
    for path in changes.touched:
        match = _REPORT.match(path)
        if match is not None and match[1] in known:
            yield match[1]


def _one(workspace: Workspace, name: str, turn: OpenTurn, changes: Changes) -> InitiativeEvidence:
    plan = workspace.load_plan(name)
    judge = judge_of(workspace, plan)
    report = verify(workspace, plan, judge=judge)
    new = receipt_ids((*changes.committed, *changes.own))
    filed = [
        item.stored
        for item in judge.loaded
        if item.stored is not None
        and item.holds
        and (item.path in new or _hidden(item, item.stored, turn))
    ]
    subjects = [
        (f"{item.stored.receipt.hub}/{subject.name}", subject)
        for item in judge.loaded
        if item.holds and item.stored is not None
        for subject in item.stored.receipt.subjects
    ]
    return InitiativeEvidence(
        plan=plan,
        report=report,
        filed=tuple(filed),
        loaded=tuple(judge.loaded),
        recorded={path: item.sha256 for path, item in subjects if item.kind == "file"},
        folders=tuple(path for path, item in subjects if item.kind == "folder"),
        since=turn.id,
    )


def _hidden(item: LoadedReceipt, stored: StoredReceipt, turn: OpenTurn) -> bool:
    """Tell whether a receipt came in the turn though git ignores its file."""
    since = _not_before(stored.receipt.ulid, turn.id)
    return item.added is None and item.path not in turn.dirty and since


def _tampered(
    workspace: Workspace, part: InitiativeEvidence, changes: Changes
) -> Iterator[Problem]:
    touched = frozenset(changes.touched)
    yield from _receipts(part.loaded, touched)
    yield from _lost(part)
    yield from _unwitnessed(workspace, part, changes)
    for path in sorted(touched & part.recorded.keys()):
        said = _differs(workspace.root, path, part.recorded[path])
        if said:
            yield Problem(
                "evidence",
                path,
                said,
                way_out="bring it back as it was (`git restore`), or run the step again: "
                f"`planctl run-phase {part.plan.id}`",
                acceptable=False,
            )


def _receipts(loaded: Sequence[LoadedReceipt], touched: frozenset[str]) -> Iterator[Problem]:
    for item in loaded:
        if item.path not in touched or item.holds:
            continue
        why = item.broken or f"it is gone; {item.gone}"
        yield Problem(
            "receipt",
            item.path,
            f"not intact: {why}",
            way_out=f"`git restore --source=HEAD -- {item.path}` brings back what git has; a "
            "receipt that git never had: remove it and run its step again",
            acceptable=False,
        )


def _lost(part: InitiativeEvidence) -> Iterator[Problem]:
    """Yield runs that a receipt of this turn names and that are not there any more."""
    known = {item.stored.payload_sha256 for item in part.loaded if item.stored is not None}
    for stored in part.filed:
        for digest in stored.receipt.previous:
            if digest not in known:
                yield Problem(
                    "receipt",
                    f"run {digest[:16]} of `{stored.receipt.step}`",
                    f"receipt `{stored.receipt.ulid}` names it as the run before; it is gone, and "
                    "git never had it",
                    way_out="bring the file back; a failed run is evidence, too",
                    acceptable=False,
                )


def _unwitnessed(
    workspace: Workspace, part: InitiativeEvidence, changes: Changes
) -> Iterator[Problem]:
    """Yield receipts of the turn that no run here left, and runs whose receipts were removed."""
    seen = witnessed(workspace.repo)
    own = frozenset(changes.own)
    for stored in part.filed:
        if stored.path in own and stored.payload_sha256 not in seen:
            yield Problem(
                "unrecorded",
                stored.path,
                "no run of planctl in this work tree wrote this receipt",
                way_out=f"remove it and run the step: `planctl run-phase {part.plan.id} "
                f"{stored.receipt.phase} --step {stored.receipt.step}`; what another machine "
                "recorded is committed there, or accepted here by name",
            )
    known = {item.stored.payload_sha256 for item in part.loaded if item.stored is not None}
    for run in seen.values():
        mine = run.path.startswith(f"{ACTIVE}/{part.plan.id}/") and _not_before(
            run.ulid, part.since
        )
        if mine and run.digest not in known:
            yield Problem(
                "lost",
                run.path,
                f"planctl recorded this run in the turn (exit {run.exit_code}), and its receipt "
                "is gone",
                way_out="bring the file back; a failed run is evidence, too",
            )


def _not_before(one: str, other: str) -> bool:
    """Tell whether an id is not older than another; within one tick of the clock chance decides."""
    return one[:_TIME_DIGITS] >= other[:_TIME_DIGITS]


def _differs(root: Path, path: str, recorded: str) -> str:
    place = root / path
    if behind_link(root, place):
        return "a receipt recorded it, and now it is, or lies behind, a symbolic link"
    try:
        now = sha256_file(place)
    except FileNotFoundError:
        return f"a receipt recorded it as {recorded[:12]}, and it is gone"
    except OSError as error:
        return f"a receipt recorded it as {recorded[:12]}: {error.strerror or error}"
    if now == recorded:
        return ""
    return f"its receipt recorded {recorded[:12]}, it is {now[:12]}"
