"""How each kind of claim is judged in one tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from planctl._text import count, listed
from planctl.errors import ReceiptError
from planctl.models.claims.claim import Claim, NumberClaim, PathClaim, TestClaim
from planctl.models.claims.judged import Answer
from planctl.models.claims.numbers import Value, agrees, values_in
from planctl.models.claims.paths import Placed, places, resolve
from planctl.models.claims.tests import TestResult, fits, results_in
from planctl.models.receipt import Receipt, parse_receipt
from planctl.models.signing.envelope import parse_envelope
from planctl.ops.audit.scene import bases
from planctl.ops.audit.texts import Written
from planctl.ops.claims.views import View

_MOST_FILES = 300
_LOGS = (".log", ".txt", ".out", ".err")
_VALUES = (".json", ".jsonl", ".csv", ".md", ".yaml", ".yml", *_LOGS)
# What is ordered, wished or foreseen is no claim about what is.
_ORDERS = ("next", "do now", "return condition", "if blocked", "goals", "todo", "exit criteria")


@dataclass(frozen=True)
class Found:
    """What was found of a claim.

    Attributes:
        kind: For paths `exists`, `deeper`, `ignored`, `absent`.
        late: The whole history has to be asked.
        evidence: The file that supports a test or a number, by path.
    """

    answer: Answer
    why: str
    kind: str = ""
    late: bool = False
    evidence: str = ""


def is_order(field: str) -> bool:
    """Tell whether a field says what shall be, not what is."""
    return field.lower().startswith(_ORDERS)


class Judge:
    """Judges the claims of one block in one tree.

    Args:
        view: The tree.
        written: The block, with the file it stands in.
        memory: Values and results that were read before, by content.
    """

    def __init__(self, view: View, written: Written, memory: Memory) -> None:
        self._view = view
        self._written = written
        self._memory = memory

    def claim(self, claim: Claim) -> Found:
        """Judge a claim of any kind but a stamp."""
        if isinstance(claim, PathClaim):
            return self.path(claim)
        if isinstance(claim, TestClaim):
            return self.test(claim)
        if isinstance(claim, NumberClaim):
            return self.number(claim)
        # A commit is looked up with all others, at the end.
        return Found(Answer.NOT_CHECKABLE, "", late=True)

    def path(self, claim: PathClaim) -> Found:
        """Judge a path: is it there, has it so many lines?"""
        folders = bases(self._written, claim.line)
        placed = resolve(claim, self._view.index, folders)
        if placed.kind == "unknown":
            return Found(Answer.NOT_CHECKABLE, placed.why)
        if placed.kind == "absent":
            return self._absent(claim, placed, folders)
        wrong = self._line_beyond(claim, placed)
        where = placed.path
        if len(placed.paths) > 1:
            where = f"{count(len(placed.paths), 'path')}, the first is {placed.path}"
        if wrong:
            return Found(Answer.CONTRADICTED, wrong, placed.kind)
        blob = self._view.blob(placed.path)
        spelled = f"{where} ({blob[:8]})" if blob else where
        return Found(Answer.SUPPORTED, spelled, placed.kind)

    def _absent(self, claim: PathClaim, placed: Placed, folders: Sequence[str]) -> Found:
        kind = "ignored" if self._view.ignores(places(claim, folders)) else "absent"
        if is_order(claim.field):
            return Found(Answer.NOT_CHECKABLE, "ordered, not reported", kind)
        if claim.planned:
            return Found(Answer.NOT_CHECKABLE, f"told as not there yet: `{claim.note}`", kind)
        cited = claim.evidence or claim.lines or claim.field.lower().startswith("file")
        if not cited:
            return Found(Answer.NOT_CHECKABLE, "not there; only mentioned", kind)
        if kind == "ignored":
            return Found(Answer.UNSUPPORTED, "git ignores it: no commit has it", kind, True)
        why = "not there" if placed.path == claim.path else f"not at {placed.path}"
        if placed.paths:
            why = f"{why}; {count(len(placed.paths), 'other file')} of that name"
        return Found(Answer.UNSUPPORTED, why, kind, True)

    def _line_beyond(self, claim: PathClaim, placed: Placed) -> str:
        """Return what is wrong with the cited lines, or nothing."""
        if not claim.lines or not self._view.index.is_file(placed.path):
            return ""
        data = self._view.read(placed.path)
        if data is None:
            return ""
        has = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
        last = max(end for _, end in claim.lines)
        return f"{placed.path} has {count(has, 'line')}, cited is line {last}" if last > has else ""

    def test(self, claim: TestClaim) -> Found:
        """Judge a test run: by receipts of its selector, then by logs of the hub."""
        if is_order(claim.field):
            return Found(Answer.NOT_CHECKABLE, "ordered, not reported")
        reasons: list[str] = []
        for path, receipt, results in self._receipts(claim):
            said = _by_receipt(claim, receipt, results)
            if not said:
                return Found(Answer.SUPPORTED, f"receipt {path}", evidence=path)
            reasons.append(f"receipt {path}: {said}")
        named = self._logs(claim.logs, claim.line)
        near = self._logs(self._cited(), claim.line)
        for group in (named, near, self._hub_logs(claim.line)):
            for path, result in group:
                if fits(claim, result) is None:
                    shown = f"{path}:{result.line} `{result.text}` ({self._view.blob(path)[:8]})"
                    return Found(Answer.SUPPORTED, shown, evidence=path)
        if reasons:
            return Found(Answer.CONTRADICTED, reasons[-1])
        if not claim.counts and not claim.seconds:
            return Found(Answer.NOT_CHECKABLE, "it tells neither count nor time")
        if named:
            path, result = named[-1]
            return Found(Answer.CONTRADICTED, f"{path}:{result.line}: {fits(claim, result)}")
        return self._no_log(claim, near)

    def _no_log(self, claim: TestClaim, near: list[tuple[str, TestResult]]) -> Found:
        if len({path for path, _ in near}) == 1:
            path, result = near[-1]
            why = f"the one log cited, {path}:{result.line}, says `{result.text}`"
            return Found(Answer.CONTRADICTED, why)
        why = "no log of the hub ends with that count"
        return Found(Answer.UNSUPPORTED, f"{why} and time" if claim.seconds else why)

    def _receipts(self, claim: TestClaim) -> Iterator[tuple[str, Receipt, tuple[TestResult, ...]]]:
        """Yield the receipts whose command has the claim's selector, newest first."""
        selectors = claim.selectors or self._block_selectors
        if not selectors:
            return
        for path in sorted(self._below(claim.line, ("/receipts/",)), reverse=True):
            receipt = self._memory.receipt(self._view, path)
            if receipt is None or not any(name in receipt.command for name in selectors):
                continue
            log = f"{receipt.hub}/{receipt.log}"
            yield path, receipt, self._memory.results(self._view, log)

    @cached_property
    def _block_selectors(self) -> tuple[str, ...]:
        paths = self._written.block.paths
        found = (f"{p.path}::{p.selector}" for p in paths if p.selector)
        return tuple(dict.fromkeys(found))

    def _cited(self) -> tuple[str, ...]:
        block = self._written.block
        near = (p for p in block.paths if block.turn or self._written.new(p.line))
        return tuple(dict.fromkeys(p.path for p in near if p.evidence))

    def _logs(self, paths: Sequence[str], line: int) -> list[tuple[str, TestResult]]:
        found = (self._where(path, line) for path in paths)
        return [
            (path, result)
            for path in found
            if path.endswith(_LOGS)
            for result in self._memory.results(self._view, path)
        ]

    def _where(self, path: str, line: int) -> str:
        claim = PathClaim(line, path, path)
        return resolve(claim, self._view.index, bases(self._written, line)).path

    def _hub_logs(self, line: int) -> Iterator[tuple[str, TestResult]]:
        for path in self._below(line, _LOGS):
            for result in self._memory.results(self._view, path):
                yield path, result

    def _below(self, line: int, ends: tuple[str, ...]) -> list[str]:
        """Return files of the block's hubs, at most some hundred."""
        found: dict[str, None] = {}
        for folder in bases(self._written, line)[:4]:
            for path in self._view.index.below(folder):
                if path.endswith(ends) or (ends[0].startswith("/") and ends[0] in path):
                    found[path] = None
                    if len(found) >= _MOST_FILES:
                        return list(found)
        return list(found)

    def number(self, claim: NumberClaim) -> Found:
        """Judge a number: by the artifacts the block cites, then by those of its hub."""
        if is_order(claim.field):
            return Found(Answer.NOT_CHECKABLE, "ordered, not reported")
        if not claim.name:
            return Found(Answer.NOT_CHECKABLE, "the number has no name")
        cited = [self._where(path, claim.line) for path in self._cited()]
        said: list[str] = []
        for path, values in self._values(claim, self._files(cited)):
            for value in values:
                if agrees(claim, value.value):
                    return Found(Answer.SUPPORTED, self._spelled(path, value), evidence=path)
            said.append(f"{path} has {_shown(values)}")
        for path, values in self._values(claim, self._below(claim.line, _VALUES)):
            for value in values:
                if agrees(claim, value.value):
                    return Found(Answer.SUPPORTED, self._spelled(path, value), evidence=path)
        if said:
            return Found(Answer.CONTRADICTED, "; ".join(said[:2]))
        return Found(
            Answer.NOT_CHECKABLE, f"no artifact of the block or its hub names {claim.name}"
        )

    def _files(self, paths: Sequence[str]) -> list[str]:
        """Return files, and for a folder those in it."""
        found: list[str] = []
        for path in paths:
            if self._view.index.is_file(path):
                found.append(path)
            else:
                found += [item for item in self._view.index.below(path) if item.endswith(_VALUES)]
        return found[:_MOST_FILES]

    def _values(
        self, claim: NumberClaim, paths: Sequence[str]
    ) -> Iterator[tuple[str, list[Value]]]:
        for path in paths:
            if path.endswith(_VALUES) and path != self._written.text.path:
                values = self._memory.values(self._view, path, claim.name)
                if values:
                    yield path, values

    def _spelled(self, path: str, value: Value) -> str:
        return f"{path} {value.place} is {value.value!r} ({self._view.blob(path)[:8]})"


