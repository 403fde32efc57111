"""`[brief]` of `planctl.toml`: how the tests that a brief names are counted."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from planctl.models.plan.plan import parse_duration_s


def _command(text: str) -> str:
    if not text.strip() or "\0" in text or "\n" in text:
        raise ValueError("is empty, or no single line")
    return text


class BriefSettings(BaseModel):
    """How briefs are written and checked.

    Attributes:
        pytest: Command line that runs pytest in the project's environment; the interpreter that
            runs planctl, without it.
        collect: Count the tests that a brief names (`pytest --collect-only`; nothing is run).
        collect_timeout: Seconds (or `30s`, `2m`) after which counting is given up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pytest: Annotated[str, Field(strict=True), AfterValidator(_command)] | None = None
    collect: StrictBool = True
    collect_timeout: Annotated[float, BeforeValidator(parse_duration_s)] = 60.0
