"""Git, asked in bulk: one process per question, never one per file or per commit."""

from __future__ import annotations

import copy
import datetime as dt
import io
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from planctl._files import git_blob_id
from planctl._git_run import ENVIRONMENT, OPTIONS, RefusedError, missing_git, run_git
from planctl.errors import GitError

if TYPE_CHECKING:
    import git

_T = TypeVar("_T")
_GITLINK = "160000"
# `git hash-object --stdin-paths` cannot be asked about these.
_ODD_NAME = re.compile(r'[\r\n]|^"')
_LAST_SECOND = 253_370_764_799  # 9998-12-31T23:59:59Z: who compares adds minutes
_HEADER = re.compile(r"\x01([0-9a-f]{40,64}) (-?\d+) (-?\d+)")
_IN_PROGRESS = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}


class Entry(NamedTuple):
    """A tracked file: git mode (`100644`) and blob id."""

    mode: str
    blob: str


@dataclass(frozen=True)
class Commit:
    """A commit's id, author and committer time (UTC)."""

    id: str
    authored: dt.datetime
    committed: dt.datetime


@dataclass(frozen=True)
class Added:
    """Where a path first entered history: the commit and the blob it brought.

    Attributes:
        later: What commits after it made of the path, newest first: nearly always nothing.
    """

    commit: Commit
    blob: str
    later: tuple[Added, ...] = ()


