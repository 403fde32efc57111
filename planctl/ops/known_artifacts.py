"""Artifacts that git has not seen change since they were read last: judged without opening them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import cached_property
from pathlib import Path

from planctl._git_index import IndexedFiles
from planctl.models.receipt import Receipt, StoredReceipt, Subject
from planctl.ops import artifacts, run_log
from planctl.ops.artifacts import Artifacts, expected_claims
from planctl.ops.facts import Facts, fact, rules


class KnownArtifacts(Artifacts):
    """Looks at artifacts, but reads only those that facts and git's index leave open.

    Args:
        root: The repository root.
        facts: What earlier runs have seen.
        index: Asks git about the tracked artifacts; asked once, and only if a receipt wants it.
        stored: The receipts that will be asked about.
    """

    def __init__(
        self,
        root: Path,
        facts: Facts,
        index: Callable[[], IndexedFiles],
        stored: Iterable[StoredReceipt],
    ) -> None:
        super().__init__(root)
        self._facts = facts
        self._ask = index
        self._payloads = {id(item.receipt): (item.receipt, item.payload_sha256) for item in stored}
        self._moved: dict[int, dict[str, str | None]] = {}

    @cached_property
    def _index(self) -> IndexedFiles:
        return self._ask()

    def moved(self, receipt: Receipt) -> dict[str, str | None]:
        """Return the artifacts that are not as recorded: name → what is there, None when gone."""
        payload = self.payload(receipt)
        if payload is None:
            return super().moved(receipt)
        if id(receipt) not in self._moved:
            self._moved[id(receipt)] = self._compare(receipt, payload)
        return self._moved[id(receipt)]

    def payload(self, receipt: Receipt) -> str | None:
        """Return the digest of the payload of one of the receipts."""
        known, payload = self._payloads.get(id(receipt), (None, ""))
        return payload if known is receipt else None

    def _compare(self, receipt: Receipt, payload: str) -> dict[str, str | None]:
        """Ask about all files of a receipt at once, and about each only if that is not known."""
        left = [item for item in receipt.subjects if item.kind == "folder"]
        whole = fact("receipt", self._index.state, payload)
        known = whole in self._facts
        if not known:
            left = [*receipt.subjects]
        answers = [(item, *self._look_again(receipt, item)) for item in left]
        files = [(same, settled) for item, same, settled in answers if item.kind == "file"]
        if not known and all(same and settled for same, settled in files):
            self._facts.add(whole)
        return {item.name: self.state(receipt, item) for item, same, _ in answers if not same}

    def _look_again(self, receipt: Receipt, item: Subject) -> tuple[bool, bool]:
        """Tell whether an artifact is as recorded, and whether git's index would show a change."""
        return self._folder(receipt, item) if item.kind == "folder" else self._file(receipt, item)

    def _file(self, receipt: Receipt, item: Subject) -> tuple[bool, bool]:
        path = f"{receipt.hub}/{item.name}"
        known = self._index.records.get(path)
        if known is None or not known.settled:
            return self._is_same(receipt, item), False
        key = fact("file", path, item.sha256, known.record)
        if key not in self._facts:
            if not self._is_same(receipt, item):
                return False, False
            self._facts.add(key)
        return True, True

    def _folder(self, receipt: Receipt, item: Subject) -> tuple[bool, bool]:
        # Tracked files that git finds unchanged are all there: as many names as these, and there
        # is nothing else.
        path = f"{receipt.hub}/{item.name}"
        names = _count_below(self._root / path)
        whole = fact("folder", self._index.state, path, item.sha256, str(names))
        if whole in self._facts:
            return True, True
        below = self._index.below(path)
        known = [self._index.records[name] for name in below]
        if len(known) != names or not all(record.settled for record in known):
            return self._is_same(receipt, item), False
        told = (
            part for pair in zip(below, known, strict=True) for part in (pair[0], pair[1].record)
        )
        key = fact("folder", path, item.sha256, *told)
        if key not in self._facts and not self._is_same(receipt, item):
            return False, False
        self._facts.add(key)
        self._facts.add(whole)
        return True, True

    def _is_same(self, receipt: Receipt, item: Subject) -> bool:
        return self.state(receipt, item) == item.sha256

    def log_contradictions(self, receipt: Receipt) -> list[str]:
        """Return where a receipt's log says something else than the receipt."""
        log = next((item for item in receipt.subjects if item.name == receipt.log), None)
        if log is None or log.name in self.moved(receipt):
            return super().log_contradictions(receipt)
        wanted = astuple(expected_claims(receipt))
        said = fact("log", rules(run_log, artifacts), log.sha256, repr(wanted))
        if said in self._facts:
            return []
        found = super().log_contradictions(receipt)
        if not found:
            self._facts.add(said)
        return found


def _count_below(folder: Path) -> int:
    """Return how many names below a folder are no folders; -1 when it cannot be told."""
    if folder.is_symlink():
        return -1
    names, open_folders = 0, [os.fspath(folder)]
    try:
        while open_folders:
            with os.scandir(open_folders.pop()) as found:
                for item in found:
                    if item.is_dir(follow_symlinks=False):
                        open_folders.append(item.path)
                    else:
                        names += 1
    except OSError:
        return -1
    return names
