"""Commits of chosen files: whatever else is staged or changed in the work tree stays as it is.

A commit is put together in an index of its own, so that the person's index is not touched before
the commit is there, and a hook that refuses leaves nothing to take back.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from planctl._git import Entry, Repository
from planctl._git_run import RefusedError, run_git
from planctl.errors import GitError

_TRIES = 4
_WAIT_S = 0.4
# More paths than these do not go on a command line: everything is asked for.
_FEW = 200
_RECORD = re.compile(r"^([0-9a-f]{40,64}) ?([0-9a-f ]*)$", re.MULTILINE)
_NOBODY = (
    "git config user.name 'Your Name' and git config user.email you@example.org say who commits"
)


class HookRefusedError(GitError):
    """Git did not commit: a hook refused, or a signature could not be made."""

    slug = "commit-refused"


def identity(repo: Repository) -> str:
    """Return who commits here, `Name <email>`.

    Raises:
        GitError: Git does not know who that is.
    """
    try:
        said = repo.ask("var", "GIT_COMMITTER_IDENT").decode("utf-8", "replace")
    except RefusedError as error:
        raise GitError("git does not know who you are", f"`{_NOBODY}`") from error
    return said.strip().rpartition(">")[0] + ">"


def store_files(repo: Repository, paths: Sequence[str]) -> dict[str, Entry]:
    """Put files of the work tree into git's store, as a commit would; what is gone is absent.

    Symbolic links are stored as links, and a folder that is a repository of its own is left out.
    """
    found = repo.work_tree_entries(paths)
    plain = [path for path, entry in found.items() if entry.mode.startswith("100")]
    odd = [path for path in plain if "\n" in path or "\r" in path or path.startswith('"')]
    if rest := [path for path in plain if path not in odd]:
        stdin = "".join(f"{path}\n" for path in rest)
        ids = repo.ask("hash-object", "-w", "--stdin-paths", stdin=stdin).decode().split()
        for path, blob in zip(rest, ids, strict=True):
            found[path] = Entry(found[path].mode, blob)
    for path in odd:
        blob = repo.ask("hash-object", "-w", "--", path).decode().strip()
        found[path] = Entry(found[path].mode, blob)
    for path, entry in list(found.items()):
        if entry.mode == "120000":
            target = os.fsencode(os.readlink(repo.root / path))
            found[path] = Entry(entry.mode, store_blob(repo, target))
        elif not entry.mode.startswith("100"):
            del found[path]
    return found


def store_blob(repo: Repository, content: bytes) -> str:
    """Put bytes into git's store as they are; return the blob's id."""
    stdin = content.decode("utf-8", "surrogateescape")
    return repo.ask("hash-object", "-w", "--no-filters", "--stdin", stdin=stdin).decode().strip()


def index_entries(repo: Repository, paths: Sequence[str]) -> dict[str, Entry]:
    """Return what is staged under some paths; what is not in the index is absent."""
    if not paths:
        return {}
    wanted = set(paths)
    found: dict[str, Entry] = {}
    few = paths if len(paths) < _FEW else ()
    listed = repo.ask("ls-files", "--stage", "-z", "--", *few)
    for record in listed.decode("utf-8", "surrogateescape").split("\0"):
        meta, _, path = record.partition("\t")
        if path in wanted:
            mode, blob, _ = meta.split(" ")
            found[path] = Entry(mode, blob)
    return found


def commit_entries(
    repo: Repository, entries: Mapping[str, Entry | None], message: str, mark: str
) -> str:
    """Make one commit on top of HEAD: its tree with some entries changed, nothing else.

    Hooks run, and see just these changes. When somebody else commits in the same moment the commit
    is put together again on top of theirs.

    Args:
        repo: The repository.
        entries: Path → what it shall be; None takes it out.
        message: The message, trailers included.
        mark: A word of the message that no other commit has.

    Returns:
        The id of the commit.

    Raises:
        HookRefusedError: A hook, or the signing of the commit, refused.
        GitError: Somebody else commits all the time.
    """
    for _ in range(_TRIES):
        parent = _head(repo)
        with _own_index(repo) as environment:
            repo_index = _Index(repo, environment)
            repo_index.run("read-tree", "--reset", parent)
            info = _index_info(entries, len(parent))
            repo_index.run("update-index", "-z", "--index-info", stdin=info)
            try:
                repo_index.run(
                    *("commit", "--quiet", "--file=-", "--cleanup=whitespace"), stdin=message
                )
            except RefusedError as error:
                if _head(repo) != parent or "cannot lock ref" in error.detail:
                    continue
                raise _refusal(error) from error
        made, base = _ours(repo, parent, mark)
        if base == parent:
            return made
        # HEAD moved between the look and the commit: what came in between must not be undone.
        repo.ask("update-ref", "-m", "planctl: taken back", "HEAD", base, made)
    raise GitError("HEAD moves all the time", "wait until the others have committed; try again")


def _head(repo: Repository) -> str:
    found = repo.resolve("HEAD")
    if found is None:
        raise GitError("HEAD names no commit", "commit something first")
    return found


def _refusal(error: RefusedError) -> HookRefusedError:
    detail = " ".join(error.detail.split()) or f"git commit ended with {error.status}"
    return HookRefusedError(
        f"git did not commit: {detail}",
        "a hook of this repository, or the signing of commits, refused; nothing was committed, and "
        "what planctl had written is taken back. Mend what it names and close the turn again",
    )


class _Index:
    """Git, asked with an index of its own."""

    def __init__(self, repo: Repository, environment: Mapping[str, str]) -> None:
        self._repo = repo
        self._environment = environment

    def run(self, *words: str, stdin: str = "") -> bytes:
        return run_git(self._repo.root, *words, stdin=stdin, word=words[0], env=self._environment)


@contextlib.contextmanager
def _own_index(repo: Repository) -> Iterator[dict[str, str]]:
    """Yield the environment of a copy of the index: its stat data spares git reading all files."""
    folder = repo.git_dir / "planctl"
    folder.mkdir(parents=True, exist_ok=True)
    remove_own_indexes(repo)
    place = folder / f"turn-index.{os.getpid()}"
    real = _index_path(repo)
    if real.is_file():
        shutil.copyfile(real, place)
    try:
        yield {
            "GIT_INDEX_FILE": str(place),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_EDITOR": ":",
            # Empty means now: a turn's commit has one clock, whatever its caller has set.
            "GIT_AUTHOR_DATE": "",
            "GIT_COMMITTER_DATE": "",
        }
    finally:
        for name in (place, place.with_name(place.name + ".lock")):
            name.unlink(missing_ok=True)


def remove_own_indexes(repo: Repository) -> None:
    """Remove the indexes of a planctl that was killed; the caller's lock lets one commit here."""
    for left in (repo.git_dir / "planctl").glob("turn-index.*"):
        left.unlink(missing_ok=True)


