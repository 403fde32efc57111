"""Annotations: findings as CI services show them, beside a file and a line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Rule:
    """A kind of finding.

    Attributes:
        id: Stable identifier: `stale`, `PL001`.
        name: A short name in words.
        text: What it means, one or two sentences.
        help: The way out, and where to read more; plain text.
        level: What findings of the kind weigh by default.
    """

    id: str
    name: str
    text: str
    help: str = ""
    level: Level = Level.ERROR


@dataclass(frozen=True)
class Place:
    """A file that has to do with a finding, and how."""

    path: str
    text: str = ""


@dataclass(frozen=True)
class Annotation:
    """One finding at one place.

    Attributes:
        path: Repository-relative path; any file name there can be.
        line: 1-based line, or None for the file as a whole.
        rule: Id of its `Rule`.
        message: What is the case, with the values that matter.
        help: The way out, one line, or empty.
        subject: What the finding is about (`X-001 A/train`); with rule and path it identifies the
            finding, while messages name commits and digests that change.
        related: Further files, such as the inputs that changed.
    """

    path: str
    line: int | None
    level: Level
    rule: str
    message: str
    help: str = ""
    subject: str = ""
    related: tuple[Place, ...] = ()

    def fingerprint(self) -> str:
        """Return what stays the same for one finding from commit to commit (hex)."""
        parts = (self.rule, self.path, self.subject or self.message)
        joined = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hashlib.sha256(joined).hexdigest()[:32]
