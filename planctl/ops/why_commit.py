"""Why, asked about a commit: which steps lost or regained their proof with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from planctl._git import Commit
from planctl._git_history import subjects
from planctl.clock import iso
from planctl.errors import BadFileError, NotFoundError
from planctl.models.verdict import Verdict
from planctl.ops.past.at import Past, known_commit, past_of
from planctl.ops.verify import verify
from planctl.ops.why import Why, why
from planctl.workspace import Workspace

ABSENT = "absent"


@dataclass(frozen=True)
class Effect:
    """What a commit did to the proof of one step.

    Attributes:
        before: The verdict at its first parent; `after` at the commit; `absent` without the step.
        reasons: Why it is what it is after it.
    """

    initiative: str
    phase: str
    step: str
    rows: tuple[str, ...]
    before: str
    after: str
    reasons: tuple[str, ...]

    @property
    def lost(self) -> bool:
        """The commit took the proof away."""
        return _accepted(self.before) and not _accepted(self.after)


@dataclass(frozen=True)
class WhyCommit:
    """What a commit did.

    Attributes:
        effects: The steps whose verdict it changed.
    """

    target: str
    commit: str
    authored: str
    committed: str
    subject: str
    parent: str | None
    effects: tuple[Effect, ...]
    kind: str = "commit"

    @property
    def ok(self) -> bool:
        """It took no proof away."""
        return not any(effect.lost for effect in self.effects)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self) | {"ok": self.ok}
        for plain, effect in zip(raw["effects"], self.effects, strict=True):
            plain["lost"] = effect.lost
        return raw


def why_any(
    workspace: Workspace, target: str, initiative: str | None = None
) -> tuple[Why, ...] | tuple[WhyCommit]:
    """Explain whatever a target names; what no plan knows may be a commit.

    Args:
        workspace: The repository.
        target: As of `why`, or a commit as git takes it.
        initiative: Only look there; None looks through all.

    Raises:
        NotFoundError: Nothing of that name.
    """
    try:
        return why(workspace, target, initiative)
    except NotFoundError:
        if workspace.repo.resolve(target) is None:
            raise
        return (why_commit(workspace, target, initiative),)


def _accepted(verdict: str) -> bool:
    return verdict in (Verdict.FRESH, Verdict.WAIVED)


def why_commit(workspace: Workspace, revision: str, initiative: str | None = None) -> WhyCommit:
    """Compare what was proven at a commit with what was proven at its first parent.

    Args:
        workspace: The repository.
        revision: The commit.
        initiative: Only this one; None for all.

    Raises:
        NotFoundError: This clone has no such commit.
    """
    commit = known_commit(workspace, revision)
    parent = workspace.repo.resolve(f"{commit.id}^1")
    after = _verdicts(workspace, commit, initiative)
    before: dict[tuple[str, str], Effect] = {}
    if parent is not None:
        before = _verdicts(workspace, known_commit(workspace, parent), initiative)
    effects = []
    for key in dict.fromkeys([*after, *before]):
        one, other = before.get(key), after.get(key)
        was, now = one.after if one else ABSENT, other.after if other else ABSENT
        told = other or one
        if was != now and told is not None:
            reasons = other.reasons if other else ()
            effects.append(
                Effect(told.initiative, told.phase, told.step, told.rows, was, now, reasons)
            )
    return WhyCommit(
        target=revision,
        commit=commit.id,
        authored=iso(commit.authored),
        committed=iso(commit.committed),
        subject=subjects(workspace.repo, [commit.id]).get(commit.id, ""),
        parent=parent,
        effects=tuple(effects),
    )


def _verdicts(
    workspace: Workspace, commit: Commit, initiative: str | None
) -> dict[tuple[str, str], Effect]:
    found: dict[tuple[str, str], Effect] = {}
    with past_of(workspace, commit) as past:
        for name in past.workspace.initiatives():
            if initiative in (None, name):
                found |= _of_one(past, name)
    return found


def _of_one(past: Past, name: str) -> dict[tuple[str, str], Effect]:
    try:
        plan = past.plan(name)
        report = verify(past.workspace, plan, judge=past.judge(plan))
    except BadFileError:
        return {}  # what could not be used then proved nothing: its steps are absent
    return {
        (name, step.step): Effect(
            name, step.phase, step.step, step.rows, ABSENT, str(step.verdict), step.reasons
        )
        for step in report.steps
    }