def _index_path(repo: Repository) -> Path:
    return repo.git_dir / "index"


def _index_info(entries: Mapping[str, Entry | None], digits: int) -> str:
    lines = []
    for path, entry in entries.items():
        if entry is None:
            lines.append(f"0 {'0' * digits}\t{path}\0")
        else:
            lines.append(f"{entry.mode} {entry.blob}\t{path}\0")
    return "".join(lines)


def _ours(repo: Repository, parent: str, mark: str) -> tuple[str, str]:
    """Return the commit that was just made, and its first parent."""
    words = ("log", "--format=%H %P", "--fixed-strings", f"--grep={mark}", f"{parent}..HEAD")
    found = _RECORD.findall(repo.ask(*words).decode())
    if not found:
        raise GitError(
            "the commit that git made cannot be found", "`git log -3` shows what there is"
        )
    made, parents = found[-1]
    return made, parents.split(" ")[0]


def update_index(repo: Repository, entries: Mapping[str, Entry | None]) -> bool:
    """Write some entries into the person's index, whatever else is staged there.

    Returns:
        False when another git held the index for seconds: it is as it was.
    """
    for attempt in range(_TRIES):
        try:
            info = _index_info(entries, len(_head(repo)))
            repo.ask("update-index", "-z", "--index-info", stdin=info)
            break
        except RefusedError as error:
            if "index.lock" not in error.detail or attempt == _TRIES - 1:
                if "index.lock" in error.detail:
                    return False
                raise
            time.sleep(_WAIT_S * (attempt + 1))
    # Fills in stat data, so that the next `git status` need not read the files.
    with contextlib.suppress(RefusedError):
        repo.ask("update-index", "-q", "--refresh")
    return True


def committed_entries(
    repo: Repository, commit: str
) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return what a commit changed beside its first parent: path → before and after."""
    words = ("diff-tree", "-r", "--raw", "--no-abbrev", "--no-renames", "-z")
    output = repo.ask(*words, f"{commit}^", commit).decode("utf-8", "surrogateescape")
    fields = [item for item in output.split("\0") if item]
    found: dict[str, tuple[Entry | None, Entry | None]] = {}
    for meta, path in zip(fields[::2], fields[1::2], strict=True):
        old_mode, mode, old, new, _ = meta[1:].split(" ")
        found[path] = (_existing(old_mode, old), _existing(mode, new))
    return found


def _existing(mode: str, blob: str) -> Entry | None:
    return Entry(mode, blob) if blob.strip("0") else None


def messages(repo: Repository, *revisions: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return commit → its parents and whole message, newest first; one process.

    Args:
        repo: The repository.
        revisions: As `git log` takes them.
    """
    output = repo.ask("log", "-z", "--format=%H %P%n%B", *revisions, "--")
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for record in output.decode("utf-8", "replace").split("\0"):
        head, _, body = record.partition("\n")
        if head:
            commit, *parents = head.split()
            found[commit] = (tuple(parents), body)
    return found
