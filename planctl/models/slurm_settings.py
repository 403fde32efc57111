"""`[slurm]` of `planctl.toml`: how jobs are submitted."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    field_validator,
)

# planctl decides these itself: where output goes, what the job is called, that it runs once.
_OWN = re.compile(
    "array|chdir|dependency|error|export|export-file|hold|input|job-name|no-requeue|open-mode|"
    "output|parsable|quiet|requeue|signal|test-only|time|wait|wrap"
)
_OPTION = re.compile(r"[a-z][a-z0-9-]*")


def _one_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("is empty or holds unprintable characters")
    return text


_Text = Annotated[str, Field(strict=True), AfterValidator(_one_line)]


class SlurmSettings(BaseModel):
    """How jobs are submitted to Slurm.

    Attributes:
        mem: Memory of a node, as sbatch spells it (`16G`).
        time_min: Time limit in minutes of steps that have no `timeout`.
        setup: Lines for bash, run on the node before the command; what they export, it gets.
        sbatch: Further long options of sbatch, without `--`; `true` for one without a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
