"""The loop of two roles: what it remembers between turns, and its lease."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from planctl import clock
from planctl.errors import BadFileError

LoopRole = Literal["supervisor", "engineer"]
Outcome = Literal["closed", "abandoned", "crashed", "timed_out"]
_RECOVER = "`planctl loop --recover` keeps it aside and rebuilds it from the turn records"


def other_role(role: LoopRole) -> LoopRole:
    """Return whose turn follows."""
    return "engineer" if role == "supervisor" else "supervisor"


def _stamp(text: str) -> str:
    clock.parse(text)
    return text


_Stamp = Annotated[str, Field(strict=True), AfterValidator(_stamp)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunningTurn(_Model):
    """The turn that the loop is in.

    Attributes:
        id: The turn's own; empty while it is being opened.
        stage: `opening`, `agent` (its process may run) or `closing` (it has ended).
        open_file: What the file of the open turn held, should an agent remove it.
        since: When the loop began to open it.
        group: Process group of the agent.
        group_started: What tells its first process from a later one of the same number.
        machine: Where that number means something.
        outcome: How the agent ended, once it has.
    """

    id: str = ""
    number: Annotated[StrictInt, Field(ge=0)] = 0
    role: LoopRole
    focus: str
    stage: Literal["opening", "agent", "closing"]
    open_file: str = ""
    since: _Stamp
    group: StrictInt | None = None
    group_started: str | None = None
    machine: str = ""
    outcome: Outcome = "crashed"


class LoopState(_Model):
    """What the loop remembers: enough to go on after it was killed at any point.

    Attributes:
        branch: The branch it runs on.
        last_number: Highest turn number that it has seen.
        next_role: Whose turn comes next.
        turn: The turn it is in; None between turns.
        refused: What was refused last, for the next prompt of the supervisor.
        failures: Role → how many of its agents in a row failed.
    """

    schema_: Literal["planctl/loop/v1"] = Field("planctl/loop/v1", alias="schema")
    branch: str
    last_number: Annotated[StrictInt, Field(ge=0)] = 0
    next_role: LoopRole = "supervisor"
    turn: RunningTurn | None = None
    refused: tuple[str, ...] = ()
    failures: dict[LoopRole, Annotated[StrictInt, Field(ge=0)]] = Field(default_factory=dict)
    updated: _Stamp


class LeaseRecord(_Model):
    """Who owns the work tree's loop, and until when.

    Attributes:
        id: Of the run; never repeated.
        machine: Host, boot and process space: process ids mean nothing elsewhere.
        started: What tells the process from a later one of the same id.
    """

    schema_: Literal["planctl/lease/v1"] = Field("planctl/lease/v1", alias="schema")
    id: Annotated[str, Field(min_length=1)]
    host: str
    machine: str
    pid: Annotated[StrictInt, Field(ge=1)]
    started: str
    since: _Stamp
    renewed: _Stamp
    expires: _Stamp


def parse_state(text: str, path: str) -> LoopState:
    """Read the loop's state.

    Raises:
        BadFileError: It is not what the loop wrote. It is never reset for that.
    """
    try:
        return LoopState.model_validate(_object(text))
    except ValueError as error:
        raise BadFileError(path, _why(error), hint=_RECOVER) from error


def parse_lease(text: str, path: str) -> LeaseRecord:
    """Read a lease.

    Raises:
        BadFileError: It is not what a loop wrote: nobody can tell whether one runs.
    """
    try:
        return LeaseRecord.model_validate(_object(text))
    except ValueError as error:
        hint = f"make sure that no loop runs here; then {_RECOVER}"
        raise BadFileError(path, _why(error), hint=hint) from error


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("lists within lists without end") from error


def _why(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        return f"`{place}`: {first['msg']}"
    return f"is not JSON: {error}"


def dumped(model: BaseModel) -> str:
    """Spell a state or a lease as its file holds it."""
    return json.dumps(model.model_dump(mode="json", by_alias=True), indent=2) + "\n"
