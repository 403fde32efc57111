"""Which folders are initiatives and which hold evidence, told from what lies in them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from planctl.errors import NotFoundError, PreconditionError
from planctl.models.adoption import RECORD
from planctl.models.paths import is_utf8
from planctl.workspace import ACTIVE, Workspace

WORKING_PLANS = ("implementation.md", "plan.md", "checklist.md", "tasks.md", "todo.md")
# Folders that hold evidence of one kind; a folder with one of them is a hub.
_LOG_FOLDERS = frozenset({"green", "red", "cli", "log", "logs"})
_KIND_FOLDERS = _LOG_FOLDERS | {"analysis", "artifacts", "figures", "metrics", "plots", "results"}
_GENERIC = _KIND_FOLDERS | {"reports", "runs", "experiments", "evidence", "output", "outputs"}
LOG_SUFFIXES = (".log", ".out", ".err")
_NOTE_SUFFIXES = (*LOG_SUFFIXES, ".txt", ".md", ".typescript")
_SOURCES = (".py", ".c", ".cc", ".cpp", ".h", ".js", ".ts", ".rs", ".go", ".jl", ".ipynb")
_DATED = re.compile(r"(?<!\d)(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])(?!\d)")
_SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".tox", ".venv", "venv", "node_modules", "__pycache__"}
)
_PLANCTL = frozenset({"plan.yaml", "plan.proposed.yaml", RECORD})


@dataclass(frozen=True)
class Folder:
    """A folder as far as adoption cares: names of plain files, names of folders."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


