"""`[turn]` and `[evidence]` of `planctl.toml`: how turns are told, what of them is committed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator, model_validator

from planctl.models.paths import input_glob, matches

SUBJECT = "{ROLE} AUTO (prompt={prompt}) (iter={number}): {summary} — tests: {tests}"
FIELDS = ("role", "ROLE", "prompt", "iter", "number", "focus", "summary", "tests")
_PLACE = re.compile(r"\{(\w*)\}")
# Goes when there is no prompt to name.
_PROMPT = re.compile(r"\s*\([^(){}]*\{prompt\}[^(){}]*\)")
_MIB = 1 << 20
_DENIED = (
    *("**/.env", "**/.env.*", "!**/.env.example", "**/.netrc", "**/.pgpass", "**/.npmrc"),
    *("**/.pypirc", "**/*.pem", "**/*.p12", "**/*.pfx", "**/id_rsa", "**/id_ed25519"),
    *("**/id_ecdsa", "**/.aws/credentials", "**/.ssh/**"),
)


class TurnSettings(BaseModel):
    """`[turn]`: how a turn is told.

    Attributes:
        subject: First line of the commit; `{summary}` and the like are filled in.
        min_sentences: Fewer tell too little.
        max_sentences: More are no summary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Annotated[str, Field(strict=True)] = SUBJECT
    min_sentences: Annotated[StrictInt, Field(ge=1, le=20)] = 3
    max_sentences: Annotated[StrictInt, Field(ge=1, le=50)] = 5

    @field_validator("subject")
    @classmethod
    def _usable(cls, text: str) -> str:
        return subject_template(text)

    @model_validator(mode="after")
    def _ordered(self) -> TurnSettings:
        if self.min_sentences > self.max_sentences:
            raise ValueError("`min_sentences` is more than `max_sentences`")
        return self


class EvidenceSettings(BaseModel):
    """`[evidence]`: which files of a turn are committed with it.

    A leading `!` leaves paths out again, the last glob that fits decides.

    Attributes:
        allow: Only these.
        deny: Never these.
        max_file_bytes: No larger file.
        max_turn_bytes: No more in one turn; receipts and small files go first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[str, ...] = ("**",)
    deny: tuple[str, ...] = _DENIED
    max_file_bytes: Annotated[StrictInt, Field(ge=1)] = 5 * _MIB
    max_turn_bytes: Annotated[StrictInt, Field(ge=1)] = 50 * _MIB

    @field_validator("allow", "deny")
    @classmethod
    def _globs(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(input_glob, globs))

    def refuses(self, path: str, size: int) -> str | None:
        """Return why a file is not committed, or None."""
        if matches(path, self.deny):
            return "denied by `[evidence] deny`"
        if not matches(path, self.allow):
            return "not among `[evidence] allow`"
        if size > self.max_file_bytes:
            return f"too large: more than {self.max_file_bytes:,} bytes"
        return None


def subject_template(text: str) -> str:
    """Return a template for the first line of a commit when it is one.

    Raises:
        ValueError: Not one printable line, or a name in braces that stands for nothing.
    """
    if not text.strip() or not text.isprintable():
        raise ValueError("is empty or holds unprintable characters")
    for name in _PLACE.findall(text):
        if name not in FIELDS:
            known = ", ".join(f"{{{item}}}" for item in FIELDS)
            raise ValueError(f"`{{{name}}}` stands for nothing; there are {known}")
    return text


def filled(template: str, values: dict[str, str]) -> str:
    """Return a template with its names replaced, once: what is filled in is not read again.

    A parenthesis around `{prompt}` goes when nothing is filled in there.
    """
    if not values.get("prompt"):
        template = _PROMPT.sub("", template)
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), template)
