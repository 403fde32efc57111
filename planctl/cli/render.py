"""What people read: tables and lines on stdout; JSON from the same result objects."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from planctl._terminal import TerminalFilter
from planctl._text import count, json_text, printable
from planctl.models.verdict import StepVerdict, Verdict, VerifyReport

if TYPE_CHECKING:
    # Each command pays only for the operation it shows.
    from planctl.models.ledger.document import Ledger
    from planctl.models.timeline import Timeline
    from planctl.ops.run_phase import PhaseResult, StepResult
    from planctl.ops.scaffold import Scaffold

_LONGEST_LINE = 1 << 16
_MANY_ROWS = 200
_STYLE = {
    Verdict.FRESH: "green",
    Verdict.WAIVED: "cyan",
    Verdict.DIRTY: "yellow",
    Verdict.STALE: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.MODIFIED: "bold red",
    Verdict.MISSING: "red",
    Verdict.UNPROVEN: "magenta",
}


def safe(text: str) -> str:
    """Return text with control characters spelled out, so that no name can drive a terminal."""
    return printable(text, keep="\n\t")


def emit_json(value: Any) -> None:
    """Print a result as JSON on stdout."""
    sys.stdout.write(json_text(value, sys.stdout.encoding or "utf-8"))


def emit(text: str) -> None:
    """Print a document on stdout as it is: its writer has neutralised what is in it."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


class Cell(NamedTuple):
    """What stands in a cell of a table, and how a terminal shows it."""

    text: str
    style: str = ""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> None:
    """Print a table: drawn on a terminal, else plain columns, one row a line.

    A program that reads the output, `grep` and `cut` among them, is better off with lines; it is
    also a tenth of a second faster, and the only way for many rows.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if len(cells) > _MANY_ROWS or not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        _plain_table(title, columns, cells)
    else:
        _drawn_table(title, columns, cells)


def _drawn_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Output(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the command line's edge what a closed pipe means."""
            raise BrokenPipeError

    grid = Table(title=Text(safe(title)), title_justify="left", title_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(safe(cell.text), style=cell.style) for cell in row))
    Output(soft_wrap=False, highlight=False).print(grid)