class Tree:
    """The files below a folder of the work tree; each folder is read once.

    Args:
        root: The repository root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Folder] = {}
        self._hubs: dict[str, bool] = {}

    def at(self, path: str) -> Folder:
        """Return what lies in a folder; symbolic links count as nothing."""
        if path not in self._known:
            self._known[path] = self._look(path)
        return self._known[path]

    def _look(self, path: str) -> Folder:
        with os.scandir(self._root / path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        files = [e.name for e in found if e.is_file(follow_symlinks=False)]
        folders = [
            e.name
            for e in found
            if e.is_dir(follow_symlinks=False) and e.name not in _SKIPPED and not _own(e)
        ]
        return Folder(tuple(files), tuple(folders))

    def below(self, path: str) -> Iterator[str]:
        """Yield the repository-relative paths of the files below a folder."""
        here = self.at(path)
        yield from (joined(path, name) for name in here.files)
        for name in here.folders:
            yield from self.below(joined(path, name))

    def working_plan(self, path: str) -> str | None:
        """Return the file of a folder that may have the checklist."""
        names = {name.lower(): name for name in self.at(path).files}
        found = next((names[name] for name in WORKING_PLANS if name in names), None)
        return None if found is None else joined(path, found)

    def is_initiative(self, path: str) -> bool:
        """Tell whether a folder is a whole: with a plan, a summary, reports, or evidence."""
        here = self.at(path)
        told = any(name.lower() == "summary.md" for name in here.files)
        return (
            told
            or "reports" in here.folders
            or path.rpartition("/")[0] == ACTIVE
            or self.working_plan(path) is not None
            or self.is_hub(path)
        )

    def is_hub(self, path: str) -> bool:
        """Tell whether a folder holds evidence: logs, or a folder of logs."""
        if path not in self._hubs:
            self._hubs[path] = self._looks_like_hub(path)
        return self._hubs[path]

    def _looks_like_hub(self, path: str) -> bool:
        here = self.at(path)
        if any(name.endswith(LOG_SUFFIXES) for name in here.files):
            return True
        return any(
            name.lower() in _LOG_FOLDERS and self._has_notes(joined(path, name))
            for name in here.folders
        )

    def _has_notes(self, path: str) -> bool:
        files = [*self.below(path)]
        return any(f.lower().endswith(_NOTE_SUFFIXES) for f in files) and not any(
            f.lower().endswith(_SOURCES) for f in files
        )


def _own(entry: os.DirEntry[str]) -> bool:
    """Tell whether a folder is a repository of its own."""
    return os.path.lexists(os.path.join(entry.path, ".git"))


def joined(folder: str, name: str) -> str:
    """Return a path below a folder; the root is the empty path."""
    return f"{folder}/{name}" if folder else name


@dataclass(frozen=True)
class Candidate:
    """An initiative that nobody has told planctl of.

    Attributes:
        folder: Where it lies.
        only: The one folder of evidence that was asked for, or None for all of them.
    """

    folder: str
    only: str | None = None

    @cached_property
    def id(self) -> str:
        """A name for it, from the innermost folder whose name says something."""
        parts = self.folder.split("/")
        telling = [part for part in parts if part.lower() not in _GENERIC and not _is_date(part)]
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", (telling or parts)[-1]).strip("-._")
        return name or "adopted"


def _is_date(name: str) -> bool:
    return _DATED.match(name) is not None


def candidates(workspace: Workspace, tree: Tree, target: str) -> list[Candidate]:
    """Find the initiatives that a path or an id means.

    Args:
        workspace: The repository.
        tree: Its files.
        target: A path relative to the working directory or the root, or an initiative's id.

    Raises:
        NotFoundError: No such folder, or nothing in it that looks like evidence.
        PreconditionError: It lies outside the repository, or several folders have the name.
    """
    folder = _folder(workspace, tree, target)
    above = _initiative_above(tree, folder)
    if above is not None and above != folder:
        return [Candidate(above, only=folder)]
    found = list(_initiatives(tree, folder))
    if found != [folder]:
        # Nobody named these: scratch folders that git has nothing of are not meant.
        tracked = [*workspace.repo.tree(workspace.now_head)]
        found = [path for path in found if any(t.startswith(f"{path}/") for t in tracked)] or found
    if not found and folder and any(path.endswith(LOG_SUFFIXES) for path in tree.below(folder)):
        found = [folder]
    if not found:
        raise NotFoundError(
            f"`{target}` holds nothing that looks like an initiative or its evidence",
            "a working plan (`implementation.md`, `plan.md`), logs, or a folder `green/`, `cli/`, "
            "`logs/` would",
        )
    return [Candidate(path) for path in found]


def _folder(workspace: Workspace, tree: Tree, target: str) -> str:
    for place in (Path.cwd() / target, workspace.root / target, workspace.root / ACTIVE / target):
        if place.is_dir():
            return _inside(workspace, place, target)
    named = sorted(
        (path for path in _folders(tree, "") if path.rsplit("/", 1)[-1] == target),
        key=lambda path: path.count("/"),
    )
    if not named:
        raise NotFoundError(
            f"there is no folder `{target}`, and none of that name in the repository",
            "give the path of an initiative or of a folder of evidence",
        )
    if len(named) > 1:
        listed = ", ".join(f"`{path}`" for path in named[:6])
        raise PreconditionError(f"`{target}` may be any of {listed}", "give its path")
    return named[0]


def _inside(workspace: Workspace, place: Path, target: str) -> str:
    path, root = place.resolve(), workspace.root.resolve()
    if not path.is_relative_to(root) or path.is_relative_to(workspace.repo.git_dir.resolve()):
        raise PreconditionError(f"`{target}` lies outside the work tree of this repository")
    relative = path.relative_to(root).as_posix()
    return "" if relative == "." else relative


def _folders(tree: Tree, path: str) -> Iterator[str]:
    for name in tree.at(path).folders:
        if not name.startswith("."):
            yield joined(path, name)
            yield from _folders(tree, joined(path, name))


def _initiative_above(tree: Tree, folder: str) -> str | None:
    """Return the initiative a folder belongs to: the nearest folder with a working plan."""
    parts = folder.split("/") if folder else []
    if parts[:2] == ACTIVE.split("/") and len(parts) > 2:
        return "/".join(parts[:3])
    for depth in range(len(parts), 0, -1):
        if tree.working_plan("/".join(parts[:depth])) is not None:
            return "/".join(parts[:depth])
    return None


def _initiatives(tree: Tree, folder: str) -> Iterator[str]:
    """Yield the topmost folders that are a whole and have evidence."""
    if folder and tree.is_initiative(folder) and any(hubs_below(tree, folder).values()):
        yield folder
        return
    for name in tree.at(folder).folders:
        if not name.startswith("."):
            yield from _initiatives(tree, joined(folder, name))


def hubs_below(tree: Tree, folder: str) -> dict[str, list[str]]:
    """Return folder of evidence → its files, for an initiative.

    A file belongs to the outermost folder on its way that is a hub; else to a dated folder; else,
    in a folder called `reports` or the like, to the folder below that.
    """
    found: dict[str, list[str]] = {}
    for path in tree.below(folder):
        if path.rsplit("/", 1)[-1] in _PLANCTL or not is_utf8(path):
            continue
        hub = _hub_of(tree, folder, path)
        if hub is not None:
            found.setdefault(hub, []).append(path)
    return found


def _hub_of(tree: Tree, folder: str, path: str) -> str | None:
    names = path[len(folder) :].strip("/").split("/")[:-1]
    ways = [folder, *(joined(folder, "/".join(names[:n])) for n in range(1, len(names) + 1))]
    for way in ways:
        if tree.is_hub(way):
            return way
    for way in ways[1:]:
        if _DATED.search(way.rsplit("/", 1)[-1]):
            return way
    for outer, inner in itertools.pairwise(ways):
        if outer.rsplit("/", 1)[-1].lower() in _GENERIC:
            return inner
    return None