def _by_receipt(claim: TestClaim, receipt: Receipt, results: tuple[TestResult, ...]) -> str:
    """Return what a receipt says against a claim, or nothing."""
    if claim.outcome == "passed" and receipt.exit_code != 0:
        return f"the command ended with {receipt.exit_code}"
    if claim.outcome == "failed" and receipt.exit_code == 0:
        return "the command ended with 0"
    if not results:
        return "" if not claim.counts and not claim.seconds else "its log tells of no tests"
    reasons = [fits(claim, result) for result in results]
    return "" if None in reasons else str(reasons[-1])


def _shown(values: list[Value]) -> str:
    shown = listed([f"{value.place} = {value.value!r}" for value in values], 3)
    return shown.replace("`", "")


class Memory:
    """What was read of a content, so that no blob is read twice for the same question."""

    def __init__(self) -> None:
        self._results: dict[str, tuple[TestResult, ...]] = {}
        self._numbers: dict[tuple[str, str], list[Value]] = {}
        self._receipts: dict[str, Receipt | None] = {}

    def results(self, view: View, path: str) -> tuple[TestResult, ...]:
        """Return the closing lines of test runs in a log."""
        blob = view.blob(path)
        if not blob:
            return ()
        if blob not in self._results:
            data = view.read(path) or b""
            plain = b"" if b"\0" in data[:4096] else data
            self._results[blob] = results_in(plain.decode("utf-8", "replace"))
        return self._results[blob]

    def values(self, view: View, path: str, name: str) -> list[Value]:
        """Return the values a file has under a name."""
        key = (view.blob(path), name)
        if key not in self._numbers:
            data = view.read(path) or b""
            self._numbers[key] = [] if b"\0" in data[:4096] else values_in(name, path, data)
        return self._numbers[key]

    def receipt(self, view: View, path: str) -> Receipt | None:
        """Return a receipt, or None when the file is none."""
        blob = view.blob(path)
        if blob not in self._receipts:
            self._receipts[blob] = _receipt(view.read(path) or b"", path)
        return self._receipts[blob]


def _receipt(data: bytes, path: str) -> Receipt | None:
    try:
        return parse_receipt(parse_envelope(data, path).payload, path)
    except ReceiptError:
        # Not a receipt, or damaged: `verify` says so; it supports no claim here.
        return None
