"""Checks a step's artifacts must pass, as they stand in `plan.yaml`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from planctl.models.paths import relative_path

RelativePath = Annotated[str, AfterValidator(relative_path)]


_MAX_PATTERN = 4_000


def _regex(text: str) -> str:
    if len(text) > _MAX_PATTERN:
        raise ValueError(f"is a regular expression of more than {_MAX_PATTERN:,} characters")
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"`{text}` is not a regular expression: {error}") from error
    return text


def _expression(text: str) -> str:
    if len(text) > _MAX_PATTERN:
        raise ValueError(f"is an expression of more than {_MAX_PATTERN:,} characters")
    return text


Regex = Annotated[str, AfterValidator(_regex)]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_expression)]
Scalar = bool | int | float | str


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class JsonValue(_Model):
    """A value in a JSON artifact, found by a JMESPath expression."""

    json_file: RelativePath = Field(alias="json")
    path: Expression


class LogValue(_Model):
    """A value in a log: group 1 of the last match."""

    log: RelativePath
    capture: Regex

    @model_validator(mode="after")
    def _one_group(self) -> LogValue:
        if re.compile(self.capture).groups != 1:
            raise ValueError("`capture` needs exactly one group: the value")
        return self


class _Comparison(_Model):
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    eq: Scalar | None = None
    ne: Scalar | None = None
    finite: Literal[True] | None = None
    within: float | None = Field(default=None, gt=0)
    of: JsonValue | LogValue | None = None
    same_as: JsonValue | LogValue | None = None

    @model_validator(mode="after")
    def _compares(self) -> _Comparison:
        names = ("gt", "ge", "lt", "le", "eq", "ne", "finite", "within", "same_as")
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"compares with nothing; give one of {', '.join(names)}")
        if (self.within is None) != (self.of is None):
            raise ValueError("`within` (relative tolerance) and `of` (the other value) go together")
        return self


class JsonCheck(_Comparison):
    """A JSON value (every element of a list) compared with a number, text or another value."""

    json_file: RelativePath = Field(alias="json")
    path: Expression


class LogValueCheck(_Comparison):
    """A value captured from a log, compared like a JSON value."""

    log: RelativePath
    capture: Regex


class LogCheck(_Model):
    """A regular expression that a log must hold or must not hold."""

    log: RelativePath
    matches: Regex | None = None
    not_matches: Regex | None = None

    @model_validator(mode="after")
    def _asks(self) -> LogCheck:
        if self.matches is None and self.not_matches is None:
            raise ValueError("asks nothing; give `matches` or `not_matches`")
        return self


class ImageCheck(_Model):
    """A picture that opens and is not one flat colour."""

    image: RelativePath
    not_flat: Literal[True]


class SameCheck(_Model):
    """Artifacts that must be equal byte for byte."""

    same: tuple[RelativePath, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _differ(self) -> SameCheck:
        if len(set(self.same)) < len(self.same):
            raise ValueError("names an artifact twice: it is always the same as itself")
        return self


class FileCheck(_Model):
    """A file of at least so many bytes."""

    file: RelativePath
    min_bytes: int = Field(default=1, ge=1)


class TestsCheck(_Model):
    """A pytest log that ends with at least `passed` tests passed and none failed."""

    __test__ = False

    tests: RelativePath
    passed: int = Field(ge=1)
    skipped: int = Field(default=0, ge=0)


Check = JsonCheck | LogValueCheck | LogCheck | ImageCheck | SameCheck | FileCheck | TestsCheck

_BY_KEY: dict[str, type[BaseModel]] = {
    "json": JsonCheck,
    "image": ImageCheck,
    "same": SameCheck,
    "file": FileCheck,
    "tests": TestsCheck,
}


def check_kind(raw: object) -> type[BaseModel] | None:
    """Return the model of a raw check by its leading key, or None when no key says which."""
    if not isinstance(raw, dict):
        return None
    if "log" in raw:
        return LogValueCheck if "capture" in raw else LogCheck
    return next((model for key, model in _BY_KEY.items() if key in raw), None)
