"""The rule about guards: tests and checks that became weaker in the change of what they guard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planctl._files import read_plain
from planctl._git import Repository
from planctl._text import listed
from planctl.models.lint import Finding
from planctl.models.plan.plan import contract_digest
from planctl.models.receipt import StoredReceipt
from planctl.models.verdict import Verdict
from planctl.models.weakening import Guard, guards, is_test_file, weaker_checks, weaker_tests
from planctl.ops.inputs import TreeState
from planctl.ops.lint.evidence import Proven
from planctl.ops.lint.site import Site

_SHOWN = 6
_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class _State:
    """What a step had to do with at one time.

    Attributes:
        name: How to call it: a receipt, or the work tree.
        files: Input path → blob id.
        root: Where its files lie; None when git has them.
    """

    name: str
    files: Mapping[str, str]
    contract: Mapping[str, Any]
    root: Path | None = None


@dataclass(frozen=True)
class _Change:
    site: Site
    before: _State
    after: _State

    def paths(self) -> list[str]:
        """Return the inputs that differ."""
        names = sorted({*self.before.files, *self.after.files})
        return [name for name in names if self.before.files.get(name) != self.after.files.get(name)]

    def blobs(self, tests: Iterable[str]) -> Iterator[str]:
        """Yield the blobs of some paths, on both sides."""
        for path in tests:
            yield from (s.files[path] for s in (self.before, self.after) if path in s.files)


def weakened(
    repo: Repository,
    proven: Proven,
    verdicts: Mapping[str, Verdict],
    everything: Iterable[StoredReceipt],
) -> Iterator[Finding]:
    """Yield steps whose guards became weaker in the change that they guard.

    Compared is what the receipt recorded with the latest earlier receipt that had other inputs or
    another contract (runs of the same again change nothing); and for a step that is not fresh,
    the work tree with the receipt.

    Args:
        repo: The repository.
        proven: The receipts that speak for their steps.
        verdicts: Of the steps.
        everything: All receipts of the plan that hold.
    """
    by_digest = {item.payload_sha256: item for item in everything}
    tree = TreeState(repo)
    changes = [
        change
        for step, (site, stored) in proven.items()
        for change in _changes(site, stored, by_digest, tree, verdicts[step], repo.root)
    ]
    tests = {id(c): [path for path in c.paths() if is_test_file(path)] for c in changes}
    blobs = repo.blobs(blob for change in changes for blob in change.blobs(tests[id(change)]))
    for change in changes:
        source = [path for path in change.paths() if not is_test_file(path)]
        if not source:
            continue
        facts = weaker_checks(change.before.contract, change.after.contract)
        sides = [
            _guards(state, tests[id(change)], blobs) for state in (change.before, change.after)
        ]
        facts += weaker_tests(*sides)
        if facts:
            more = f"; and {len(facts) - _SHOWN} more" if len(facts) > _SHOWN else ""
            span = f"between {change.before.name} and {change.after.name}"
            text = f"{span} {listed(source, 3)} changed, and: {'; '.join(facts[:_SHOWN])}{more}"
            yield change.site.finding("PL025", text, "checks")


def _changes(
    site: Site,
    stored: StoredReceipt,
    by_digest: Mapping[str, StoredReceipt],
    tree: TreeState,
    verdict: Verdict,
    root: Path,
) -> Iterator[_Change]:
    now = _recorded(stored)
    for earlier in _earlier(stored, by_digest):
        yield _Change(site, _recorded(earlier), now)
    if not verdict.accepted:
        entries = tree.on_disk(site.plan.inputs_of(site.phase, site.step))
        files = {path: entry.blob for path, entry in entries.items()}
        contract = site.plan.contract(site.phase, site.step)
        yield _Change(site, now, _State("the work tree", files, contract, root))


def _recorded(stored: StoredReceipt) -> _State:
    receipt = stored.receipt
    name = f"receipt `{receipt.ulid}` of {receipt.commit[:8]}"
    return _State(name, {item.path: item.blob for item in receipt.inputs}, receipt.contract)


def _earlier(
    stored: StoredReceipt, by_digest: Mapping[str, StoredReceipt]
) -> Iterator[StoredReceipt]:
    """Yield the latest earlier receipts of another state, told by `previous`."""
    seen: set[str] = set()
    frontier = list(stored.receipt.previous)
    while frontier:
        digest = frontier.pop()
        found = by_digest.get(digest)
        if digest in seen or found is None:
            continue
        seen.add(digest)
        same = found.receipt.inputs == stored.receipt.inputs
        alike = contract_digest(found.receipt.contract) == contract_digest(stored.receipt.contract)
        if same and alike:
            frontier += found.receipt.previous
        else:
            yield found


def _guards(
    state: _State, paths: list[str], blobs: Mapping[str, bytes]
) -> dict[str, dict[str, Guard]]:
    found: dict[str, dict[str, Guard]] = {}
    for path in paths:
        text = _text(state, path, blobs) if path in state.files else None
        read = None if text is None else guards(text.decode("utf-8", "replace"))
        if read is not None:
            found[path] = read
    return found


def _text(state: _State, path: str, blobs: Mapping[str, bytes]) -> bytes | None:
    if state.root is None:
        return blobs.get(state.files[path])
    try:
        return read_plain(state.root / path, _MAX_BYTES)
    except OSError:
        return None
