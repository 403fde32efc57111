"""Records about a focus: a wait for something outside, its end, and a lock that a person lifted.

One immutable file a record, `plans/active/<ID>/waits/<stamp>_<kind>_<ULID>.json`: two branches
that each add one merge without conflict.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from planctl import clock
from planctl.errors import BadFileError
from planctl.models.plan.plan import Name, canonical_json
from planctl.models.receipt import Fingerprint, GitId, Ulid, UtcTime
from planctl.models.strict_json import strict_json

_LONGEST = 2000


def _sentence(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST:
        raise ValueError(f"is one line of 1 to {_LONGEST:,} printable characters")
    return text


Sentence = Annotated[str, AfterValidator(_sentence)]
Role = Sentence


class _Record(BaseModel):
    """What every record holds.

    Attributes:
        id: ULID by planctl's clock.
        after: Number of the newest turn of the repository then, an open one included; 0 without.
            It says which turns came later, whatever any clock says.
        role: What the caller said (`PLANCTL_ROLE`); with a key, a principal of the key.
        key: Fingerprint of the key that signed, or None.
        signature: Over the record without this field, in base64.
        commit: HEAD when it was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["planctl/focus/v1"] = Field("planctl/focus/v1", alias="schema")
    id: Ulid
    initiative: Name
    made: UtcTime
    after: Annotated[int, Field(ge=0)]
    role: Role
    commit: GitId | None = None
    key: Fingerprint | None = None
    signature: str | None = None

    def payload(self) -> bytes:
        """Return the bytes that a signature is over."""
        raw = self.model_dump(mode="json", by_alias=True, exclude={"signature"})
        return canonical_json(raw)


class Wait(_Record):
    """The focus waits for something outside.

    Attributes:
        what: What it waits for.
        until: The day on which somebody looks again.
        check: A command that succeeds once it is there, or None.
    """

    kind: Literal["wait"] = "wait"
    what: Sentence
    until: dt.date
    check: str | None = None


class Over(_Record):
    """A wait is over.

    Attributes:
        waits: Ids of the waits that it ends.
        because: What was said; None when the wait's own check succeeded.
    """

    kind: Literal["over"] = "over"
    waits: tuple[Ulid, ...]
    because: Sentence | None = None


class Unlock(_Record):
    """Somebody lets work on a focus go on although nothing had moved.

    Attributes:
        dwell: What it was then; it counts turns that come later.
    """

    kind: Literal["unlock"] = "unlock"
    dwell: int
    because: Sentence


FocusRecord = Wait | Over | Unlock
_ANY: TypeAdapter[FocusRecord] = TypeAdapter(Annotated[FocusRecord, Field(discriminator="kind")])


def file_name(record: FocusRecord) -> str:
    """Return `<stamp>_<kind>_<ULID>.json`."""
    return f"{clock.stamp(record.made)}_{record.kind}_{record.id}.json"


def record_text(record: FocusRecord) -> str:
    """Spell a record as it is written."""
    raw = record.model_dump(mode="json", by_alias=True)
    return json.dumps(raw, indent=2, ensure_ascii=False) + "\n"


def parse_record(content: bytes, path: str) -> FocusRecord:
    """Read a record.

    Args:
        content: The file's bytes.
        path: Its repository-relative path; its name must carry the record's id.

    Raises:
        BadFileError: Not a record, or under another record's name.
    """
    try:
        found = _ANY.validate_python(_lax(strict_json(content)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][1:]) or None
        raise BadFileError(path, _told(first), key=key, hint=_WAY) from error
    except (ValueError, RecursionError) as error:
        raise BadFileError(path, f"is no record: {error}", hint=_WAY) from error
    if path.rpartition("/")[2] != file_name(found):
        raise BadFileError(path, f"its name does not fit: it is `{file_name(found)}`", hint=_WAY)
    return found


_WAY = "records are written once, by planctl; `git checkout` brings the original back"


def _lax(raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise ValueError("no object")
    return raw


def _told(error: Any) -> str:
    text: str = error["msg"]
    return text.removeprefix("Value error, ")


def open_waits(records: tuple[FocusRecord, ...]) -> tuple[Wait, ...]:
    """Return the waits that no record has ended, oldest first."""
    ended = {name for item in records if isinstance(item, Over) for name in item.waits}
    return tuple(item for item in records if isinstance(item, Wait) and item.id not in ended)


def waited(records: tuple[FocusRecord, ...], number: int) -> bool:
    """Tell whether a turn opened while the focus was waiting.

    Args:
        records: Of the focus.
        number: The turn's.
    """
    ends: dict[str, int] = {}
    for item in records:
        for name in item.waits if isinstance(item, Over) else ():
            ends[name] = min(item.after, ends.get(name, item.after))
    waits = (item for item in records if isinstance(item, Wait))
    return any(item.after < number <= ends.get(item.id, number) for item in waits)
