"""Exports: evidence copied out of the repository for those who do not have it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ExportKind(StrEnum):
    """What an export is written for."""

    BUNDLE = "bundle"
    IN_TOTO = "in-toto"
    RO_CRATE = "ro-crate"


class FileKind(StrEnum):
    """What a file of an export is."""

    PLAN = "plan"
    WORKING_PLAN = "working plan"
    RECEIPT = "receipt"
    REPLAY = "replay"
    RECORD = "adoption record"
    ARTIFACT = "artifact"
    ADOPTED = "adopted file"
    LICENCE = "licence"
    SIGNERS = "allowed signers"
    INDEX = "index"


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export.

    Attributes:
        path: Relative to the exported folder.
        sha256: Of the bytes that were exported.
        recorded: What a receipt recorded of it, or None when no receipt does.
    """

    path: str
    kind: FileKind
    sha256: str
    recorded: str | None = None


@dataclass(frozen=True)
class Trouble:
    """Evidence that is not as it was recorded.

    Attributes:
        path: Repository-relative path.
        what: `modified`, `missing`, `not intact`, `unreadable`.
        text: In words.
    """

    path: str
    what: str
    text: str


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: As it was given.
        head: The commit that was exported.
        unsigned: How many of the receipts carry no signature.
    """

    folder: str
    kind: ExportKind
    head: str
    initiatives: tuple[str, ...]
    files: tuple[ExportedFile, ...]
    troubles: tuple[Trouble, ...]
    receipts: int
    unsigned: int

    @property
    def ok(self) -> bool:
        """Everything is there as it was recorded."""
        return not self.troubles

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"ok": self.ok, **asdict(self)}
