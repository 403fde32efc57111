"""Turns for tests: real commits with real records, without an agent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from ulid import ULID

from planctl.models.turn.record import TurnRecord, file_text
from planctl.workspace import Workspace
from tests.planctl.conftest import Repo

FOCUS = "X-001"


@dataclass
class Story:
    """Turns on one repository, each closed with one commit."""

    repo: Repo
    focus: str = FOCUS
    number: int = 0
    now: dt.datetime = dt.datetime(2026, 11, 14, 2, 48, 0, tzinfo=dt.UTC)
    paths: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(self.repo.root, lambda: self.now)

    def turn(
        self,
        written: Mapping[str, str | None] | None = None,
        role: str = "engineer",
        focus: str | None = None,
        commit: bool = True,
        mid: int = 0,
        **more: object,
    ) -> TurnRecord:
        """Make a turn that writes some files (None deletes) and whatever else lies about.

        Args:
            written: Path → content.
            role: Who.
            focus: Another than the story's.
            commit: False leaves the record uncommitted.
            mid: Commits that the agent makes by itself before the turn is closed.
            more: Fields of the record.
        """
        base = str(more.pop("base", self.repo.git("rev-parse", "HEAD")))
        for path, content in (written or {}).items():
            if content is None:
                (self.repo.root / path).unlink()
            else:
                self.repo.write(path, content)
        for count in range(mid):
            self.repo.commit(f"agent {count}")
        self.number += 1
        opened, self.now = self.now, self.now + dt.timedelta(minutes=7)
        raw: dict[str, object] = {
            "id": str(ULID.from_datetime(opened)),
            "number": self.number,
            "role": role,
            "focus": focus or self.focus,
            "base": base,
            "opened": opened,
            "closed": self.now,
        }
        record = TurnRecord.model_validate(raw | more)
        path = f"plans/active/{record.focus}/turns/{record.name}"
        self.repo.write(path, file_text(record))
        self.paths.append(path)
        if commit:
            self.repo.commit(f"{role} turn {self.number}")
        self.now += dt.timedelta(minutes=3)
        return record