def _plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    words = [list(columns), *([printable(cell.text) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    told = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in words)
    emit("\n".join([safe(title), *told, ""]))


def line(text: str) -> None:
    """Print one line of data."""
    emit(safe(text) + "\n")


def talk(text: str) -> None:
    """Print one line beside the data, on stderr."""
    sys.stderr.write(safe(text) + "\n")


def verdict_cell(verdict: Verdict) -> Cell:
    """Return a verdict in its colour."""
    return Cell(str(verdict), _STYLE[verdict])


def report(result: VerifyReport) -> None:
    """Print the verdict table of an initiative."""
    head = (result.head or "")[:8] or "no commit"
    where = f", scratch hub {result.hub}" if result.scratch else ""
    table(
        f"{result.initiative} at {head}{where}",
        ("phase", "step", "rows", "verdict", "proof"),
        (_step_row(step) for step in result.steps),
    )
    for step in result.steps:
        for warning in step.warnings:
            line(f"warning: {step.step}: {warning}")
    if result.unproven:
        line(f"{count(len(result.unproven), 'file')} of the hub without a receipt that holds:")
        for item in result.unproven[:8]:
            line(f"  {item.path}: {item.text}")
    proven = sum(step.verdict.accepted for step in result.steps)
    line(f"{proven} of {len(result.steps)} steps proven")
    if result.scratch:
        line("a scratch hub was judged alone: it proves nothing for the plan")
        _other_env(result)


def _other_env(result: VerifyReport) -> None:
    """Name the `--set` with which the runs of a scratch hub are judged as they were run."""
    start = "contract.env."
    ids = [i for step in result.steps for p in step.predicates if not p.ok for i in p.ids]
    values = {i.name.removeprefix(start): i.recorded for i in ids if i.name.startswith(start)}
    flags = [shlex.join(["--set", f"{name}={value}"]) for name, value in sorted(values.items())]
    if flags:
        line(f"its runs had other values of `env`; to judge them with those: {' '.join(flags)}")


def _step_row(step: StepVerdict) -> list[str | Cell]:
    proof = step.reasons[0] if step.reasons else ""
    if not proof and step.receipt is not None:
        name = step.receipt.rsplit("/", 1)[-1].removesuffix(".json")
        made = count(len(step.artifacts), "artifact")
        roles = [item.partition(" (SHA256:")[0] for item in step.signed_by]
        signed = f" by {', '.join(roles)}" if roles else ""
        proof = f"{step.tier}{signed}: {made} at {(step.commit or '')[:8]}, {name}"
    verdict = verdict_cell(step.verdict)
    return [step.phase, step.step, " ".join(step.rows), verdict, proof]


def timeline(item: Timeline) -> None:
    """Print every time of an artifact and what contradicts what."""
    line(item.path)
    for found in item.times:
        zone = "Z" if found.zone_known else " (zone unknown)"
        note = f"  {found.text}" if found.text else ""
        line(f"  {found.when:%Y-%m-%d %H:%M:%S}{zone}  {found.source}{note}")
    for text in item.contradictions:
        line(f"  contradiction: {text}")


class LiveReporter:
    """Sends a run's events and output to stderr while it goes on.

    Args:
        prefix: Several steps run at once: begin each line of output with its step.
    """

    def __init__(self, prefix: bool) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._filters: dict[str, TerminalFilter] = {}
        self._partial: dict[str, bytes] = {}

    def event(self, step: str, text: str) -> None:
        """Print one line about a step."""
        with self._lock:
            left = self._partial.pop(step, b"")
            self._write((self._line(step, left) if self._prefix else b"\n") if left else b"")
            self._write(safe(f"planctl: {step}: {text}\n").encode())

    def output(self, step: str, piece: bytes) -> None:
        """Pass on a piece of output; what could drive a terminal is spelled out."""
        with self._lock:
            shown = self._filters.setdefault(step, TerminalFilter()).feed(piece)
            if not self._prefix:
                # Only whether a line is open matters here.
                self._partial[step] = b"" if shown.endswith(b"\n") else b"?"
                self._write(shown)
                return
            *lines, rest = (self._partial.get(step, b"") + shown).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            self._partial[step] = rest
            self._write(b"".join(self._line(step, line) for line in lines))

    def _line(self, step: str, line: bytes) -> bytes:
        return step.encode() + b" | " + line + b"\n"

    def _write(self, text: bytes) -> None:
        # A reader that went away (`2>&1 | head`) does not end the run: its log has everything.
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(text)
            sys.stderr.buffer.flush()


def phase_result(result: PhaseResult) -> None:
    """Print what became of a phase."""
    rows = (
        (step.phase, step.step, step.action, _seconds(step.duration_s), _outcome(step))
        for step in result.steps
    )
    columns = ("phase", "step", "action", "seconds", "result")
    table(f"{result.initiative} {result.phase}", columns, rows)
    for step in result.steps:
        for problem in step.problems:
            line(f"{step.step}: {problem}")
        if step.blocked:
            line(f"{step.step}: blocker {step.blocked}")
    line(f"evidence: {result.hub}")


def _seconds(duration_s: float | None) -> str:
    return "" if duration_s is None else f"{duration_s:.1f}"


def _outcome(step: StepResult) -> Cell:
    if step.action == "ran":
        word = count(len(step.artifacts), "artifact") if step.ok else "failed"
        return Cell(word, "green" if step.ok else "bold red")
    return Cell(step.reason)


def scaffold(result: Scaffold) -> None:
    """Print what was written, extended and left as it was."""
    for word, paths in (
        ("wrote", result.written),
        ("extended", result.extended),
        ("updated", result.updated),
        ("kept", result.kept),
    ):
        for path in paths:
            line(f"{word} {path}")
    for note in result.notes:
        talk(f"note: {note}")


def ledger(result: Ledger) -> None:
    """Print the ledger's items."""
    columns = ("item", "title", "status", "priority", "attempts")
    rows = ((i.id, i.title, i.status, i.priority, str(len(i.attempts))) for i in result.items)
    table("ledger", columns, rows)
