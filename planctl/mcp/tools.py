"""All tools by name, and one call from arguments to what the client gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from planctl._bugs import BugError
from planctl._text import printable
from planctl.errors import PlanctlError, SystemRefusedError
from planctl.mcp import evidence, focus, turns, work
from planctl.mcp.tool import Answer, Call, Tool, read_arguments
from planctl.ops.turn.problems import RefusedTurnError

TOOLS: dict[str, type[Tool]] = {
    tool.name: tool for tool in (*evidence.TOOLS, *focus.TOOLS, *turns.TOOLS, *work.TOOLS)
}
_LONGEST = 4000


@dataclass(frozen=True)
class Outcome:
    """What a client gets of a call.

    Attributes:
        value: What the command prints with `--json`; of an error what it prints then.
        exit_code: What the command ends with.
        failed: It is an error, and no answer.
    """

    value: Any
    exit_code: int
    failed: bool = False


def carry_out(tool: type[Tool], given: dict[str, Any], call: Call) -> Outcome:
    """Carry a call out; every error becomes something a client can read."""

    def work() -> Outcome:
        answer: Answer = read_arguments(tool, given).answer(call)
        return Outcome(answer.value, answer.exit_code)

    return guarded(work)


def guarded(work: Callable[[], Outcome]) -> Outcome:
    """Do some work; this is where errors become outcomes."""
    try:
        return work()
    except RefusedTurnError as error:
        return Outcome(error.as_dict(), error.exit_code, failed=True)
    except PlanctlError as error:
        return told(error)
    except OSError as error:
        return told(SystemRefusedError.of(error))
    except Exception as error:  # noqa: BLE001 - the one edge where a bug becomes a message
        return told(BugError(error))


def told(error: PlanctlError) -> Outcome:
    """Return an error as the command prints it with `--json`."""
    said = {
        "slug": error.slug,
        "message": _cut(printable(error.message, keep="\n")),
        "hint": None if error.hint is None else _cut(printable(error.hint, keep="\n")),
    }
    return Outcome({"error": said}, error.exit_code, failed=True)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
