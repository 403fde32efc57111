"""`plan.yaml`: phases, steps, inputs, outputs, checks and gates of one initiative."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from planctl.models.check import Check, RelativePath, TestsCheck, check_kind
from planctl.models.paths import input_glob

SCHEMA = "planctl/plan/v1"
AD_HOC = "adhoc"
"""The phase name in receipts of `planctl run`; a plan cannot have it."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_ANY = 1_000_000
# File names are made of these, with an id, a digest or a version added: 255 bytes are the end.
_LONGEST_NAME = 100
_LONGEST_PART_BYTES = 200
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def initiative_id(text: str) -> str:
    """Return `text` when it can name an initiative: words with hyphens, dots, digits.

    Raises:
        ValueError: Anything that cannot be a folder name and a command-line word.
    """
    if not _WORD.fullmatch(text) or text.endswith("."):
        raise ValueError(f"`{text}` is no name: use letters, digits, `-`, `_` and `.`")
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"`{text}` has more than {_LONGEST_NAME} characters")
    return text


def _shell_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL, which no command line can")
    return text


def parse_duration_s(value: object) -> float | None:
    """Read `30m`, `45s`, `1.5h` or a number of seconds.

    Returns:
        Seconds, or None for None.

    Raises:
        ValueError: Not a positive duration.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = _DURATION.fullmatch(str(value))
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"`{value}` is no duration; write `45s`, `30m` or `2h`")
    return float(match[1]) * _SECONDS[match[2]]


def _typed_check(raw: object) -> object:
    if isinstance(raw, BaseModel):
        return raw
    kind = check_kind(raw)
    if kind is None:
        raise ValueError(
            "a check starts with one of `json`, `log`, `image`, `same`, `file`, `tests`"
        )
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error


Name = Annotated[str, AfterValidator(initiative_id)]
TypedCheck = Annotated[Check, BeforeValidator(_typed_check)]
DurationSeconds = Annotated[float | None, BeforeValidator(parse_duration_s)]


InputGlob = Annotated[str, AfterValidator(input_glob)]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, coerce_numbers_to_str=True
    )


# What planctl writes itself: no step may put its own files among these.
_OWN_FOLDERS = ("receipts", "red", "replays")
_OWN_NAMES = ("summary.md", "analysis/artifact_inventory.txt", "analysis/artifact_inventory.sha256")


def _artifact_name(text: str) -> str:
    parts = text.rstrip("/").split("/")
    if "." in parts or "" in parts:
        raise ValueError(f"`{text}` holds a `.` or an empty part")
    if any(len(part.encode()) > _LONGEST_PART_BYTES for part in parts):
        raise ValueError(f"`{text}` has a part of more than {_LONGEST_PART_BYTES} bytes")
    if parts[0] in _OWN_FOLDERS or "/".join(parts) in _OWN_NAMES:
        raise ValueError(f"`{text}` is written by planctl itself; choose another name")
    return text


class Collect(_Model):
    """A file or folder that is copied into the hub after the command."""

    source: RelativePath = Field(alias="from")
    to: RelativePath


class Waiver(_Model):
    """A person's acceptance of a step without proof: who, why, until when."""

    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    until: dt.date


class Step(_Model):
    """One authoritative command and what it must leave behind.

    Attributes:
        rows: Checklist rows of the working plan that this step proves.
        inputs: Globs over tracked files; replaces the phase's. `!glob` excludes.
        data: Data files outside git that the command reads (may be `$NAME`).
        outputs: Files the command leaves outside the hub for later steps; digests are recorded.
        timeout_s: Seconds after which the process group is killed (`timeout` in the file).
    """

    id: Name
    title: str | None = None
    rows: tuple[str, ...] = ()
    kind: Literal["command", "pytest"] = "command"
    needs: tuple[Name, ...] = ()
    run: Annotated[str, Field(min_length=1), AfterValidator(_shell_text)]
    log: RelativePath
    timeout_s: DurationSeconds = Field(default=None, alias="timeout")
    inputs: tuple[InputGlob, ...] | None = None
    data: tuple[str, ...] = ()
    outputs: tuple[RelativePath, ...] = ()
    collect: tuple[Collect, ...] = ()
    checks: tuple[TypedCheck, ...] = ()
    waive: Waiver | None = None

    @field_validator("log")
    @classmethod
    def _log_in_folder(cls, value: str) -> str:
        if "$" in value or value.endswith("/"):
            raise ValueError(f"`{value}` must name a file inside the hub")
        return _artifact_name(value)

    @field_validator("collect")
    @classmethod
    def _targets_in_hub(cls, value: tuple[Collect, ...]) -> tuple[Collect, ...]:
        for item in value:
            if "$" in item.to:
                raise ValueError(f"`to: {item.to}` must be a plain path inside the hub")
            _artifact_name(item.to)
        return value


class Phase(_Model):
    """A group of steps with one gate and default inputs."""

    title: str = ""
    gate: str | None = None
    inputs: tuple[InputGlob, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)

    @field_validator("gate", mode="before")
    @classmethod
    def _gate_is_commit(cls, value: object) -> object:
        if value is not None and not re.fullmatch(r"[0-9a-f]{7,64}", str(value)):
            raise ValueError(f"`{value}` is no commit id; write 7 to 64 hex digits in quotes")
        return value if value is None else str(value)


