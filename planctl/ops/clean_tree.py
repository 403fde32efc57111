"""A clean work tree of one commit: outside the repository, and gone when it is done with."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from planctl._files import atomic_write, behind_link, read_plain
from planctl._git import Repository
from planctl.errors import PreconditionError

_PREFIX = "planctl-replay-"
_MARK = "repository"
_LOCK = "lock"
_GITLINK = "160000"
# Lists of folders in which programs look for code and libraries.
_PATH_LISTS = ("PYTHONPATH", "LD_LIBRARY_PATH", "PATH")


class CleanRoom:
    """A folder outside the repository in which clean work trees are made.

    Attributes:
        store: A folder for files that one tree hands to the next, by SHA-256.
    """

    def __init__(self, repo: Repository, place: Path) -> None:
        self._repo = repo
        self._place = place
        self._trees = 0
        self.store = place / "store"
        self.store.mkdir()

    @contextlib.contextmanager
    def tree(self, commit: str) -> Iterator[Path]:
        """Check a commit out into a repository of its own, for as long as the block runs.

        It borrows this repository's objects and has no other tie to it: no hooks, no settings of
        this clone.

        Args:
            commit: Its full id.

        Yields:
            The root of the work tree; its folder has the name of the repository's.

        Raises:
            PreconditionError: The commit is not in this clone.
            GitError: It cannot be checked out.
        """
        self._trees += 1
        root = self._place / f"tree-{self._trees}" / (self._repo.root.name or "repository")
        try:
            _check_out(self._repo, commit, root)
            _check_out_submodules(self._repo, commit, root)
            yield root
        finally:
            _remove(root.parent)


@contextlib.contextmanager
def clean_room(repo: Repository) -> Iterator[CleanRoom]:
    """Hold a folder for clean work trees while the block runs, and remove it afterwards.

    A note in git's own folder says where it lies. If planctl is killed, the note leads the next
    one to it (`remove_leftovers`); nothing else of this repository is touched.
    """
    place = Path(tempfile.gettempdir()).resolve() / f"{_PREFIX}{secrets.token_hex(6)}"
    note = _notes(repo) / place.name
    note.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(note, f"{place}\n")
    place.mkdir(mode=0o700)
    try:
        with FileLock(place / _LOCK):
            (place / _MARK).write_text(f"{repo.root}\n", "utf-8")
            yield CleanRoom(repo, place)
    finally:
        _remove(place)
        if not place.exists():
            note.unlink(missing_ok=True)


def remove_leftovers(repo: Repository) -> tuple[str, ...]:
    """Remove the work trees that a planctl left which was killed.

    Only what this module made is touched: a folder of this user with the right name, that says it
    belongs to this repository, and that no living process holds.

    Returns:
        The folders removed.
    """
    removed: list[str] = []
    for note in sorted(_notes(repo).glob(f"{_PREFIX}*")):
        place = Path(note.read_text("utf-8").strip())
        if place.name != note.name or not _is_ours(repo, place):
            if not os.path.lexists(place):
                note.unlink(missing_ok=True)
            continue
        with contextlib.suppress(Timeout), FileLock(place / _LOCK, timeout=0):
            _remove(place)
            removed.append(str(place))
            note.unlink(missing_ok=True)
    return tuple(removed)


def _notes(repo: Repository) -> Path:
    return repo.git_dir / "planctl" / "replay"


def _is_ours(repo: Repository, place: Path) -> bool:
    try:
        seen = place.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
            return False
        if set(os.listdir(place)) <= {_LOCK}:
            return True  # killed before it could say whose it is
        said = read_plain(place / _MARK, 10_000).decode("utf-8", "replace").strip()
    except OSError:
        return False
    return said == str(repo.root)


def _check_out(repo: Repository, commit: str, root: Path) -> None:
    # `git worktree add` would write into this repository, and leave that there when killed; a
    # clone would fetch. An empty repository that borrows objects can have any commit there is.
    if repo.resolve(commit) is None:
        raise PreconditionError(
            f"commit `{commit[:12]}` is not in this clone", "fetch the branch that holds it"
        )
    kind = ["--object-format=sha256"] if len(commit) == 64 else []
    repo.ask("init", "--quiet", "--template=", *kind, str(root))
    inside = root / ".git"
    (inside / "objects/info").mkdir(parents=True, exist_ok=True)
    objects = os.fsencode(_git_path(repo, "objects"))
    (inside / "objects/info/alternates").write_bytes(objects + b"\n")
    if (cut := _git_path(repo, "shallow")).is_file():
        shutil.copyfile(cut, inside / "shallow")
    here = ("-C", str(root), "-c", f"core.hooksPath={os.devnull}")
    tags = repo.ask("for-each-ref", "--format=create %(refname) %(objectname)", "refs/tags")
    repo.ask(*here, "update-ref", "--stdin", stdin=os.fsdecode(tags))
    repo.ask(*here, "checkout", "--quiet", "--detach", commit)


def _git_path(repo: Repository, name: str) -> Path:
    """Return where something of git's lies, also in a linked work tree."""
    told = repo.ask("-C", str(repo.root), "rev-parse", "--git-path", name)
    return (repo.root / os.fsdecode(told.rstrip(b"\n"))).resolve()


