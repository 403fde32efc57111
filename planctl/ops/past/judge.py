"""The questions of a verdict, put to a commit: answered from its tree, without a checkout."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from planctl._git import Entry
from planctl.errors import BadFileError, ReceiptError
from planctl.models.plan.plan import Plan, Step
from planctl.models.receipt import DataFile, Receipt, Subject
from planctl.models.signing.allowed_signers import AllowedSignersError
from planctl.models.signing.envelope import MAX_BYTES
from planctl.models.verdict import Predicate
from planctl.ops import predicates
from planctl.ops.artifacts import Artifacts, differences
from planctl.ops.collect import listing_digest
from planctl.ops.inputs import TreeState
from planctl.ops.judge import Judge
from planctl.ops.past.tree import CommitTree
from planctl.ops.receipts import LoadedReceipt, Shelf
from planctl.ops.run_log import Claims, claims
from planctl.ops.signing.signatures import Signatures
from planctl.workspace import Hub, Workspace


class PastInputs(TreeState):
    """The inputs of a commit; on disk, in a clean clone, there would be the same.

    Args:
        tree: The files of the commit.
    """

    def __init__(self, tree: CommitTree) -> None:
        self._tree = tree

    def at_head(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the inputs that `globs` mean."""
        return self._tree.at_head(globs)

    def on_disk(self, globs: tuple[str, ...]) -> dict[str, Entry]:
        """Return the same: nothing is uncommitted in a commit."""
        return self._tree.at_head(globs)

    def content(self, path: str, blob: str) -> bytes | None:
        """Return the bytes of a blob, or None when this clone does not have it."""
        return self._tree.blobs.found(blob)


class PastArtifacts(Artifacts):
    """The artifacts of a commit.

    Args:
        tree: The files of the commit.
    """

    def __init__(self, tree: CommitTree) -> None:
        self._tree = tree
        self._said: Callable[[str], Claims | None] = lru_cache(maxsize=4096)(self._claims)

    def state(self, receipt: Receipt, subject: Subject) -> str | None:
        """Return an artifact's digest then; None when it is gone; words when it is no plain file.

        Contents count as git stores them: filters of a clone (line ends, LFS) do not apply.
        """
        path = f"{receipt.hub}/{subject.name}"
        entry, tree = self._tree.entries.get(path), self._tree
        if tree.link_above(path):
            return "a symbolic link"
        if subject.kind == "folder":
            return self._folder(path) if entry is None else "no folder"
        if entry is None:
            return "no plain file" if tree.below(path) else None
        return tree.blobs.sha256(entry.blob) if tree.is_plain(path) else "no plain file"

    def _folder(self, path: str) -> str | None:
        tree = self._tree
        names = tree.below(path)
        if not names:
            return None
        odd = [name for name in names if not tree.is_plain(name)]
        if odd:
            return "holds what is no plain file"
        rows = [(name[len(path) + 1 :], tree.blobs.sha256(e.blob)) for name, e in names.items()]
        return listing_digest(sorted(rows))

    def log_contradictions(self, receipt: Receipt) -> list[str]:
        """Return where a receipt's log says something else than the receipt."""
        path = f"{receipt.hub}/{receipt.log}"
        if not self._tree.is_plain(path):
            return []  # gone: `present` says so
        said = self._said(self._tree.entries[path].blob)
        return (
            ["its log is none that planctl wrote"] if said is None else differences(said, receipt)
        )

    def _claims(self, blob: str) -> Claims | None:
        return claims(self._tree.blobs.file(blob))