class Plan(_Model):
    """The machine-readable contract of one initiative.

    Attributes:
        hub: Where runs are recorded, relative to the initiative's `reports/`.
        adopted: Folders of evidence from before planctl, newest first; nothing is written there.
        working_plan: The file with the checklist, if it is not `implementation.md` beside the plan.
    """

    schema_: Literal["planctl/plan/v1"] = Field(alias="schema")
    id: Name
    title: str = Field(min_length=1)
    owner: str = ""
    priority: Literal["critical", "high", "medium", "low"] = "medium"
    depends_on: tuple[Name, ...] = ()
    findings: tuple[str, ...] = ()
    hub: RelativePath | None = None
    adopted: tuple[RelativePath, ...] = ()
    working_plan: RelativePath | None = None
    commands_doc: RelativePath | None = None
    env: dict[str, Annotated[str, AfterValidator(_shell_text)]] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    phases: dict[Name, Phase] = Field(min_length=1)

    @field_validator("hub")
    @classmethod
    def _hub_depth(cls, value: str | None) -> str | None:
        if value is not None and len([p for p in value.split("/") if p not in ("", ".")]) != 2:
            raise ValueError(f"`{value}` is no hub; it is `<UTC stamp>/<slug>` below `reports/`")
        return value

    @field_validator("adopted", "working_plan")
    @classmethod
    def _plain_paths(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for path in (value,) if isinstance(value, str) else value or ():
            parts = path.rstrip("/").split("/")
            if "$" in path or "." in parts or "" in parts or ".git" in parts:
                raise ValueError(f"`{path}` must name a path in the repository, as git spells it")
        return value

    @field_validator("env")
    @classmethod
    def _env_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"`{name}` is no environment variable name")
            if name in {"HUB", "AUTHORITATIVE_CMDS_DOC"}:
                raise ValueError(f"`{name}` is set by planctl; choose another name")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        shown = [name for name in self.secrets if name in self.env]
        if shown:
            # Everything in `env` is written into logs and receipts.
            raise ValueError(f"secret `{shown[0]}` stands in `env`; the caller's shell provides it")
        if AD_HOC in self.phases:
            raise ValueError(f"a phase cannot be called `{AD_HOC}`: `planctl run` uses the name")
        _check_steps(self)
        return self

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield every (phase name, step), in file order."""
        for name, phase in self.phases.items():
            for step in phase.steps:
                yield name, step

    def step(self, step_id: str) -> tuple[str, Step]:
        """Return (phase name, step) of a step id.

        Raises:
            KeyError: No such step.
        """
        for name, step in self.steps():
            if step.id == step_id:
                return name, step
        raise KeyError(step_id)

    def inputs_of(self, phase: str, step: Step) -> tuple[str, ...]:
        """Return the input globs that hold for a step: its own, else its phase's."""
        return step.inputs if step.inputs is not None else self.phases[phase].inputs

    def contract(self, phase: str, step: Step) -> dict[str, Any]:
        """Return what a receipt of this step promises: command, env, inputs, outputs, checks."""
        fields = step.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={"run", "kind", "needs", "log", "data", "outputs", "collect", "checks"},
        )
        return fields | {
            "id": step.id,
            "phase": phase,
            "inputs": list(self.inputs_of(phase, step)),
            "env": dict(sorted(self.env.items())),
        }

    def with_env(self, overrides: dict[str, str]) -> Plan:
        """Return the plan with some `env` values replaced (only names it declares).

        Raises:
            KeyError: A name the plan does not declare.
        """
        for name in overrides:
            if name not in self.env:
                raise KeyError(name)
        return self.model_copy(update={"env": {**self.env, **overrides}})


def checks_of(step: Step) -> tuple[Check, ...]:
    """Return a step's checks; a pytest step must also have passed at least one test."""
    if step.kind != "pytest" or any(isinstance(check, TestsCheck) for check in step.checks):
        return step.checks
    return (*step.checks, TestsCheck(tests=step.log, passed=1, skipped=_ANY))


def contract_digest(contract: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a contract's canonical JSON."""
    return hashlib.sha256(canonical_json(contract)).hexdigest()


def canonical_json(value: object) -> bytes:
    """Serialise with sorted keys and no blanks, so that equal values give equal bytes."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def ordered(steps: dict[str, tuple[str, ...]]) -> list[str]:
    """Return step ids so that each comes after what it needs; file order otherwise.

    Args:
        steps: Step id → ids it needs.

    Raises:
        ValueError: A cycle, spelled out.
    """
    done: list[str] = []
    trail: list[str] = []

    def visit(step: str) -> None:
        if step in done:
            return
        if step in trail:
            raise ValueError("cycle: " + " → ".join([*trail[trail.index(step) :], step]))
        trail.append(step)
        for need in steps[step]:
            visit(need)
        trail.pop()
        done.append(step)

    for step in steps:
        visit(step)
    return done


def _check_steps(plan: Plan) -> None:
    needs: dict[str, tuple[str, ...]] = {}
    targets: dict[str, str] = {}
    for _, step in plan.steps():
        if step.id in needs:
            raise ValueError(f"step id `{step.id}` stands twice; ids are unique in a plan")
        needs[step.id] = step.needs
        for target in (step.log, *(item.to.rstrip("/") for item in step.collect)):
            if target in targets:
                raise ValueError(f"`{target}` is written by `{targets[target]}` and `{step.id}`")
            targets[target] = step.id
    for step_id, wanted in needs.items():
        for need in wanted:
            if need not in needs:
                raise ValueError(f"step `{step_id}` needs `{need}`, which is no step of this plan")
    ordered(needs)
