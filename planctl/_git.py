"""Git, asked in bulk: one process per question, never one per file or per commit."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import git
from git.exc import GitCommandError, GitCommandNotFound, InvalidGitRepositoryError, NoSuchPathError

from planctl._files import git_blob_id
from planctl.errors import GitError

_NO_LOCKS = {"GIT_OPTIONAL_LOCKS": "0"}
_IN_PROGRESS = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}


@dataclass(frozen=True)
class Entry:
    """A tracked file: git mode (`100644`) and blob id."""

    mode: str
    blob: str


@dataclass(frozen=True)
class Commit:
    """A commit's id, author and committer time (UTC) and subject line."""

    id: str
    authored: dt.datetime
    committed: dt.datetime
    subject: str


@dataclass(frozen=True)
class Added:
    """Where a path first entered history: the commit and the blob it brought."""

    commit: Commit
    blob: str


class Repository:
    """One git repository, as it is now.

    Args:
        start: A folder inside the work tree.

    Raises:
        GitError: No repository, a bare one, or git refuses it.
    """

    def __init__(self, start: Path) -> None:
        try:
            self._repo = git.Repo(start, search_parent_directories=True)
        except (InvalidGitRepositoryError, NoSuchPathError) as error:
            raise GitError(
                f"`{start}` is not inside a git repository", "run `git init` or change folder"
            ) from error
        except GitCommandNotFound as error:
            raise GitError("`git` is not installed", "install git and try again") from error
        if self._repo.working_tree_dir is None:
            raise GitError("the repository is bare", "run planctl in a clone with a work tree")
        self.root = Path(self._repo.working_tree_dir)

    def _ask(self, *words: str, stdin: str = "") -> bytes:
        with tempfile.TemporaryFile() as stream:
            stream.write(stdin.encode("utf-8", "surrogateescape"))
            stream.seek(0)
            try:
                answer = self._repo.git.execute(
                    ["git", "--literal-pathspecs", *words],
                    istream=stream,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    env=_NO_LOCKS,
                )
            except GitCommandError as error:
                detail = str(error.stderr).strip().removeprefix("stderr:").strip(" '\n")
                raise GitError(f"git {words[0]} failed: {detail}") from error
        return bytes(answer)

    @cached_property
    def head(self) -> str | None:
        """Full id of HEAD, or None in a repository without commits."""
        return self.resolve("HEAD")

    @property
    def branch(self) -> str | None:
        """Name of the branch, or None when HEAD is detached."""
        return None if self._repo.head.is_detached else self._repo.active_branch.name

    def in_progress(self) -> str | None:
        """Name what git is in the middle of (`a rebase`), or None."""
        for name, what in _IN_PROGRESS.items():
            if (self.git_dir / name).exists():
                return what
        return None

    @property
    def git_dir(self) -> Path:
        """Git's own folder for this work tree: a place for locks, never committed."""
        return Path(self._repo.git_dir)

    def paths_on_branches(self, folder: str) -> frozenset[str]:
        """Return the paths below a folder on any local or remote branch of this clone."""
        refs = self._ask("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        asked = "".join(f"{ref}:{folder}\n" for ref in refs.decode().split())
        if not asked:
            return frozenset()
        answer = self._ask("cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked)
        trees = {line[5:] for line in answer.decode().splitlines() if line.startswith("tree ")}
        return frozenset(
            f"{folder}/{name}"
            for tree in sorted(trees)
            for name in _records(self._ask("ls-tree", "-r", "-z", "--name-only", tree))
        )

    def resolve(self, revision: str) -> str | None:
        """Return the full commit id of a revision, or None if this clone has no such commit."""
        try:
            found = self._ask(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except GitError:
            return None
        return found.decode().strip() or None

    def tree(self, revision: str) -> dict[str, Entry]:
        """Return every tracked file of a commit: path → mode and blob id."""
        entries: dict[str, Entry] = {}
        for record in _records(self._ask("ls-tree", "-r", "-z", "--full-tree", revision)):
            meta, path = record.split("\t", 1)
            mode, _, blob = meta.split(" ")
            entries[path] = Entry(mode, blob)
        return entries

    def changed_paths(self) -> list[str]:
        """Return paths that differ from HEAD in the index or work tree, new ones included."""
        found: list[str] = []
        records = _records(
            self._ask("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
        )
        for record in records:
            found.append(record[3:])
        return found

    def work_tree_entries(self, paths: Sequence[str]) -> dict[str, Entry]:
        """Return mode and blob id of paths as they are on disk; what is gone is absent.

        Clean filters (line ends, LFS) apply as for a commit.
        """
        found: dict[str, Entry] = {}
        plain: list[str] = []
        for path in paths:
            place = self.root / path
            if place.is_symlink():
                found[path] = Entry("120000", git_blob_id(place))
            elif place.is_file() and "\n" not in path:
                plain.append(path)
            elif place.is_file():
                found[path] = Entry(_mode(place), git_blob_id(place))
        if plain:
            ids = self._ask("hash-object", "--stdin-paths", stdin="\n".join(plain) + "\n")
            for path, blob in zip(plain, ids.decode().split(), strict=True):
                found[path] = Entry(_mode(self.root / path), blob)
        return found

    def diff(self, paths: Sequence[str]) -> bytes:
        """Return `git diff HEAD` over some paths."""
        return self._ask("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--", *paths)

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Tell whether `commit` contains `ancestor`."""
        # GitPython hands both to `git merge-base` as they are: ids will do.
        return self._repo.is_ancestor(ancestor, commit)  # type: ignore[arg-type]

    def descendants(self, ancestor: str, tip: str = "HEAD") -> frozenset[str]:
        """Return the commits reachable from `tip` that contain `ancestor`, itself included."""
        listed = self._ask("rev-list", "--ancestry-path", f"{ancestor}..{tip}").decode().split()
        reachable = bool(listed) or self.resolve(tip) == ancestor
        return frozenset([*listed, ancestor]) if reachable else frozenset()

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

    def first_added(self, paths: Sequence[str]) -> dict[str, Added]:
        """Return where each path (or each file below a folder) entered history, in one walk."""
        found: dict[str, Added] = {}
        if not paths or self.head is None:
            return found
        options = ("--raw", "--no-abbrev", "--diff-filter=A", "--full-history")
        for commit, touched in self._walk(*options, paths):
            for meta, path in zip(touched[::2], touched[1::2], strict=True):
                found[path] = Added(commit, meta.split(" ")[3])
        return found

    def _walk(self, *words: str | Sequence[str]) -> Iterator[tuple[Commit, list[str]]]:
        *options, paths = words
        flags = [option for option in options if isinstance(option, str)]
        output = self._ask(
            "log", "-z", "--no-renames", "--format=%x01%H %at %ct %s", *flags, "--", *paths
        )
        for block in output.decode("utf-8", "surrogateescape").split("\x01")[1:]:
            head, *touched = block.split("\0")
            yield _commit(head), [item.lstrip("\n") for item in touched if item.strip("\n")]

    def commits(self, ids: Iterable[str]) -> dict[str, Commit]:
        """Return what is known of commits by id; unknown ids are absent."""
        wanted = sorted({item for item in ids if item})
        if not wanted:
            return {}
        lines = self._ask(
            "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin="\n".join(wanted) + "\n"
        ).decode()
        known = [line.split()[0] for line in lines.splitlines() if line.endswith(" commit")]
        if not known:
            return {}
        output = self._ask("log", "--no-walk=unsorted", "-z", "--format=%H %at %ct %s", *known)
        found = (_commit(line) for line in output.decode("utf-8", "replace").split("\0") if line)
        return {commit.id: commit for commit in found}

    def blob(self, blob_id: str) -> bytes:
        """Return a blob's bytes."""
        return self._ask("cat-file", "blob", blob_id)


def _mode(place: Path) -> str:
    return "100755" if os.access(place, os.X_OK) else "100644"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _commit(line: str) -> Commit:
    commit_id, authored, committed, subject = (line.rstrip("\n") + " ").split(" ", 3)
    return Commit(
        commit_id,
        dt.datetime.fromtimestamp(int(authored), dt.UTC),
        dt.datetime.fromtimestamp(int(committed), dt.UTC),
        subject.strip(),
    )


def _records(output: bytes) -> list[str]:
    return [item for item in output.decode("utf-8", "surrogateescape").split("\0") if item]
