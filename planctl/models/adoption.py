"""Adoption: what was there before planctl, and what could not be told of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planctl.errors import BadFileError
from planctl.models.receipt import ContainedPath, GitId, Sha256
from planctl.models.strict_json import strict_json

RECORD = "adopted.json"
MAX_BYTES = 64_000_000
TIER = "adopted"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AdoptedFile(_Model):
    """A file as it was at adoption.

    Attributes:
        path: Repository-relative.
        blob: Its git blob id, or None when git did not have it as it was.
        first: Commit that added it to history; `last` the newest that changed it.
    """

    path: ContainedPath
    sha256: Sha256
    size: int
    blob: GitId | None = None
    first: GitId | None = None
    last: GitId | None = None

    @property
    def in_git(self) -> bool:
        """Git had exactly this content before planctl saw it."""
        return self.blob is not None


class AdoptionRecord(_Model):
    """`adopted.json`: every file of the adopted folders, as it was.

    Attributes:
        head: The commit that adoption looked at.
        folders: What was adopted, newest evidence first.
    """

    schema_: Literal["planctl/adopted/v1"] = Field("planctl/adopted/v1", alias="schema")
    initiative: str
    head: GitId
    folders: tuple[ContainedPath, ...]
    files: tuple[AdoptedFile, ...]

    def text(self) -> str:
        """Return the record as it is written: one line a file, so that diffs can be read."""
        head = {"schema": self.schema_, "initiative": self.initiative, "head": self.head}
        rows = [json.dumps(item.model_dump(), ensure_ascii=True) for item in self.files]
        start = json.dumps({**head, "folders": list(self.folders)}, ensure_ascii=True)
        return start[:-1] + ', "files": [\n' + ",\n".join(rows) + "\n]}\n"


def parse_record(text: bytes, path: str) -> AdoptionRecord:
    """Read an `adopted.json`.

    Raises:
        BadFileError: Not JSON, or not such a record; names the key.
    """
    try:
        return AdoptionRecord.model_validate(strict_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadFileError(path, first["msg"], key=key) from error
    except (ValueError, RecursionError) as error:
        raise BadFileError(path, f"is not JSON: {error}") from error


class GapKind(StrEnum):
    """What is missing, or does not fit, in what was found."""

    ROW = "row without evidence"
    COMMAND = "log without a command"
    FAILED = "log of a failure"
    UNCITED = "artifact nobody cites"
    GONE = "cited and not there"
    STAMP = "name against git"
    IDENTICAL = "identical contents"
    OUTSIDE = "outside git"
    CHANGED = "changed and not committed"
    NAME = "name no plan can hold"
    VARIABLE = "variable without a value"
    AMBIGUOUS = "several commands"


@dataclass(frozen=True)
class Gap:
    """One gap.

    Attributes:
        where: A path, `path:line` or a row.
    """

    kind: GapKind
    where: str
    text: str


@dataclass(frozen=True)
class Source:
    """Where something was read: a repository-relative path and a line."""

    path: str
    line: int
    how: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} ({self.how})"


@dataclass(frozen=True)
class ProposedStep:
    """A step that a plan could have.

    Attributes:
        log: Relative to its adopted folder; `path` is the same relative to the repository.
        run: The command, without what wrote its output down.
        source: Where the command was read.
        others: Further places with another command for the same log.
        versions: Older logs of the same name (`_v2`, `_rerun`), and those of older folders.
        inputs: Tracked files and folders that the command names.
    """

    phase: str
    id: str
    log: str
    path: str
    run: str
    source: Source
    kind: Literal["command", "pytest"] = "command"
    rows: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    others: tuple[Source, ...] = ()
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What adoption proposes for one initiative.

    Attributes:
        found_in: The folder that was looked at.
        folders: Folders of evidence, newest first.
        plan_path: Where the plan goes; `plan` is its text, or None when no step is known.
        record: Text of `adopted.json`.
        phases: Name → title.
    """

    initiative: str
    title: str
    found_in: str
    folders: tuple[str, ...]
    working_plan: str | None
    phases: dict[str, str]
    steps: tuple[ProposedStep, ...]
    gaps: tuple[Gap, ...]
    files: int
    plan_path: str
    plan: str | None = None
    record: str = ""


@dataclass(frozen=True)
class Adoption:
    """What `adopt` did.

    Attributes:
        written: Files that were not there before, repository-relative.
        known: The initiative had been adopted before; `changes` is what moved since.
    """

    proposal: Proposal
    written: tuple[str, ...] = ()
    known: bool = False
    changes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self)
        proposal = raw.pop("proposal")
        proposal.pop("record")
        return {**proposal, **raw}
