"""The files that a turn's words are judged against: those that its commit will have."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from planctl.models.claims.paths import PathIndex
from planctl.ops.claims.views import LARGEST, WorktreeView
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.policy import Chosen
from planctl.workspace import Workspace


class TurnView(WorktreeView):
    """HEAD with the files a turn commits; what is skipped is as at HEAD, or not there.

    Args:
        workspace: The repository.
        tracked: Path → blob id at HEAD.
        changes: What the turn changed.
        chosen: What of it is committed.
        without: Paths that count as not there: evidence that nobody recorded proves nothing.
    """

    def __init__(
        self,
        workspace: Workspace,
        tracked: dict[str, str],
        changes: Changes,
        chosen: Chosen,
        without: Iterable[str] = (),
    ) -> None:
        super().__init__(workspace, tracked)
        self._root = workspace.root
        self._uncommitted = frozenset((*changes.own, *changes.before, *changes.mixed))
        self._kept = frozenset(chosen.paths)
        self._without = frozenset(without)

    @cached_property
    def changed(self) -> frozenset[str]:
        """Paths that the commit changes."""
        return self._kept

    @cached_property
    def index(self) -> PathIndex:
        """What the commit will have."""
        gone = {path for path in self._kept if not (self._root / path).is_file()}
        return PathIndex(
            path
            for path in (*self._tracked, *self._kept)
            if path not in gone and path not in self._without
        )

    def read(self, path: str) -> bytes | None:
        """Return the bytes that the commit will have."""
        if path in self._kept or path not in self._uncommitted:
            return super().read(path)
        blob = self._tracked.get(path)
        if blob is None or path in self._without:
            return None
        found = self._workspace.repo.blobs([blob]).get(blob)
        return found if found is not None and len(found) <= LARGEST else None
