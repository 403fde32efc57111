"""Restoring: what of lost or changed evidence git still has, and what would be proven with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from planctl._git import Added, Entry
from planctl.errors import BadFileError, ReceiptError
from planctl.models.plan.plan import Step
from planctl.models.receipt import Receipt, Subject, file_name, payload_digest
from planctl.models.signing.envelope import parse_envelope
from planctl.models.verdict import Predicate
from planctl.ops import predicates
from planctl.ops.artifacts import Artifacts, differences
from planctl.ops.collect import listing_digest
from planctl.ops.inputs import TreeState
from planctl.ops.judge import Judge
from planctl.ops.past.tree import BlobStore
from planctl.ops.receipts import LoadedReceipt
from planctl.ops.run_log import claims
from planctl.ops.signing.signatures import Signatures


@dataclass(frozen=True)
class Source:
    """Where git has a path as it was recorded.

    Attributes:
        path: Repository-relative; a folder stands for all below it.
        commit: `HEAD`, or the full id of an earlier commit.
        blobs: Path → blob, of every file it brings back.
    """

    path: str
    commit: str
    blobs: dict[str, str]


def sources(judge: Judge, blobs: BlobStore) -> dict[str, Source]:
    """Return what git has of everything that is not as it was recorded.

    Args:
        judge: Who judged the work tree.
        blobs: Where contents come from.

    Returns:
        Path → where to get it. What git never had as it was recorded is absent.
    """
    lost = list(_lost(judge))
    if not lost:
        return {}
    folders = [one for one in lost if one.kind == "folder"]
    files = [one for one in lost if one.kind != "folder"]
    repo = judge.workspace.repo
    versions = repo.first_added([one.path for one in files])
    head = {} if repo.head is None else repo.tree("HEAD")
    found = [_file(one, head.get(one.path), versions.get(one.path), blobs) for one in files]
    found += [_folder(judge, one, head, blobs) for one in folders]
    return {item.path: item for item in found if item is not None}


@dataclass(frozen=True)
class _Lost:
    path: str
    wanted: str
    kind: str


def _lost(judge: Judge) -> Iterable[_Lost]:
    """Yield receipts and artifacts that are not as they were recorded."""
    for item in judge.loaded:
        if item.stored is None:
            continue
        if not item.holds and _is_its_name(item):
            yield _Lost(item.path, item.stored.payload_sha256, "receipt")
        receipt = item.stored.receipt
        for subject in receipt.subjects:
            if judge.artifacts.state(receipt, subject) != subject.sha256:
                yield _Lost(f"{receipt.hub}/{subject.name}", subject.sha256, subject.kind)


def _is_its_name(item: LoadedReceipt) -> bool:
    assert item.stored is not None
    return Path(item.path).name == file_name(item.stored.receipt, item.stored.payload_sha256)


def _file(lost: _Lost, head: Entry | None, added: Added | None, blobs: BlobStore) -> Source | None:
    versions = [] if head is None else [("HEAD", head.blob)]
    if added is not None:
        versions += [(item.commit.id, item.blob) for item in (*added.later, added)]
    for commit, blob in versions:
        if _digest(lost, blob, blobs) == lost.wanted:
            return Source(lost.path, commit, {lost.path: blob})
    return None


def _digest(lost: _Lost, blob: str, blobs: BlobStore) -> str | None:
    if lost.kind != "receipt":
        return blobs.sha256(blob)
    try:
        return payload_digest(parse_envelope(blobs.small(blob), lost.path).payload)
    except ReceiptError:
        return None


def _folder(judge: Judge, lost: _Lost, head: dict[str, Entry], blobs: BlobStore) -> Source | None:
    start = f"{lost.path}/"
    tree = {p: e.blob for p, e in head.items() if p.startswith(start)}
    rows = sorted((path[len(start) :], blobs.sha256(blob)) for path, blob in tree.items())
    # What lies there besides would stay, and the folder would still be another one.
    besides = [path for path in judge.files_below(lost.path) if path not in tree]
    if not tree or besides or listing_digest(rows) != lost.wanted:
        return None
    return Source(lost.path, "HEAD", tree)


class _Committed(TreeState):
    """The inputs, once what is on disk is committed."""

    def __init__(self, tree: TreeState) -> None:
        self._tree = tree

    def at_head(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        return self._tree.on_disk(globs)

    def on_disk(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        return self._tree.on_disk(globs)

    def content(self, path: str, blob: str) -> bytes | None:
        return self._tree.content(path, blob)


class _Restored(Artifacts):
    """The artifacts, once what git has of them is back."""

    def __init__(self, now: Artifacts, found: dict[str, Source], blobs: BlobStore) -> None:
        self._now, self._found, self._store = now, found, blobs

    def state(self, receipt: Receipt, subject: Subject) -> str | None:
        if f"{receipt.hub}/{subject.name}" in self._found:
            return subject.sha256
        return self._now.state(receipt, subject)

    def log_contradictions(self, receipt: Receipt) -> list[str]:
        source = self._found.get(f"{receipt.hub}/{receipt.log}")
        if source is None:
            return self._now.log_contradictions(receipt)
        said = claims(self._store.file(source.blobs[source.path]))
        return (
            ["its log is none that planctl wrote"] if said is None else differences(said, receipt)
        )


class _Signed(Signatures):
    """The signatures, once what the policy asks for is there."""

    def answer(self, phase: str, item: LoadedReceipt) -> Predicate:
        return Predicate("signature", True, "signed as the policy asks")


class RestoredJudge(Judge):
    """A judge of what would be, once evidence is restored and signed and inputs are committed.

    Args:
        now: The judge of what is.
        found: From `sources`.
        blobs: Where contents come from.
    """

    def __init__(self, now: Judge, found: dict[str, Source], blobs: BlobStore) -> None:
        loaded = [
            replace(item, broken=None, gone=None) if item.path in found else item
            for item in now.loaded
        ]
        super().__init__(now.workspace, now.plan, loaded, now.auditor, now.facts)
        self._found, self._store = found, blobs
        # In place of the work tree's: `cached_property` looks here first.
        self.__dict__["tree"] = _Committed(now.tree)
        self.__dict__["artifacts"] = _Restored(now.artifacts, found, blobs)
        self.__dict__["signatures"] = _Signed(now.workspace, now.plan, loaded, now.auditor)
        self.__dict__["gates"] = now.gates
        self.__dict__["commits"] = now.commits

    def checks(self, step: Step, receipt: Receipt) -> Predicate:
        """Ask a step's checks of what a receipt recorded."""
        root = self.workspace.root
        named = predicates.resolver(root, receipt, self.parent)
        restored = {
            path: blob for item in self._found.values() for path, blob in item.blobs.items()
        }

        def resolve(declared: str) -> Path:
            place = named(declared)
            blob = restored.get(place.relative_to(root).as_posix())
            return place if blob is None else self._store.file(blob)

        return predicates.checks_hold(step, resolve)


def evidence_of(judge: Judge, digest: str) -> set[str]:
    """Return the paths of a receipt, its artifacts, and those of the receipts it was built on.

    Raises:
        BadFileError: No receipt has that digest.
    """
    found: set[str] = set()
    seen: set[str] = set()
    open_digests = [digest]
    while open_digests:
        one = open_digests.pop()
        item = judge.by_digest.get(one)
        if one in seen:
            continue
        seen.add(one)
        if item is None or item.stored is None:
            raise BadFileError(one[:16], "is the digest of no receipt that is here")
        receipt = item.stored.receipt
        found |= {item.path, *(f"{receipt.hub}/{subject.name}" for subject in receipt.subjects)}
        open_digests += receipt.parents.values()
    return found