class PastShelf(Shelf):
    """The receipts of a commit.

    Args:
        tree: The files of the commit.
        reports: Repository-relative folder of the initiative's hubs.
        hub: The plan's own hub, repository-relative; None when it has none.
    """

    def __init__(self, tree: CommitTree, reports: str, hub: str | None) -> None:
        self._tree = tree
        self._reports = reports
        self._own = hub

    def hubs(self) -> dict[str, str | None]:
        """Return hub → why its receipts cannot be believed, or None."""
        found = set() if self._own is None else {self._own}
        for path in self._tree.below(self._reports):
            parts = path[len(self._reports) + 1 :].split("/", 3)
            if parts[2:3] == ["receipts"]:
                found.add(f"{self._reports}/{parts[0]}/{parts[1]}")
        linked = "its folder lies behind a symbolic link"
        behind = {hub: self._tree.link_above(f"{hub}/receipts") for hub in sorted(found)}
        return {hub: linked if is_behind else None for hub, is_behind in behind.items()}

    def paths(self, hub: str) -> list[str]:
        """Return the repository-relative paths of a hub's receipts."""
        start = f"{hub}/receipts/"
        below = self._tree.below(self._reports)
        return sorted(
            path
            for path in below
            if path.startswith(start) and "/" not in path[len(start) :] and path.endswith(".json")
        )

    def content(self, path: str) -> bytes:
        """Return the bytes of a receipt.

        Raises:
            ReceiptError: No plain file, or too large.
        """
        if not self._tree.is_plain(path):
            raise ReceiptError(path, "is not a plain file")
        found = self._tree.blobs.small(self.blob(path))
        if len(found) > MAX_BYTES:
            raise ReceiptError(path, f"is larger than {MAX_BYTES:,} bytes")
        return found

    def blob(self, path: str) -> str:
        """Return the git blob id of a receipt."""
        return self._tree.entries[path].blob

    def load(self, hub: str, path: str) -> LoadedReceipt:
        """Read one receipt of a hub; once, however many commits have it."""
        key = (hub, path, self.blob(path))
        if key not in self._tree.parsed:
            self._tree.parsed[key] = super().load(hub, path)
        found = self._tree.parsed[key]
        assert isinstance(found, LoadedReceipt)
        return found

    def lies(self, path: str) -> bool:
        """Tell whether anything is there under that path."""
        return path in self._tree.entries or bool(self._tree.below(path))


class PastJudge(Judge):
    """Answers for one plan at one commit.

    Args:
        workspace: The repository as of that commit.
        plan: The plan then.
        loaded: The receipts then.
        tree: The files of the commit.
    """

    def __init__(
        self, workspace: Workspace, plan: Plan, loaded: list[LoadedReceipt], tree: CommitTree
    ) -> None:
        super().__init__(workspace, plan, loaded)
        self.files = tree
        # In place of the work tree's: `cached_property` looks here first.
        self.__dict__["tree"] = PastInputs(tree)
        self.__dict__["artifacts"] = PastArtifacts(tree)
        self.__dict__["signatures"] = Signatures(workspace, plan, loaded, read=self._text)

    def _text(self, name: str) -> bytes | None:
        """Return a file that says whom to trust; nothing behind a link is believed."""
        if self.files.link_above(name):
            hint = "make it a file of its own"
            raise AllowedSignersError(name, "lay behind a symbolic link", hint=hint)
        return self.read(name)

    def moved_data(self, receipt: Receipt) -> tuple[DataFile, ...]:
        """Return the data files that the commit holds with another content than recorded.

        What lies outside git is not known of the past: it counts as recorded.
        """
        return tuple(item for item in receipt.data if self._moved(item))

    def _moved(self, item: DataFile) -> bool:
        path = self.files.followed(item.path)
        return path is not None and self._digest(path) != item.sha256

    def _digest(self, path: str) -> str:
        return self.files.blobs.sha256(self.files.entries[path].blob)

    def checks(self, step: Step, receipt: Receipt) -> Predicate:
        """Ask a step's checks of what a receipt recorded, as it was in the commit."""
        root = self.workspace.root
        named = predicates.resolver(root, receipt, self.parent)

        def resolve(declared: str) -> Path:
            path = named(declared).relative_to(root).as_posix()
            place = self.files.followed(path)
            if place is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return self.files.blobs.file(self.files.entries[place].blob)

        return predicates.checks_hold(step, resolve)

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder of this repository-relative path was there."""
        followed = self.files.followed(path)
        return followed is not None or bool(self.files.below(path))

    def files_below(self, folder: str) -> Iterable[str]:
        """Yield the repository-relative paths of the files below a folder."""
        found = self.files.below(folder)
        yield from sorted(found, key=lambda path: (path.rpartition("/")[0].split("/"), path))

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when it was no file."""
        place = self.files.followed(path)
        return None if place is None else self.files.blobs.small(self.files.entries[place].blob)

    def sha256(self, path: str) -> str | None:
        """Return the SHA-256 of a file; None when it was not there, words when it was no file."""
        entry = self.files.entries.get(path)
        if entry is None:
            return None
        return self._digest(path) if self.files.is_plain(path) else "no plain file"

    def blobs_below(self, folder: str) -> dict[str, str]:
        """Return path → blob id of the plain files below a folder."""
        paths = [path for path in self.files.below(folder) if self.files.is_plain(path)]
        return {path: self.files.entries[path].blob for path in paths}


def own_hub(workspace: Workspace, plan: Plan, tree: CommitTree) -> Hub | None:
    """Return a plan's hub at a commit.

    Raises:
        BadFileError: It lay behind a symbolic link.
    """
    if plan.hub is None:
        return None
    hub = workspace.hub(plan)
    if tree.link_above(hub.name):
        raise BadFileError(hub.name, "lay behind a symbolic link, where git does not see it")
    return hub
