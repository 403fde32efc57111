"""`[loop]` of `planctl.toml`: who takes turns, for how long, and what their commits are called."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from planctl.models.plan.plan import parse_duration_s
from planctl.models.turn.settings import subject_template


def _command(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("is empty or holds a NUL")
    return text


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        raise ValueError("is no duration; write `30m`")
    return parse_duration_s(value)


_Command = Annotated[str, Field(strict=True), AfterValidator(_command)]
_Limit = Annotated[float, BeforeValidator(_seconds)]


class LoopSettings(BaseModel):
    """`[loop]` of `planctl.toml`; what the command line says goes before.

    Attributes:
        supervisor: Command of the supervisor; without one planctl writes every brief itself.
        engineer: Command of the engineer.
        turns: Stop after so many.
        focus: Work on this initiative only.
        branch: The loop runs on this branch only.
        timeout: Seconds that an agent may take (`30m`).
        prompt: Name of the prompts; stands in the subjects of commits.
        prompts: Folder with prompts of the project's own: `<name>_<role>.md` or `<name>.md`.
        corrections: How often an agent whose closing is refused is asked again.
        brief_retries: How often a supervisor whose brief is refused is asked again.
        failures: Stop when so many agents in a row ended with an error or said nothing.
        lease: Seconds for which the loop owns the work tree unless it renews (`10m`).
        subject: First line of commits, spelled as `[turn] subject`, which holds without one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supervisor: _Command | None = None
    engineer: _Command | None = None
    turns: Annotated[StrictInt, Field(ge=1)] | None = None
    focus: str | None = None
    branch: str | None = None
    timeout: _Limit = 1800.0
    prompt: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")] = "main"
    prompts: str = "prompts"
    corrections: Annotated[StrictInt, Field(ge=0, le=5)] = 1
    brief_retries: Annotated[StrictInt, Field(ge=0, le=5)] = 2
    failures: Annotated[StrictInt, Field(ge=1)] = 3
    lease: Annotated[float, BeforeValidator(_seconds), Field(ge=5)] = 600.0
    subject: Annotated[str, Field(strict=True), AfterValidator(subject_template)] | None = None
