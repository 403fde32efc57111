"""Logs and what is said of them: test claims, commands that are not told, suites of one test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planctl._git_history import BlobReader
from planctl._text import count
from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.claims.claim import TestClaim
from planctl.models.claims.tests import fits
from planctl.models.log_facts import LogFacts, is_log, log_facts, says_suite
from planctl.ops.audit.scene import End, Part, Scene, bases, initiative_of
from planctl.ops.audit.texts import Written

_LARGEST = 16 << 20
_MOST = 400


@dataclass(frozen=True)
class _Suite:
    commit: str
    path: str
    tests: int


@dataclass(frozen=True)
class _Said:
    """The most tests that a commit's prose claims for a folder."""

    tests: int
    where: str


class Logs:
    """Reads each version of a log once."""

    def __init__(self) -> None:
        self._facts: dict[str, LogFacts | None] = {}
        self._claims = 0
        self._by_count = 0
        self._unmatched: list[AuditFinding] = []
        self._versions: dict[tuple[str, str], str] = {}
        self._silent: list[AuditFinding] = []
        self._suites: list[_Suite] = []
        self._said: dict[str, _Said] = {}
        self._unread = 0

    def visit(self, scene: Scene) -> None:
        """Read the logs a commit brings, and judge the test claims it makes."""
        if scene.judged and not scene.step.cut:
            for change in scene.step.own_changes():
                if change.new is not None and not change.link and is_log(change.path):
                    self._version(scene, change.path, change.new)
        seen: set[tuple[int, str, str | None]] = set()
        for written in scene.told("summary", "ledger"):
            for claim in written.block.tests:
                told = (_tests(claim), claim.outcome, claim.seconds)
                if written.new(claim.line) and told not in seen and (claim.counts or claim.total):
                    seen.add(told)
                    self._claim(scene, written, claim)

    def _version(self, scene: Scene, path: str, blob: str) -> None:
        if (path, blob) in self._versions:
            return
        self._versions[path, blob] = scene.commit
        facts = self._read(scene.blobs, blob)
        if facts is None:
            self._unread += 1
            return
        if not facts.command:
            text = "its first lines tell no command"
            self._silent.append(
                AuditFinding("logs.silent", scene.commit, path, None, path, "no command", text)
            )
        if says_suite(path) and facts.tests is not None:
            self._suites.append(_Suite(scene.commit, path, facts.tests))

    def _read(self, blobs: BlobReader, blob: str) -> LogFacts | None:
        if blob not in self._facts:
            data = blobs.read(blob, _LARGEST)
            binary = data is None or b"\0" in data[:4096]
            text = "" if data is None else data.decode("utf-8", "replace")
            self._facts[blob] = None if binary else log_facts(text)
        return self._facts[blob]

    def _claim(self, scene: Scene, written: Written, claim: TestClaim) -> None:
        self._claims += 1
        self._by_count += claim.seconds is None
        folders = bases(written, claim.line)
        for folder in folders:
            tests = _tests(claim)
            where = f"{written.text.path}:{claim.line} at {scene.commit[:8]}"
            if tests > self._said.get(folder, _Said(0, "")).tests:
                self._said[folder] = _Said(tests, where)
        reasons = list(self._reasons(scene, folders, claim))
        if reasons and all(reasons):
            self._add_unmatched(scene, written, claim, reasons[0])
        elif not reasons:
            self._add_unmatched(scene, written, claim, "the hub has no log of a test run")

    def _reasons(self, scene: Scene, folders: tuple[str, ...], claim: TestClaim) -> Iterator[str]:
        """Yield for each test run in the hub why the claim does not fit; nothing if it fits."""
        for path in _logs(scene, folders, claim):
            facts = self._read(scene.blobs, scene.step.tree[path])
            for result in facts.results if facts else ():
                reason = fits(claim, result)
                yield f"{path}: {reason}" if reason else ""
                if not reason:
                    return

    def _add_unmatched(self, scene: Scene, written: Written, claim: TestClaim, reason: str) -> None:
        where = (scene.commit, written.text.path, claim.line)
        self._unmatched.append(
            AuditFinding("tests.unmatched", *where, claim.text, "unmatched", reason)
        )

    def finish(self, end: End) -> Part:
        """Count."""
        short = list(self._short())
        totals = (
            AuditTotal(
                "tests.unmatched",
                "test claims without a log of the same count and time",
                len(self._unmatched),
                self._claims,
            ),
            AuditTotal(
                "tests.no_time", "test claims that tell no time", self._by_count, self._claims
            ),
            AuditTotal(
                "logs.silent",
                "versions of logs that do not record their command",
                len(self._silent),
                len(self._versions) - self._unread,
            ),
            AuditTotal(
                "logs.suite",
                "logs named suite, full or all that hold one test",
                len(short),
                len(self._suites),
            ),
        )
        notes = (
            (f"not read: {count(self._unread, 'log')}, binary or larger than 16 MiB",)
            if self._unread
            else ()
        )
        return Part(totals, (*self._unmatched, *self._silent, *short), notes)

    def _short(self) -> Iterable[AuditFinding]:
        for suite in self._suites:
            if suite.tests > 1:
                continue
            said = self._claimed_for(suite.path)
            text = f"{said.where} claims {said.tests}" if said.tests > suite.tests else ""
            verdict = count(suite.tests, "test")
            yield AuditFinding(
                "logs.suite", suite.commit, suite.path, None, suite.path, verdict, text
            )

    def _claimed_for(self, path: str) -> _Said:
        folder = path
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            if folder in self._said:
                return self._said[folder]
        return _Said(0, "")


def _tests(claim: TestClaim) -> int:
    return claim.total or sum(number for _, number in claim.counts)


def _logs(scene: Scene, folders: tuple[str, ...], claim: TestClaim) -> list[str]:
    """Return the logs a claim may mean: named beside it, in its hub, else in its initiative."""
    index, tree = scene.step.index, scene.step.tree
    named = [path for path in claim.logs if path in tree]
    home = initiative_of(folders[0]) if folders else ""
    for folder in folders:
        found = [path for path in index.below(folder) if is_log(path) or path.endswith(".txt")]
        if found or folder.rsplit("/", 1)[-1] == home:
            return [*named, *sorted(found)[:_MOST]]
    changed = (item.path for item in scene.step.commit.changes if item.new is not None)
    return [*named, *(path for path in changed if is_log(path))][:_MOST]
