"""What only the whole history decides: commits that are named, paths that are absent, stamps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from planctl._git import Repository
from planctl._git_history import named_commits, touched_by
from planctl._text import listed
from planctl.models.claims.claim import Claim, CommitClaim, NumberClaim, PathClaim, StampClaim
from planctl.models.claims.judged import Answer, JudgedClaim
from planctl.models.claims.paths import PathIndex, resolve
from planctl.models.claims.times import SLACK, ahead, off, spelled_off
from planctl.ops.audit.scene import bases
from planctl.ops.audit.texts import Written
from planctl.ops.audit.trees import Ever
from planctl.ops.claims.answers import Found, is_order


@dataclass(frozen=True)
class Late:
    """A claim that only the end of the walk can decide.

    Attributes:
        at: Its place among the answers.
        position: Of the commit it was judged at, in the walk.
    """

    at: int
    claim: Claim
    written: Written
    position: int


class Ends:
    """Decides what waited for the end of the walk, with two questions to git for all of it.

    Args:
        repo: The repository.
        late: What waited.
        ever: Every path of the walk.
        commits: Ids of the walk, by position.
        shallow: The clone does not have all commits.
    """

    def __init__(
        self,
        repo: Repository,
        late: Sequence[Late],
        ever: Ever,
        commits: Sequence[str],
        shallow: bool,
    ) -> None:
        self._ever = ever
        self._commits = commits
        self._shallow = shallow
        named = [item.claim for item in late if isinstance(item.claim, CommitClaim)]
        self._known = named_commits(repo, (name for claim in named for name in _ids(claim)))
        said = (self._known.get(claim.first, "") for claim in named if claim.touched)
        self._touched = touched_by(repo, (commit for commit in said if commit))

    def found(self, late: Late, old: JudgedClaim) -> Found:
        """Decide one claim."""
        if isinstance(late.claim, CommitClaim):
            return self._commit(late.claim, late.written)
        assert isinstance(late.claim, PathClaim)
        return self._path(late.claim, late, old)

    def _path(self, claim: PathClaim, late: Late, old: JudgedClaim) -> Found:
        """Tell of an absent path whether a commit ever had it."""
        placed = resolve(claim, self._ever.index, bases(late.written, claim.line))
        paths = placed.paths or (placed.path,)
        entered = [at for path in paths for at in self._ever.entered.get(path, ())]
        if placed.kind not in ("exists", "deeper") or not entered:
            if old.found == "ignored":
                return Found(Answer.UNSUPPORTED, old.why, "ignored")
            return Found(Answer.UNSUPPORTED, f"{old.why}; no commit has it", "never")
        after = [at for at in entered if at > late.position]
        if after:
            why = f"{old.why}; commit {self._commits[min(after)][:8]} added it later"
            return Found(Answer.UNSUPPORTED, why, "later")
        had = self._commits[max(entered)][:8] if max(entered) >= 0 else "an earlier one"
        return Found(Answer.UNSUPPORTED, f"{old.why}; commit {had} had it, gone since", "gone")

    def _commit(self, claim: CommitClaim, written: Written) -> Found:
        missing = [name for name in _ids(claim) if name not in self._known]
        if missing:
            answer = Answer.NOT_CHECKABLE if self._shallow else Answer.UNSUPPORTED
            return Found(answer, f"this clone has no commit {' or '.join(missing)}")
        full = self._known[claim.first]
        if not claim.touched or is_order(claim.field):
            return Found(Answer.SUPPORTED, full[:12])
        changed = self._touched.get(full, ())
        index, folders = PathIndex(changed), bases(written, claim.line)
        found = {
            name: resolve(PathClaim(claim.line, name, name), index, folders)
            for name in claim.touched
        }
        absent = [name for name, placed in found.items() if placed.kind == "absent"]
        if absent:
            return Found(Answer.CONTRADICTED, f"{full[:12]} did not touch {listed(absent, 3)}")
        told = {path for placed in found.values() for path in (placed.paths or (placed.path,))}
        extra = [path for path in changed if not any(_within(path, top) for top in told)]
        if claim.only and extra:
            return Found(Answer.CONTRADICTED, f"{full[:12]} touched {listed(extra, 3)} too")
        return Found(Answer.SUPPORTED, f"{full[:12]} touched {listed(list(found), 3)}")


def _ids(claim: CommitClaim) -> tuple[str, ...]:
    return (claim.first, claim.last) if claim.last else (claim.first,)


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def stamp_found(claim: StampClaim, now: dt.datetime, came: tuple[dt.datetime, str] | None) -> Found:
    """Judge a date or time.

    Args:
        claim: The stamp.
        now: When the tree was as it is judged.
        came: When a commit first had the heading, and that commit's id.
    """
    if claim.when is None:
        if claim.text[:4].isdigit():
            return Found(Answer.CONTRADICTED, "there is no such time")
        return Found(Answer.NOT_CHECKABLE, "no year is told")
    reference = came[0] if came is not None and claim.where == "heading" else now
    if ahead(claim, reference):
        return Found(Answer.CONTRADICTED, f"in the future: {spelled_off(claim, reference)}")
    if claim.where != "heading":
        return Found(Answer.NOT_CHECKABLE, "what happened then is not told by git")
    if came is None:
        return Found(Answer.NOT_CHECKABLE, "no commit has this heading yet")
    committed, commit = came
    if off(claim, committed) > SLACK:
        return Found(Answer.CONTRADICTED, f"{spelled_off(claim, committed)}, {commit[:8]}")
    return Found(Answer.SUPPORTED, f"commit {commit[:8]} at {committed:%Y-%m-%dT%H:%M:%SZ}")


def is_stamp(claim: Claim) -> TypeGuard[StampClaim]:
    """Tell a stamp from other claims."""
    return isinstance(claim, StampClaim)


def is_name(claim: Claim) -> bool:
    """Tell a stamp inside a path: `audit` compares names with their commits."""
    return isinstance(claim, StampClaim) and claim.where == "name"


def distinct(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yield each claim once a line."""
    seen: set[tuple[int, str, str]] = set()
    for claim in claims:
        key = (claim.line, claim.kind, spelled(claim))
        if key not in seen:
            seen.add(key)
            yield claim


def spelled(claim: Claim) -> str:
    """Return a claim in few words."""
    if isinstance(claim, PathClaim):
        ranges = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in claim.lines)
        return f"{claim.path}:{ranges}" if ranges else claim.path
    if isinstance(claim, NumberClaim):
        return f"{claim.name}{claim.op}{claim.text}{claim.unit}" if claim.name else claim.text + "%"
    return claim.text
