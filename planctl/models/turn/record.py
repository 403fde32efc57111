"""Turns as they are kept: the record of one that ended, and the state of the one that is open."""

from __future__ import annotations

import json
import os
import re
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote, unquote_to_bytes

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from planctl._text import printable
from planctl.errors import BadFileError
from planctl.models.paths import is_utf8
from planctl.models.receipt import GitId, Sha256, Ulid, UtcTime
from planctl.models.strict_json import strict_json

MAX_BYTES = 16_000_000
Outcome = Literal["closed", "abandoned", "crashed", "timed_out"]

_NAME = re.compile(r"(\d{5,9})_([0-7][0-9A-HJKMNP-TV-Z]{25})\.json")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")
_SAFE = "/ !#$&'()*+,-.:;=@[]^_{}~"


def role_name(text: str) -> str:
    """Return a role when it is one word: letters, digits, `.`, `_`, `-`.

    Raises:
        ValueError: It is not; it would not survive in a trailer.
    """
    if _ROLE.fullmatch(text) is None:
        raise ValueError(f"`{printable(text)}` is no role: one word of letters, digits, `.-_`")
    return text


Role = Annotated[str, AfterValidator(role_name)]
Number = Annotated[int, Field(ge=1, le=999_999_999)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Accepted(_Model):
    """A claim that nothing supports and that somebody let stand: who, and why.

    Attributes:
        found: What was found instead.
        by: Role and git identity of who accepted it.
    """

    claim: str
    found: str
    by: str
    why: str


class Struck(_Model):
    """A sentence that was left out because of what it claims."""

    sentence: str
    claim: str
    found: str


class Skipped(_Model):
    """A changed file that the turn did not commit, and why."""

    path: str
    why: str
    bytes: int | None = None


class TurnRecord(_Model):
    """One turn that ended.

    Attributes:
        number: Counts turns of the repository; two branches may give one number twice.
        base: The commit the turn started from; `commits` are those made since by anybody.
        brief: SHA-256 of the order it worked on (`input.md`), if there was one.
        by: Git identity of who closed it.
        receipts: Ids of the runs recorded in it.
        files: Kind of change → paths that differ from `base`, without those that were dirty before.
        artifacts: Repository-relative paths that its receipts recorded.
        claims: Answer → how many claims of the sentences got it.
        accepted: What was let stand without support; `refused` what was struck out.
        skipped: Changed files that were not committed.
        refused_orders: What was ordered in it and refused, one line each.
    """

    schema_: Literal["planctl/turn/v1"] = Field("planctl/turn/v1", alias="schema")
    id: Ulid
    number: Number
    role: Role
    focus: str
    phase: str | None = None
    base: GitId
    branch: str | None = None
    opened: UtcTime
    closed: UtcTime
    outcome: Outcome = "closed"
    brief: Sha256 | None = None
    prompt: str | None = None
    by: str = ""
    sentences: tuple[str, ...] = ()
    next: str = ""
    receipts: tuple[Ulid, ...] = ()
    files: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tests_run: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    claims: dict[str, int] = Field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    refused: tuple[Struck, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    commits: tuple[GitId, ...] = ()
    refused_orders: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The number as people see it: `00034`."""
        return shown_number(self.number)

    @property
    def name(self) -> str:
        """Name of its file: `<NNNNN>_<ULID>.json`."""
        return f"{self.shown}_{self.id}.json"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as the file has them."""
        return self.model_dump(mode="json", by_alias=True)


class OpenTurn(_Model):
    """The turn that is open in a work tree.

    Attributes:
        dirty: Path → mode and blob id of what was uncommitted when it opened (empty for a deleted
            file): not the turn's, never committed with it unless its author asks.
    """

    schema_: Literal["planctl/open-turn/v1"] = Field("planctl/open-turn/v1", alias="schema")
    id: Ulid
    number: Number
    role: Role
    focus: str
    phase: str | None = None
    base: GitId
    branch: str | None = None
    opened: UtcTime
    brief: Sha256 | None = None
    quoted: dict[str, str] = Field(default_factory=dict, alias="dirty")

    @property
    def shown(self) -> str:
        """The number as people see it: `00034`."""
        return shown_number(self.number)

    @property
    def dirty(self) -> dict[str, str]:
        """Path → mode and blob id of what was dirty before."""
        return {unquoted_path(name): entry for name, entry in self.quoted.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`; paths that are no UTF-8 are spelled out."""
        raw = self.model_dump(mode="json", by_alias=True)
        return raw | {"dirty": {printable(path): entry for path, entry in self.dirty.items()}}


_Kept = TypeVar("_Kept", TurnRecord, OpenTurn)


class RecordName(NamedTuple):
    """What the name of a record's file says; sorts as the turns came."""

    number: int
    id: str


def shown_number(number: int) -> str:
    """Spell a turn's number: `00034`."""
    return f"{number:05}"


def record_name(name: str) -> RecordName | None:
    """Read the name of a record's file; None when it is not one."""
    found = _NAME.fullmatch(name)
    return None if found is None else RecordName(int(found[1]), found[2])


def quoted_path(path: str) -> str:
    """Spell a path of the file system so that JSON can hold it, whatever its bytes."""
    return quote(os.fsencode(path), safe=_SAFE)


def unquoted_path(text: str) -> str:
    """Return the path that `quoted_path` spelled."""
    return os.fsdecode(unquote_to_bytes(text))


def plain_path(path: str) -> str:
    """Return a path as a record holds it: spelled out where it is no UTF-8."""
    return path if is_utf8(path) else printable(path)


def file_text(item: TurnRecord | OpenTurn) -> str:
    """Return what the file of a record, or of an open turn, holds."""
    raw = item.model_dump(mode="json", by_alias=True)
    return json.dumps(raw, indent=1, ensure_ascii=False) + "\n"


def parse_record(content: bytes, path: str) -> TurnRecord:
    """Read a record.

    Raises:
        BadFileError: It is not one; names the key.
    """
    record = _parsed(TurnRecord, content, path)
    if path.rpartition("/")[2] != record.name:
        raise BadFileError(path, f"is the record of turn `{record.shown}`, `{record.id}`")
    return record


def parse_open(content: bytes, path: str) -> OpenTurn:
    """Read the state of an open turn.

    Raises:
        BadFileError: It is not one; says what to do.
    """
    try:
        return _parsed(OpenTurn, content, path)
    except BadFileError as error:
        raise BadFileError(
            path,
            f"the open turn cannot be read: {error.message.removeprefix(f'{path}: ')}",
            hint="nothing is reset by itself: restore the file, or remove it and open a turn anew "
            "(what the turn changed is then dirty from before)",
        ) from error


def _parsed(kind: type[_Kept], content: bytes, path: str) -> _Kept:
    try:
        return kind.model_validate(strict_json(content))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or None
        raise BadFileError(path, first["msg"], key=key) from error
    except (ValueError, RecursionError) as error:
        raise BadFileError(path, f"is no JSON that planctl wrote: {error}") from error
