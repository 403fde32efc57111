"""`planctl.toml`: the settings of a repository."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
)

from planctl.errors import BadFileError
from planctl.models.audit_settings import AuditSettings
from planctl.models.diff_kinds import TurnsSettings
from planctl.models.lint import LintSettings
from planctl.models.policy import Policy, SigningSettings

# planctl decides these itself: where output goes, what the job is called, that it runs once.
_OWN = re.compile(
    "array|chdir|dependency|error|export|export-file|hold|input|job-name|no-requeue|open-mode|"
    "output|parsable|quiet|requeue|signal|test-only|time|wait|wrap"
)
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_MAX_CHARS = 250_000
# tomllib takes the square of their number for a dotted key.
_MAX_DOTS = 200


def _one_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("is empty or holds unprintable characters")
    return text


_Text = Annotated[str, Field(strict=True), AfterValidator(_one_line)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SlurmSettings(_Model):
    """How jobs are submitted to Slurm.

    Attributes:
        mem: Memory of a node, as sbatch spells it (`16G`).
        time_min: Time limit in minutes of steps that have no `timeout`.
        setup: Lines for bash, run on the node before the command; what they export, it gets.
        sbatch: Further long options of sbatch, without `--`; `true` for one without a value.
    """

    partition: _Text | None = None
    account: _Text | None = None
    qos: _Text | None = None
    constraint: _Text | None = None
    gres: _Text | None = None
    mem: _Text | None = None
    nodes: Annotated[StrictInt, Field(ge=1)] = 1
    cpus_per_task: Annotated[StrictInt, Field(ge=1)] | None = None
    gpus_per_node: Annotated[StrictInt, Field(ge=1)] | None = None
    time_min: Annotated[StrictInt, Field(ge=1)] | None = None
    setup: tuple[_Text, ...] = ()
    sbatch: dict[str, StrictBool | StrictInt | _Text] = Field(default_factory=dict)

    @field_validator("sbatch")
    @classmethod
    def _known_to_sbatch(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if not _OPTION.fullmatch(name):
                raise ValueError(f"`{name}` is no long option of sbatch")
            if _OWN.fullmatch(name):
                raise ValueError(f"`{name}` is planctl's own to set")
            if name.replace("-", "_") in cls.model_fields:
                raise ValueError(f"`{name}` belongs to `[slurm]` itself")
            if value is False:
                raise ValueError(f"`{name}` is false; leave it out instead")
        return options


class Settings(_Model):
    """All of `planctl.toml`."""

    schema_: Literal["planctl/settings/v1"] = Field("planctl/settings/v1", alias="schema")
    slurm: SlurmSettings = SlurmSettings()
    signing: SigningSettings = SigningSettings()
    policy: Policy = Policy()
    audit: AuditSettings = AuditSettings()
    lint: LintSettings = LintSettings()
    turns: TurnsSettings = TurnsSettings()


_SECTIONS: dict[str, type[BaseModel]] = {
    "slurm": SlurmSettings,
    "signing": SigningSettings,
    "policy": Policy,
    "audit": AuditSettings,
    "lint": LintSettings,
    "turns": TurnsSettings,
}


@lru_cache(maxsize=8)
def parse_settings(text: str, path: str) -> Settings:
    """Read the text of a `planctl.toml`.

    Args:
        text: Its content.
        path: Its name, for errors.

    Raises:
        BadFileError: Not TOML, an unknown key, a value that cannot be; names file and key.
    """
    if len(text) > _MAX_CHARS:
        raise BadFileError(path, f"is larger than {_MAX_CHARS:,} characters")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS:
            raise BadFileError(path, f"has more than {_MAX_DOTS} dots in a line", line=number)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Lists within lists without end, or a number of thousands of digits, are none either.
        raise BadFileError(path, f"is not TOML: {error}") from error
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, path) from error


def _explained(error: ValidationError, path: str) -> BadFileError:
    first = error.errors()[0]
    # Members of a union (`int`, `str`) stand behind the key they were tried for.
    loc = [str(part) for part in first["loc"]]
    deep = loc[:2] in (["slurm", "sbatch"], ["policy", "phases"])
    key = ".".join(loc[:3] if deep else loc[: 4 if loc[:2] == ["lint", "waive"] else 2])
    if first["type"] == "extra_forbidden":
        known = _SECTIONS[loc[0]].model_fields if loc[0] in _SECTIONS else ("schema", *_SECTIONS)
        listed = ", ".join(f"`{name}`" for name in known)
        return BadFileError(path, "unknown key", key=key, hint=f"there are {listed}")
    if first["type"] == "value_error":
        return BadFileError(path, first["msg"].removeprefix("Value error, "), key=key)
    return BadFileError(path, f"{first['msg']} (is `{first['input']}`)", key=key)
