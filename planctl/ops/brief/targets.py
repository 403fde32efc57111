"""What must change for an open step to pass: named by its log, its row, or its missing test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planctl._files import read_plain
from planctl.models.mentions import PlanWords
from planctl.models.orders import is_code
from planctl.models.paths import matches
from planctl.models.plan.plan import Plan, Step
from planctl.models.verdict import StepVerdict, Verdict
from planctl.ops.brief.symbols import has_symbol
from planctl.ops.run_log import body, body_span
from planctl.workspace import ACTIVE, Workspace

_TRACE = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<name>\w+))?')
_SHORT = re.compile(r"^(?P<path>[\w./-]+\.\w{1,4}):(?P<line>\d+): ", re.MULTILINE)
_WILD = re.compile(r"[*?\[!\\]")
_MAX_BYTES = 16_000_000
_LAST = 60_000


@dataclass(frozen=True)
class Target:
    """A file that must change.

    Attributes:
        name: `path`, `path::symbol`, with ` (new)` when it is to be created.
        line: Where in it, if a log says so.
    """

    name: str
    why: str
    path: str
    line: int | None = None


@dataclass(frozen=True)
class LogLine:
    """A line of a failed run's log."""

    path: str
    line: int
    text: str


def targets(
    workspace: Workspace, plan: Plan, words: PlanWords, verdict: StepVerdict
) -> tuple[Target, ...]:
    """Return what must change before an open step can pass; nothing where running it will do."""
    _, step = plan.step(verdict.step)
    found = [*_absent_tests(workspace, words, step), *_absent_code(workspace, plan, words, verdict)]
    if verdict.verdict is Verdict.FAILED:
        found += _of_failure(workspace, plan, words, verdict)[:1]
    elif verdict.verdict in (Verdict.MISSING, Verdict.UNPROVEN):
        found += _of_rows(workspace, words, step)
    return tuple({item.name: item for item in found}.values())


def _absent_tests(workspace: Workspace, words: PlanWords, step: Step) -> Iterator[Target]:
    for made in words.steps[step.id].commands:
        for selector in made.selectors:
            path = selector.partition("::")[0]
            if not (workspace.root / path).exists() and "$" not in path:
                why = f"step `{step.id}` runs it, and it does not exist"
                yield Target(f"{selector} (new)", why, path)


def _absent_code(
    workspace: Workspace, plan: Plan, words: PlanWords, verdict: StepVerdict
) -> Iterator[Target]:
    """Yield the scripts that a step runs, and the inputs it declares, that do not exist yet."""
    _, step = plan.step(verdict.step)
    made = words.steps[step.id].commands
    scripts = {word for item in made for word in item.program.split() if is_code(word)}
    declared = {glob for glob in plan.inputs_of(verdict.phase, step) if not _WILD.search(glob)}
    outside = {*step.data, *step.outputs}
    for path in sorted(scripts | declared):
        if "$" not in path and path not in outside and not (workspace.root / path).exists():
            yield Target(f"{path} (new)", f"step `{step.id}` reads it, and it does not exist", path)


def _of_rows(workspace: Workspace, words: PlanWords, step: Step) -> Iterator[Target]:
    """Yield the code that the rows of a step name."""
    for row in step.rows:
        said = words.rows.get(row, "")
        for match in re.finditer(r"[\w./-]+\.\w{1,4}(?:::[\w.:]*\w)?", said):
            path, _, symbol = match[0].partition("::")
            place = workspace.root / path
            if not is_code(path) or not place.is_file():
                continue
            known = symbol and has_symbol(place, symbol)
            yield Target(match[0] if known else path, f"row {row} names it: {said}", path)


def _of_failure(
    workspace: Workspace, plan: Plan, words: PlanWords, verdict: StepVerdict
) -> list[Target]:
    """Return what a failed run's log points at: the deepest place among the step's inputs."""
    _, step = plan.step(verdict.step)
    globs = plan.inputs_of(verdict.phase, step)
    log = log_of(workspace, verdict)
    text = "" if log is None else _tail(log)[0]
    found = [*_TRACE.finditer(text), *_SHORT.finditer(text)]
    found.sort(key=lambda match: match.start())
    why = f"`{step.id}` failed: {verdict.reasons[0]}" if verdict.reasons else f"`{step.id}` failed"
    places: list[Target] = []
    for match in reversed(found):
        path = _inside(workspace, match["path"])
        if path is not None and matches(path, globs):
            name = match.groupdict().get("name") or ""
            symbol = name if name and has_symbol(workspace.root / path, name) else ""
            shown = f"{path}::{symbol}" if symbol else path
            places.append(Target(shown, why, path, int(match["line"])))
    # A test that fails is right more often than the code it tests.
    places.sort(key=lambda item: "test" in item.path.rsplit("/", 1)[-1])
    if places:
        return places
    return [Target(path, why, path) for path in _programs(workspace, words, step)]


def _programs(workspace: Workspace, words: PlanWords, step: Step) -> Iterator[str]:
    """Yield the scripts that a step runs."""
    for made in words.steps[step.id].commands:
        for word in (*made.program.split(), *made.selectors):
            path = word.partition("::")[0]
            if is_code(path) and (workspace.root / path).is_file():
                yield path


def _inside(workspace: Workspace, path: str) -> str | None:
    place = Path(os.path.normpath(workspace.root / path))
    if not place.is_relative_to(workspace.root) or not place.is_file():
        return None
    return place.relative_to(workspace.root).as_posix()


def log_of(workspace: Workspace, verdict: StepVerdict) -> Path | None:
    """Return the log of the run that a verdict rests on, if it is there."""
    if verdict.stored is None:
        return None
    receipt = verdict.stored.receipt
    place = workspace.root / receipt.hub / receipt.log
    return place if place.is_file() and receipt.hub.startswith(ACTIVE) else None


def _tail(log: Path) -> tuple[str, int]:
    """Return the end of a log's output, and how many lines of the file stand before it."""
    try:
        data = read_plain(log, _MAX_BYTES)
    except OSError:
        return "", 0  # gone, or too large: it points at nothing
    start = body_span(data).start or 0
    output = body(data)
    begin = max(0, len(output) - _LAST)
    return output[begin:].decode("utf-8", "replace"), data.count(b"\n", 0, start + begin)


_TELLING = re.compile(
    r"^(?:E  +\S|.*(?:\b\w*(?:Error|Exception)|\bFAILED|\bKilled|\berror:)(?!\w))"
)


def failure_line(workspace: Workspace, verdict: StepVerdict) -> LogLine | None:
    """Return the line of a failed run's log that says most."""
    log = log_of(workspace, verdict)
    if log is None:
        return None
    text, before = _tail(log)
    lines = text.split("\n")
    told = [at for at, line in enumerate(lines) if _TELLING.match(line)]
    said = told or [at for at, line in enumerate(lines) if line.strip()]
    if not said:
        return None
    at = said[-1]
    return LogLine(workspace.relative(log), before + at + 1, " ".join(lines[at].split())[:120])
