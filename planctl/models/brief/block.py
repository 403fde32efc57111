"""The block at the end of a brief that planctl wrote: what it was written for, and its pointers.

A comment, so that no reader sees it. Its digest is that of the text before it: who edits the text
by hand is seen, and is free to do so.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from planctl.models.anchor import Anchor
from planctl.models.brief.brief import SCHEMA

_BLOCK = re.compile(r"\n*<!-- planctl:brief (\{[^\n]*\}) -->\s*$")


class _Pointer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    line: int
    last: int
    text: str
    digest: str
    around: tuple[str, ...] = ()


class BriefBlock(BaseModel):
    """What planctl writes down of a brief that it wrote.

    Attributes:
        head: The commit it was written on; empty before the first.
        by: The role that had it written.
        because: Why a person wants again what is proven; empty when nobody does.
        sha256: Of the text before the block.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal["planctl/brief/v1"] = SCHEMA  # type: ignore[assignment]
    id: str
    phase: str = ""
    form: Literal["long", "short"] = "long"
    head: str = ""
    written: str = ""
    by: str = ""
    because: str = ""
    pointers: tuple[_Pointer, ...] = ()
    sha256: str = ""

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Its pointers, as anchors."""
        return tuple(Anchor(**item.model_dump()) for item in self.pointers)


def with_block(text: str, block: BriefBlock, keep_digest: bool = False) -> str:
    """Return a brief with its block at the end, the digest filled in.

    Args:
        keep_digest: The text was edited by hand, and stays known as edited.
    """
    body = text.rstrip("\n") + "\n"
    digest = block.sha256 if keep_digest else digest_of(body)
    filled = block.model_copy(update={"sha256": digest})
    raw = filled.model_dump(mode="json")
    raw = {"schema": raw.pop("schema_"), **raw}
    # Nothing in a comment may end it.
    told = json.dumps(raw, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
    told = told.replace("--", "-\\u002d")
    return f"{body}\n<!-- planctl:brief {told} -->\n"


def parted(text: str) -> tuple[str, BriefBlock | None]:
    """Part a brief from its block.

    Returns:
        The text, and the block; None where there is none, or none that can be read.
    """
    match = _BLOCK.search(text)
    if match is None:
        return text, None
    body = text[: match.start()].rstrip("\n") + "\n"
    try:
        raw = json.loads(match[1])
        if isinstance(raw, dict) and "schema" in raw:
            raw["schema_"] = raw.pop("schema")
        return body, BriefBlock.model_validate(raw)
    except (ValueError, ValidationError):
        return body, None


def digest_of(body: str) -> str:
    """Return the digest of a brief's text."""
    return hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()


def anchored(anchors: tuple[Anchor, ...]) -> tuple[_Pointer, ...]:
    """Return anchors as a block holds them."""
    return tuple(_Pointer(**item.as_dict()) for item in anchors)
