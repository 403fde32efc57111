"""What a closing writes: additions to shared files, kept so that each can be done again."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from planctl import clock
from planctl.models.ledger.document import Attempt
from planctl.models.turn import turn as blocks
from planctl.models.turn.record import TurnRecord
from planctl.ops.ledger.items import attempt_edit
from planctl.ops.merge_rules import MERGE_RULES, with_lines
from planctl.workspace import Workspace

_TITLE = b"# Fix plan\n"


class Edit(BaseModel):
    """One shared file that a closing adds to.

    Attributes:
        kind: `prepend` puts `text` on top, `attempt` adds it to the focus's item of the ledger,
            `rules` adds the merge rules that are missing, `whole` is a file as it shall be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["prepend", "attempt", "rules", "whole"]
    path: str
    text: str = ""


class Closing(BaseModel):
    """Everything that the closing of a turn writes.

    Attributes:
        entries: Quoted path → mode and blob id of each file of the turn; empty takes it out.
        message: Of the commit; empty for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["planctl/closing/v1"] = Field("planctl/closing/v1", alias="schema")
    record: TurnRecord
    dirty: dict[str, str]
    edits: tuple[Edit, ...] = ()
    entries: dict[str, str] = Field(default_factory=dict)
    message: str = ""


def edited(workspace: Workspace, closing: Closing, edit: Edit, old: bytes | None) -> bytes:
    """Return what a file becomes; what has the edit already stays as it is."""
    content = old or b""
    if edit.kind == "prepend":
        known = edit.text.encode() in content
        return content if known else blocks.prepended(edit.text, content)
    if edit.kind == "whole":
        return edit.text.encode()
    if edit.kind == "rules":
        return with_lines(content, MERGE_RULES)
    text = (content or _TITLE).decode("utf-8", "surrogateescape")
    if closing.record.id in text:
        return content
    plan = workspace.load_plan(closing.record.focus)
    note = Attempt(when=clock.iso(closing.record.closed), text=edit.text)
    return attempt_edit(plan, note)(text).encode("utf-8", "surrogateescape")


def without(edit: Edit, content: bytes) -> bytes:
    """Return a file without what an edit added, whatever else was changed in it since."""
    if edit.kind == "prepend":
        block = edit.text.encode()
        return content.replace(block + b"\n", b"", 1) if block in content else content
    if edit.kind != "attempt":
        return content
    mark = edit.text.encode()
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if mark not in line)