def _check_out_submodules(repo: Repository, commit: str, root: Path) -> None:
    """Bring the submodules that this clone has, each at the commit that the tree names."""
    for path, entry in repo.tree(commit).items():
        place = repo.root / path
        if entry.mode != _GITLINK or behind_link(repo.root, place) or not (place / ".git").exists():
            continue
        inner = Repository(place)
        # One that lacks the commit stays empty, as in a fresh clone.
        if inner.resolve(entry.blob) is not None:
            _check_out(inner, entry.blob, root / path)
            _check_out_submodules(inner, entry.blob, root / path)


def _remove(place: Path) -> None:
    """Remove a folder with all that commands left in it, also what they took write access from."""
    for folder, names, _ in os.walk(place):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)
    # A process that escaped may still write: what it leaves is found the next time.
    shutil.rmtree(place, ignore_errors=True)


def moved_environment(environment: Mapping[str, str], here: Path, there: Path) -> dict[str, str]:
    """Return an environment in which code is looked for in the clean tree, not in the work tree.

    Lists of folders below the work tree are turned to the same folders of the clean tree; what is
    installed from the work tree (editable) is put before it.

    Args:
        environment: As planctl has it.
        here: The root of the work tree.
        there: The root of the clean tree.
    """
    moved = dict(environment)
    for name in _PATH_LISTS:
        if name in moved:
            parts = moved[name].split(os.pathsep)
            moved[name] = os.pathsep.join(_turned(part, here, there) for part in parts)
    folders = [_turned(folder, here, there) for folder in _editable(here)]
    if folders:
        rest = [moved["PYTHONPATH"]] if moved.get("PYTHONPATH") else []
        moved["PYTHONPATH"] = os.pathsep.join([*folders, *rest])
    return moved


def _turned(folder: str, here: Path, there: Path) -> str:
    path = Path(folder)
    if not folder or not path.is_absolute() or not path.is_relative_to(here):
        return folder
    turned = there / path.relative_to(here)
    # What git does not have (a virtual environment) is only in the work tree.
    return str(turned) if turned.is_dir() else folder


def _editable(here: Path) -> list[str]:
    """Return the folders of the work tree from which this interpreter imports installed packages.

    `pip install --editable` puts them on the path, or hands them to a finder that setuptools
    generates; either way a console script would run the work tree's code, not the commit's.
    """
    inside = Path(sys.prefix)
    found = [entry for entry in sys.path if entry and Path(entry).is_absolute()]
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            found += [str(Path(path).parent) for path in _mapping(module)]
    below = [entry for entry in found if Path(entry).is_relative_to(here)]
    return list(dict.fromkeys(e for e in below if not Path(e).is_relative_to(inside)))


def _mapping(module: ModuleType) -> list[str]:
    mapping = getattr(module, "MAPPING", {})
    return [path for path in mapping.values() if isinstance(path, str)]
