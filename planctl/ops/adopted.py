"""Adopted evidence in a verdict: as it was at adoption, or not; never fresh."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from planctl._git import Commit
from planctl.errors import BadFileError
from planctl.models.adoption import (
    MAX_BYTES,
    RECORD,
    TIER,
    AdoptedFile,
    AdoptionRecord,
    parse_record,
)
from planctl.models.verdict import ArtifactVerdict, Verdict
from planctl.workspace import ACTIVE

if TYPE_CHECKING:
    from planctl.ops.judge import Judge


@dataclass(frozen=True)
class AdoptedState:
    """What is known of an adopted file now.

    Attributes:
        verdict: `unproven` as it was, `modified`, or `missing`.
        tier: `adopted` if git had it before planctl saw it and it still is that; else None.
    """

    path: str
    verdict: Verdict
    text: str
    tier: str | None = None


def _readable(content: bytes | None, path: str) -> AdoptionRecord | None:
    try:
        return None if content is None else parse_record(content, path)
    except BadFileError:
        return None  # it was never a record: nothing can have relied on it


class Adopted:
    """The adopted evidence of a plan.

    Args:
        judge: Who answers what lies where.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._path = f"{ACTIVE}/{judge.plan.id}/{RECORD}"

    @cached_property
    def _committed(self) -> list[tuple[str, AdoptionRecord]]:
        """Commit and text of every record that git ever had here, oldest first."""
        repo = self._judge.workspace.repo
        first = repo.first_added([self._path]).get(self._path)
        if first is None:
            return []
        versions = [first, *reversed(first.later)]
        blobs = repo.blobs(version.blob for version in versions)
        found = ((v.commit.id[:8], _readable(blobs.get(v.blob), self._path)) for v in versions)
        return [(commit, record) for commit, record in found if record is not None]

    @cached_property
    def _record(self) -> AdoptionRecord | None:
        """The record; the last one that git had when the file is gone.

        Raises:
            BadFileError: It cannot be read.
        """
        content = self._judge.read(self._path)
        if content is not None:
            return parse_record(content[: MAX_BYTES + 1], self._path)
        return self._committed[-1][1] if self._committed else None

    @cached_property
    def files(self) -> dict[str, AdoptedFile]:
        """The files of the record, by path; empty without one.

        Raises:
            BadFileError: The record cannot be read.
        """
        if self._record is None or not self._judge.plan.adopted:
            return {}
        return {item.path: item for item in self._record.files}

    @cached_property
    def _first_said(self) -> dict[str, tuple[str, str]]:
        """Path → what the first record that has it said (SHA-256), and that record's commit."""
        said: dict[str, tuple[str, str]] = {}
        for commit, record in self._committed:
            for item in record.files:
                said.setdefault(item.path, (item.sha256, commit))
        return said

    @cached_property
    def _at_adoption(self) -> dict[str, str] | None:
        """Path → blob id in the commit that adoption looked at; None if this clone lacks it."""
        repo = self._judge.workspace.repo
        head = "" if self._record is None else self._record.head
        if not head or repo.resolve(head) is None:
            return None
        return {path: entry.blob for path, entry in repo.tree(head).items()}

    @cached_property
    def _unchanged(self) -> dict[str, str]:
        """Path → blob id of what git finds unchanged, without a look into the files."""
        folders = self._judge.plan.adopted
        # Asked once for the folder around all of them, however many they are.
        around = posixpath.commonpath(folders)
        found: dict[str, str] = {}
        for folder in (around,) if around else folders:
            found |= self._judge.blobs_below(folder)
        return found

    @cached_property
    def changes(self) -> dict[str, Commit]:
        """The newest commit of everything that steps name, from one walk over history."""
        steps = [step for _, step in self._judge.plan.steps()]
        names = [n for step in steps for n in (step.log, *(i.to.rstrip("/") for i in step.collect))]
        places = {path for name in names if (path := self.place_of(name)) is not None}
        return self._judge.workspace.repo.last_changes_below(sorted(places))

    def place_of(self, name: str) -> str | None:
        """Return where an artifact of the plan lies among the adopted: the newest folder first."""
        for folder in self._judge.plan.adopted:
            path = f"{folder.rstrip('/')}/{name}"
            if path in self.files or self._judge.exists(path):
                return path
        return None

    def state(self, path: str) -> AdoptedState:
        """Compare a file with what was adopted."""
        known = self.files.get(path)
        if known is None:
            text = "it lies in an adopted folder, but was not there at the adoption"
            return AdoptedState(path, Verdict.UNPROVEN, text)
        if known.blob is not None and self._unchanged.get(path) == known.blob:
            now: str | None = known.sha256
        else:
            now = self._judge.sha256(path)
        if now is None:
            return AdoptedState(path, Verdict.MISSING, "was adopted and is gone")
        if now != known.sha256:
            text = f"content is not what was adopted: {known.sha256[:12]}, is {now[:12]}"
            return AdoptedState(path, Verdict.MODIFIED, text)
        first, commit = self._first_said.get(path, (now, ""))
        if first != now:
            text = f"content is not what was adopted first: {first[:12]} in {commit}, is {now[:12]}"
            return AdoptedState(path, Verdict.MODIFIED, text)
        if not known.in_git:
            text = "as it was at the adoption, when git did not have it"
            return AdoptedState(path, Verdict.UNPROVEN, text)
        if self._at_adoption is not None and self._at_adoption.get(path) != known.blob:
            text = "its record says that git had it, and the commit of the adoption does not"
            return AdoptedState(path, Verdict.MODIFIED, text)
        return AdoptedState(path, Verdict.UNPROVEN, "adopted, as it was in git", TIER)

    def undeclared(self, declared: Sequence[str]) -> Iterator[ArtifactVerdict]:
        """Yield the adopted files that no step names; what changed comes first."""
        named = {self.place_of(name) for name in declared}
        states = [self.state(path) for path in sorted(self.files) if path not in named]
        states.sort(key=lambda item: item.verdict is Verdict.UNPROVEN)
        for item in states:
            yield ArtifactVerdict(item.path, item.verdict, item.text)