class Repository:
    """One git repository, as it is now.

    Args:
        start: A folder inside the work tree.

    Raises:
        GitError: No repository, a bare one, or git refuses it.
    """

    def __init__(self, start: Path) -> None:
        where = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        try:
            found = _lines(run_git(start, "rev-parse", *where))
            if len(found) != len(where):  # a name with a line end in it
                found = ["\n".join(_lines(run_git(start, "rev-parse", word))) for word in where]
        except RefusedError as error:
            if "work tree" in error.detail:
                way = "run planctl in a clone with a work tree"
                raise GitError("the repository is bare", way) from error
            if "not a git repository" not in error.detail:
                raise
            raise GitError(
                f"`{start}` is not inside a git repository", "run `git init` or change folder"
            ) from error
        root, git_dir, common_dir = found
        self.root = Path(root)
        self.git_dir = Path(git_dir)
        """Git's own folder for this work tree: a place for locks, never committed."""
        self.common_dir = (start.absolute() / common_dir).resolve()
        """The folder that all work trees of this repository share."""
        self.tip = "HEAD"
        self._settled: dict[tuple[object, ...], object] = {}
        """Answers about commits named by their full ids, and about the history of `head`: no later
        answer is another."""

    @cached_property
    def _repo(self) -> git.Repo:
        """GitPython's repository, for what is streamed; loading it costs as much as a verdict."""
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import git

        repo = git.Repo(self.root)
        repo.git.update_environment(**ENVIRONMENT)
        return repo

    def at(self, commit: str) -> Repository:
        """Return the repository as a clean clone of one commit would see it.

        History ends at the commit, `head` is its id, and nothing differs from it.

        Args:
            commit: A full commit id of this clone.
        """
        past = copy.copy(self)
        past.__dict__["head"] = commit  # known already: nothing to ask
        past.tip = commit
        return past

    def once(self, key: tuple[object, ...], make: Callable[[], _T]) -> _T:
        """Return an answer that is asked for once.

        Args:
            key: What is asked: it names commits by their full ids, so that no later answer could
                be another.
            make: Asks.
        """
        if key not in self._settled:
            self._settled[key] = make()
        return cast("_T", self._settled[key])

    def ask(self, *words: str, stdin: str = "", literal: bool = True) -> bytes:
        """Return git's answer to one bulk question; for the modules that read history.

        Args:
            words: The git command after `git`.
            stdin: What it reads.
            literal: Paths mean themselves; False lets patterns through.

        Raises:
            GitError: Git refused.
        """
        return self._ask(*words, stdin=stdin, literal=literal)

    def _ask(self, *words: str, stdin: str = "", literal: bool = True) -> bytes:
        pathspecs = ("--literal-pathspecs",) if literal else ()
        return run_git(self.root, *pathspecs, *OPTIONS, *words, stdin=stdin, word=words[0])

    def process(self, *words: str) -> subprocess.Popen[bytes]:
        """Start git and return it with open pipes, for answers too long to hold at once.

        A process that is dropped before it ends is ended. `finished` waits for it.
        """
        repo = self._repo
        from git.exc import GitCommandNotFound

        try:
            started = repo.git.execute(
                ["git", "--literal-pathspecs", *OPTIONS, *words],
                as_process=True,
                istream=subprocess.PIPE,
            )
        except GitCommandNotFound as error:
            raise missing_git() from error
        return cast("subprocess.Popen[bytes]", started)

    def finished(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a started git ends.

        Raises:
            GitError: It failed.
        """
        from git.exc import GitCommandError

        try:
            process.wait()
        except GitCommandError as error:
            raise RefusedError("command", error.status, str(error.stderr)) from error
        finally:
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def ask_if(self, *words: str) -> bytes | None:
        """Ask where git says no with 1; None then."""
        try:
            return self._ask(*words)
        except RefusedError as error:
            if error.status == 1:
                return None
            raise

    @cached_property
    def head(self) -> str | None:
        """Full id of HEAD, or None in a repository without commits.

        Raises:
            GitError: The commit it names is not there.
        """
        found = self.resolve(self.tip)
        named = None if found else self.ask_if("rev-parse", "--verify", "--quiet", self.tip)
        if named is not None:
            raise GitError(
                f"the commit of `{self.tip}`, {named.decode()[:12]}, is not in this clone",
                "`git fsck` says what is lost; `git fetch` may bring it back",
            )
        return found

    @property
    def branch(self) -> str | None:
        """Name of the branch, or None when HEAD is detached."""
        found = self.ask_if("symbolic-ref", "--quiet", "--short", "HEAD")
        return None if found is None else found.decode("utf-8", "backslashreplace").strip()

    def in_progress(self) -> str | None:
        """Name what git is in the middle of (`a rebase`), or None."""
        for name, what in _IN_PROGRESS.items():
            if (self.git_dir / name).exists():
                return what
        return None

    def paths_on_branches(self, folder: str) -> frozenset[str]:
        """Return the paths below a folder on any local or remote branch of this clone."""
        refs = self._ask("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        asked = "".join(f"{ref}:{folder}\n" for ref in os.fsdecode(refs).split())
        if not asked:
            return frozenset()
        answer = self._ask("cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked)
        trees = {line[5:] for line in os.fsdecode(answer).split("\n") if line.startswith("tree ")}
        return frozenset(
            f"{folder}/{name}"
            for tree in sorted(trees)
            for name in _records(self._ask("ls-tree", "-r", "-z", "--name-only", tree))
        )

    def resolve(self, revision: str) -> str | None:
        """Return the full commit id of a revision, or None if this clone has no such commit.

        Raises:
            GitError: Git refused to look, which says nothing of the commit.
        """
        if ("commit", revision) in self._settled:
            return revision
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        found = self.ask_if(*words)
        full = None if found is None else found.decode().strip() or None
        if full is not None:
            self._settled["commit", full] = True
        return full

    def tree(self, revision: str) -> dict[str, Entry]:
        """Return every tracked file of a commit: path → mode and blob id."""
        entries: dict[str, Entry] = {}
        for record in _records(self._ask("ls-tree", "-r", "-z", "--full-tree", revision)):
            meta, path = record.split("\t", 1)
            mode, _, blob = meta.split(" ")
            entries[path] = Entry(mode, blob)
        return entries

    def changed_paths(self) -> list[str]:
        """Return paths that differ from HEAD in the index or work tree, new ones included.

        A new folder that is a repository of its own is one path.
        """
        if self.tip != "HEAD":
            return []
        options = ("--no-renames", "--untracked-files=all", "--ignore-submodules=none")
        records = _records(self._ask("status", "--porcelain=v1", "-z", *options))
        return [record[3:].rstrip("/") for record in records]

    def ignored_paths(self) -> list[str]:
        """Return what lies in the work tree and git ignores; whole folders end with `/`."""
        options = ("--others", "--ignored", "--exclude-standard", "--directory")
        return _records(self._ask("ls-files", "-z", *options))

    def work_tree_entries(self, paths: Sequence[str]) -> dict[str, Entry]:
        """Return mode and blob id of paths as they are on disk; what is gone is absent.

        Clean filters (line ends, LFS) apply as for a commit. A folder with a repository of its own
        (a submodule) counts with its commit, marked when it has changes of its own.
        """
        found: dict[str, Entry] = {}
        plain: list[str] = []
        for path in paths:
            place = self.root / path
            if place.is_symlink():
                found[path] = Entry("120000", git_blob_id(place, self._hash))
            elif place.is_file() and _ODD_NAME.search(path) is None:
                plain.append(path)
            elif place.is_file():
                found[path] = Entry(_mode(place), git_blob_id(place, self._hash))
            elif (place / ".git").exists():
                found[path] = Entry(_GITLINK, self._commit_in(path))
        if plain:
            found |= self._hashed(plain)
        return found

    def _hashed(self, paths: list[str]) -> dict[str, Entry]:
        try:
            ids = self._ask("hash-object", "--stdin-paths", stdin="\n".join(paths) + "\n")
        except RefusedError:
            left = [path for path in paths if (self.root / path).is_file()]
            if len(left) == len(paths):
                raise
            # Somebody removed files between two looks: they are gone, and that is an answer.
            return self._hashed(left) if left else {}
        blobs = zip(paths, ids.decode().split(), strict=True)
        return {path: Entry(_mode(self.root / path), blob) for path, blob in blobs}

    @property
    def _hash(self) -> str:
        return "sha256" if len(self.head or "") == 64 else "sha1"

    def _commit_in(self, path: str) -> str:
        try:
            commit = self._ask("-C", path, "rev-parse", "--verify", "HEAD").decode().strip()
        except GitError:
            return "no commit"
        changed = self._ask("-C", path, "status", "--porcelain", "--untracked-files=all")
        return f"{commit}, changed" if changed else commit

    def diff(self, paths: Sequence[str]) -> bytes:
        """Return `git diff HEAD` over some paths."""
        return self._ask("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--", *paths)

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Tell whether `commit` contains `ancestor`."""
        key = ("contains", ancestor, commit)
        if key in self._settled:
            return bool(self._settled[key])
        found = self.ask_if("merge-base", "--is-ancestor", ancestor, commit) is not None
        if all(("commit", name) in self._settled for name in (ancestor, commit)):
            self._settled[key] = found
        return found

    def last_changes(self, paths: Iterable[str]) -> dict[str, Commit]:
        """Return the newest commit that touched each path, in one walk."""
        wanted = set(paths)
        found: dict[str, Commit] = {}
        if not wanted or self.head is None:
            return found
        for commit, touched in self._walk("--name-only", sorted(wanted)):
            for path in touched:
                if path in wanted:
                    found.setdefault(path, commit)
        return found

    def last_changes_below(self, paths: Sequence[str]) -> dict[str, Commit]:
        """Return the newest commit that touched each path or anything below it, in one walk."""
        found: dict[str, Commit] = {}
        if not paths or self.head is None:
            return found
        for commit, touched in self._walk("--name-only", list(paths)):
            for path in paths:
                if path not in found and any(_is_below(item, path) for item in touched):
                    found[path] = commit
        return found

    def first_added(self, paths: Sequence[str], globs: bool = False) -> dict[str, Added]:
        """Return where each path (or each file below a folder) entered history, in one walk.

        Args:
            paths: Paths, folders, or (with `globs`) patterns in which `*` stops at `/`.
            globs: How to read `paths`.
        """
        if not paths or self.head is None:
            return {}
        added = self.once(("added", self.head, *paths, globs), lambda: self._added(paths, globs))
        return dict(added)

    def _added(self, paths: Sequence[str], globs: bool) -> dict[str, Added]:
        found: dict[str, Added] = {}
        later: dict[str, tuple[Added, ...]] = {}
        words = ("--raw", "--no-abbrev", "--diff-filter=AM", "--full-history")
        wanted = [f":(glob){path}" for path in paths] if globs else paths
        for commit, touched in self._walk(*words, wanted, literal=not globs):
            for meta, path in zip(touched[::2], touched[1::2], strict=True):
                *_, blob, status = meta.split(" ")
                after = later.get(path, ())
                if status == "A":
                    found[path] = Added(commit, blob, after)
                later[path] = (*after, Added(commit, blob))
        return found

    def _walk(
        self, *words: str | Sequence[str], literal: bool = True
    ) -> Iterator[tuple[Commit, list[str]]]:
        *options, paths = words
        flags = [option for option in options if isinstance(option, str)]
        log = ("log", "-z", "--no-renames", "--format=%x01%H %at %ct", *flags)
        output = self._ask(*log, self.tip, "--", *paths, literal=literal)
        commit: Commit | None = None
        touched: list[str] = []
        for record in output.decode("utf-8", "surrogateescape").split("\0"):
            header = _HEADER.fullmatch(record)
            if header is None:
                touched += [item] if (item := record.lstrip("\n")) else []
                continue
            if commit is not None:
                yield commit, touched
            commit, touched = _commit(*header.groups()), []
        if commit is not None:
            yield commit, touched

    def commits(self, ids: Iterable[str]) -> dict[str, Commit]:
        """Return what is known of commits by id; unknown ids are absent."""
        wanted = sorted({item for item in ids if item})
        asked = [item for item in wanted if ("about", item) not in self._settled]
        for commit in self._about(asked):
            self._settled["about", commit.id] = commit
        found = ((item, self._settled.get(("about", item))) for item in wanted)
        return {item: commit for item, commit in found if isinstance(commit, Commit)}

    def _about(self, ids: Sequence[str]) -> Iterator[Commit]:
        if not ids:
            return
        form = "--batch-check=%(objectname) %(objecttype)"
        lines = self._ask("cat-file", form, stdin="\n".join(ids) + "\n").decode()
        known = [line.split()[0] for line in lines.splitlines() if line.endswith(" commit")]
        if not known:
            return
        format_ = ("-z", "--format=%x01%H %at %ct")
        output = self._ask("log", "--no-walk=unsorted", *format_, "--stdin", stdin="\n".join(known))
        matches = map(_HEADER.fullmatch, output.decode().split("\0"))
        yield from (_commit(*match.groups()) for match in matches if match)

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of blobs by id; what this clone lacks is absent."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        stream = io.BytesIO(self._ask("cat-file", "--batch", stdin="\n".join(wanted) + "\n"))
        found: dict[str, bytes] = {}
        for _ in wanted:
            name, *rest = stream.readline().decode().split()
            if len(rest) == 2:  # type and size; else `missing`
                found[name] = stream.read(int(rest[1]) + 1)[:-1]
        return found


def _lines(output: bytes) -> list[str]:
    return os.fsdecode(output).removesuffix("\n").split("\n")


def _mode(place: Path) -> str:
    return "100755" if os.access(place, os.X_OK) else "100644"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _commit(commit_id: str, authored: str, committed: str) -> Commit:
    return Commit(commit_id, _time(authored), _time(committed))


def _time(seconds: str) -> dt.datetime:
    # A commit may claim any number; what no calendar holds is the nearest time that it does.
    return dt.datetime.fromtimestamp(min(max(int(seconds), 0), _LAST_SECOND), dt.UTC)


def _records(output: bytes) -> list[str]:
    return [item for item in output.decode("utf-8", "surrogateescape").split("\0") if item]
