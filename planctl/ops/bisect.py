"""Bisect: the commit where a step lost its proof, from recorded ids alone; nothing is run again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from planctl._git import Commit, Entry
from planctl._git_history import HistoryCommit, shallow_commits, subjects, walk
from planctl.clock import iso
from planctl.errors import BadFileError, PreconditionError
from planctl.models.trail import Moved, Trail, Turn
from planctl.models.verdict import Compared, StepVerdict, Verdict
from planctl.ops.causes import causes
from planctl.ops.first_parents import Line, commit_of, line_of, receipts_in, require_on
from planctl.ops.judge import Judge
from planctl.ops.past.at import Past, known_commit
from planctl.ops.past.line import ABSENT, Track
from planctl.ops.past.line_judge import LineGates
from planctl.ops.past.target import steps_meant
from planctl.ops.past.tree import CommitTree, temporary_blobs
from planctl.ops.verify import verify
from planctl.workspace import Workspace

_ACCEPTED = {str(item) for item in Verdict if item.accepted}


@dataclass(frozen=True)
class Bisection:
    """Where steps lost their proofs.

    Attributes:
        target: As given.
        good: Full id of the commit it starts from; None for the beginning of history.
        bad: Full id of the commit it ends with.
        commits: How many commits the line has.
        judged: At how many of them something had moved that a verdict rests on.
        trails: One a step.
        notes: What a reader should know besides.
    """

    target: str
    good: str | None
    bad: str
    commits: int
    judged: int
    trails: tuple[Trail, ...]
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """A step is not proven, and the commit that lost its proof is known."""
        return any(trail.lost is not None for trail in self.trails)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {**vars(self), "found": self.found} | {
            "trails": [trail.as_dict() for trail in self.trails]
        }


def bisect(
    workspace: Workspace,
    target: str,
    initiative: str | None = None,
    good: str | None = None,
    bad: str | None = None,
) -> Bisection:
    """Find where the steps that a row, a step id or a path means lost their proofs.

    Verdicts come and go, so nothing is halved: the line of first parents is walked once, and a
    commit is judged only when plan, evidence, inputs or gate moved in it. The verdicts are those
    of `at`.

    Args:
        workspace: The repository.
        target: `A2`, `train`, or a path of an artifact or an input.
        initiative: Only look there; None looks through all.
        good: Where to start; the steps are proven there. None for the beginning of history.
        bad: Where to end; None for HEAD.

    Raises:
        NotFoundError: No such commit, or nothing of that name at any of them.
        PreconditionError: `good` is not on the line, or a step is not proven there.
    """
    end = known_commit(workspace, bad or "HEAD")
    start = None if good is None else known_commit(workspace, good)
    line = line_of(list(walk(workspace.repo, end.id)), end.id)
    require_on(line, start, end)
    with temporary_blobs(workspace.repo) as (blobs, folder):
        asked = steps_meant(workspace, line.commits, blobs, target, initiative)
        past = Past(workspace, commit_of(line.commits[0]), CommitTree({}, blobs), folder)
        walkers = _Walk(line, past, asked, LineGates(workspace.repo.at(end.id)), start)
        walkers.all()
    trails = _told(workspace, walkers.trails())
    return Bisection(
        target=target,
        good=None if start is None else start.id,
        bad=end.id,
        commits=len(line.commits),
        judged=max((track.judged for track in walkers.tracks.values()), default=0),
        trails=trails,
        notes=(*_cut(workspace, line), *_now(workspace, end, trails)),
    )


@dataclass
class _Walk:
    """One walk along the line."""

    line: Line
    past: Past
    asked: dict[str, tuple[str, ...]]
    gates: LineGates
    start: Commit | None
    tracks: dict[str, Track] = field(init=False)
    turns: dict[tuple[str, str], list[Turn]] = field(init=False)

    def __post_init__(self) -> None:
        self.tracks = {
            name: Track(self.past, name, steps, self.gates) for name, steps in self.asked.items()
        }
        self.turns = {(name, step): [] for name, steps in self.asked.items() for step in steps}

    def all(self) -> None:
        """Go from the first commit to the last."""
        begun = self.start is None
        for item in self.line.commits:
            before = {name: dict(track.verdicts) for name, track in self.tracks.items()}
            changes = {
                c.path: None if c.new is None else Entry(c.mode, c.new) for c in item.changes
            }
            self.past.move(commit_of(item), changes)
            added = receipts_in(self.line.brought[item.id])
            for name, track in self.tracks.items():
                if track.move(changes, added) and begun:
                    self._compare(name, track, before[name], item, set(changes))
            if self.start is not None and item.id == self.start.id:
                begun = True
                self._require_proven()

    def _require_proven(self) -> None:
        for name, track in self.tracks.items():
            for step, verdict in track.verdicts.items():
                if verdict not in _ACCEPTED:
                    raise PreconditionError(
                        f"`{step}` of `{name}` is {verdict} at `{self.past.commit.id[:8]}`",
                        "choose a commit where it is proven, or leave `--good` out",
                    )

    def _compare(
        self, name: str, track: Track, before: dict[str, str], item: HistoryCommit, paths: set[str]
    ) -> None:
        for step, after in track.verdicts.items():
            if after != before[step]:
                turns = self.turns[name, step]
                kind = _kind(before[step], after, self.start is not None, turns)
                turn = _turn(item, kind, before[step], after)
                turns.append(self._explained(turn, track, step, item, paths))

    def _explained(
        self, turn: Turn, track: Track, step_id: str, item: HistoryCommit, paths: set[str]
    ) -> Turn:
        found = track.explain(step_id)
        if found is None or found[1].verdict.accepted:
            return turn
        judge, verdict = found
        _, step = judge.plan.step(step_id)
        why = causes(judge, step, verdict.predicates, verdict.receipt)
        turn = replace(turn, reasons=verdict.reasons)
        if not why or why[0].predicate is None:
            return turn
        first, predicate = why[0], why[0].predicate
        brought = self.line.brought[item.id]
        moved = tuple(
            _moved(one, _place(judge, first.receipt, predicate.name, one.name), brought, paths)
            for one in predicate.ids
        )
        return replace(turn, chain=first.chain, predicate=predicate.name, moved=moved)

    def trails(self) -> list[Trail]:
        """Return what was seen of each step."""
        return [
            _trail(name, step, self.tracks[name], turns)
            for (name, step), turns in self.turns.items()
        ]


def _trail(initiative: str, step_id: str, track: Track, turns: list[Turn]) -> Trail:
    verdict = track.verdicts[step_id]
    known = {} if track.plan is None else {s.id: (phase, s) for phase, s in track.plan.steps()}
    phase, step = known.get(step_id, (None, None))
    rows = () if step is None else step.rows
    return Trail(initiative, phase, step_id, rows, verdict, verdict in _ACCEPTED, tuple(turns))


def _kind(before: str, after: str, was_proven: bool, turns: list[Turn]) -> str:
    if before in _ACCEPTED and after not in _ACCEPTED:
        return "lost"
    if after not in _ACCEPTED or before in _ACCEPTED:
        return "changed"
    again = was_proven or any(turn.kind == "lost" for turn in turns)
    return "regained" if again else "proven"


def _turn(item: HistoryCommit, kind: str, before: str, after: str) -> Turn:
    when = iso(item.committed)
    merge = len(item.parents) > 1
    said = (after,) if after not in set(Verdict) and after != ABSENT else ()
    return Turn(item.id, when, when, "", kind, before, after, said, merge=merge)


def _place(judge: Judge, receipt: str | None, predicate: str, name: str) -> str:
    """Return the repository path that stands behind a name of a predicate."""
    if predicate == "contract":
        return (
            f"{judge.workspace.relative(judge.workspace.initiative_dir(judge.plan.id))}/plan.yaml"
        )
    if predicate in ("present", "intact") and receipt is not None:
        return f"{receipt.rpartition('/receipts/')[0]}/{name}"
    return name


def _moved(one: Compared, place: str, brought: list[HistoryCommit], paths: set[str]) -> Moved:
    """Name the commit that moved a path: of a merge, the last one inside that touched it."""
    touched = [
        item.id
        for item in brought
        if len(item.parents) < 2 and any(change.path == place for change in item.changes)
    ]
    commit = touched[-1] if touched else (brought[-1].id if place in paths else None)
    return Moved(one.name, one.recorded, one.now, commit)


def _told(workspace: Workspace, trails: list[Trail]) -> tuple[Trail, ...]:
    """Fill in what is only asked for commits that are told of: subjects, authors' times."""
    ids = {turn.commit for trail in trails for turn in trail.turns}
    ids |= {m.commit for trail in trails for turn in trail.turns for m in turn.moved if m.commit}
    names, known = subjects(workspace.repo, ids), workspace.repo.commits(ids)

    def told(turn: Turn) -> Turn:
        moved = tuple(replace(m, subject=names.get(m.commit or "", "")) for m in turn.moved)
        authored = iso(known[turn.commit].authored)
        return replace(turn, subject=names[turn.commit], authored=authored, moved=moved)

    return tuple(replace(trail, turns=tuple(map(told, trail.turns))) for trail in trails)


def _cut(workspace: Workspace, line: Line) -> Iterable[str]:
    if line.commits[0].id in shallow_commits(workspace.repo):
        yield (
            f"the clone is shallow: nothing is known before `{line.commits[0].id[:8]}` "
            "(`git fetch --unshallow` brings it)"
        )


def _now(workspace: Workspace, end: Commit, trails: tuple[Trail, ...]) -> Iterable[str]:
    """Say where the work tree differs from the end of the line."""
    if end.id != workspace.repo.head:
        return
    for name in sorted({trail.initiative for trail in trails} & set(workspace.initiatives())):
        try:
            seen = {s.step: s for s in verify(workspace, workspace.load_plan(name)).steps}
        except BadFileError as error:
            yield f"in the work tree nothing of `{name}` can be judged: {error.message}"
            continue
        for trail in trails:
            now: StepVerdict | None = seen.get(trail.step)
            if trail.initiative != name or now is None or now.verdict.accepted == trail.proven:
                continue
            yield (
                f"in the work tree `{trail.step}` of `{name}` is {now.verdict}: what is not "
                "committed makes the difference"
            )
