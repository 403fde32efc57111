"""What a tool is: its arguments, what it says of itself, and the operation it calls."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from planctl._process import Stop
from planctl._text import listed, printable
from planctl.errors import UsageError
from planctl.mcp.progress import Progress
from planctl.workspace import Workspace

_MAX_NAME, _MAX_TEXT = 400, 100_000
_SHOWN = 80
INITIATIVE = "Id of the initiative, as `status` names it."


def _no_control(text: str) -> str:
    for char in text:
        if not char.isprintable() and char not in "\n\t":
            raise ValueError(f"holds the control character U+{ord(char):04X}")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("is more than one line")
    return _no_control(text)


Name = Annotated[str, Field(min_length=1, max_length=_MAX_NAME), AfterValidator(_one_line)]
"""An id, a path, a command: one line."""
Text = Annotated[str, Field(max_length=_MAX_TEXT), AfterValidator(_no_control)]
"""Prose."""


@dataclass(frozen=True)
class Answer:
    """What an operation answered.

    Attributes:
        value: What the command prints with `--json`.
        exit_code: What the command ends with: 0 yes, 1 no.
    """

    value: Any
    exit_code: int = 0


@dataclass(frozen=True)
class Call:
    """One call under way.

    Attributes:
        workspace: Opened for this call alone: what was so a moment ago may not be so now.
        progress: Gets word of a run while it goes on.
        stop: Asked for when the client cancels or goes away.
    """

    workspace: Workspace
    progress: Progress
    stop: Stop


class Tool(BaseModel):
    """Arguments of a tool; each tool is a subclass, its docstring what clients are told.

    Attributes:
        name: How clients call it.
        title: How people read it.
        reads: It changes nothing in the repository.
        destructive: It may change or take away what is there.
        idempotent: Called again with the same arguments it changes nothing more.
        alone: It waits for other calls that write; only a long run does not.
    """

    # Strict: what a client spells wrongly is told, and not guessed at.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: ClassVar[str]
    title: ClassVar[str]
    reads: ClassVar[bool] = False
    destructive: ClassVar[bool] = False
    idempotent: ClassVar[bool] = False
    alone: ClassVar[bool] = True

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Carry the operation out.

        Raises:
            PlanctlError: As the operation does.
        """

    @classmethod
    def described(cls) -> str:
        """Return what clients are told: the docstring, a paragraph a line."""
        paragraphs = re.split(r"\n\s*\n", cls.__doc__ or "")
        return "\n\n".join(" ".join(item.split()) for item in paragraphs)

    @classmethod
    def input_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        schema = cls.model_json_schema()
        schema.pop("description", None)
        schema.pop("title", None)
        entries = schema.get("properties", {})
        plain = {name: _plain(entry) for name, entry in entries.items()}
        return {"type": "object"} | schema | {"properties": plain}


def require_inside(root: Path, *names: str) -> None:
    """Refuse paths that lead out of the repository: what a client reads lies in it.

    Raises:
        UsageError: One does; names it.
    """
    top = root.resolve()
    outside = [name for name in names if not (top / name).resolve().is_relative_to(top)]
    if outside:
        raise UsageError(f"{listed(outside)} is not below the repository", "give paths inside it")


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a schema what no client needs: titles, and that null is as good as nothing."""
    kept = {key: value for key, value in entry.items() if key not in ("title", "anyOf")}
    kinds = [kind for kind in entry.get("anyOf", ()) if kind != {"type": "null"}]
    if kept.get("default", "") is None:
        del kept["default"]
    return kept | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})


def read_arguments(tool: type[Tool], given: dict[str, Any]) -> Tool:
    """Check the arguments of a call.

    Raises:
        UsageError: They are not what the tool takes; names each and says what it takes.
    """
    try:
        return tool.model_validate(given)
    except ValidationError as error:
        told = [_problem(item) for item in error.errors(include_url=False)[:5]]
        known = ", ".join(f"`{name}`" for name in tool.model_fields) or "none"
        hint = f"arguments of `{tool.name}`: {known}"
        raise UsageError(f"`{tool.name}`: {'; '.join(told)}", hint) from error


def _problem(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    shown = printable(repr(item["input"]))
    value = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    said = item["msg"].removeprefix("Value error, ")
    return f"`{printable(where[:_SHOWN])}` {said[0].lower()}{said[1:]}: {value}"
