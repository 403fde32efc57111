"""Differences between commits, many at once: what lies between a turn's base and its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from planctl._git import Repository
from planctl._git_history import Change

Pair = tuple[str, str]
"""Two commits, the older first."""

_PLAIN = ("100644", "100755", "100664")
_NO_BLOB = "0"


@dataclass(frozen=True)
class AddedIn:
    """Where a path entered history.

    Attributes:
        commit: The commit that added it, and its `parents`.
        blob: What it added.
        when: The committer's time in seconds since 1970, as the commit says it.
    """

    commit: str
    parents: tuple[str, ...]
    blob: str
    when: int


def added_files(repo: Repository, globs: Sequence[str]) -> dict[str, AddedIn]:
    """Return where files first entered HEAD's history, deleted ones too; one walk.

    Args:
        repo: The repository.
        globs: Patterns over repository paths; `*` stops at `/`.

    Raises:
        GitError: Git failed.
    """
    if repo.head is None:
        return {}
    options = ("--no-renames", "--full-history", "--diff-filter=A", "--raw", "--no-abbrev")
    paths = [f":(glob){glob}" for glob in globs]
    output = repo.ask(
        *("-c", "log.showRoot=true", "log", "-z", "--format=%x01%H %ct %P", *options),
        *(repo.tip, "--", *paths),
        literal=False,
    )
    found: dict[str, AddedIn] = {}
    for part in output.decode("utf-8", "surrogateescape").split("\x01")[1:]:
        header, *fields = part.split("\0")
        commit, when, *parents = header.split()
        for meta, path in _raw(fields):
            # The walk goes back in time: what is found last came first.
            found[path] = AddedIn(commit, tuple(parents), meta[3], int(when))
    return found


def parents_between(repo: Repository, *revisions: str) -> dict[str, tuple[str, ...]]:
    """Return every commit of a walk with its parents; revisions as `git rev-list` takes them."""
    answer = repo.ask("rev-list", "--parents", *revisions, "--").decode("ascii")
    lines = (line.split() for line in answer.splitlines())
    return {commit: tuple(parents) for commit, *parents in lines}


def net_changes(repo: Repository, pairs: Iterable[Pair]) -> dict[Pair, tuple[Change, ...]]:
    """Return what lies between two commits, for many pairs; two processes for all of them.

    Changes that were taken back in between are none. Pairs with a commit that this clone lacks
    are left out.
    """
    found: dict[Pair, tuple[Change, ...]] = {}
    for pair, fields in _compared(repo, pairs, "--raw", "--no-abbrev"):
        found[pair] = tuple(_change(meta, path) for meta, path in _raw(fields))
    return found


def net_lines(repo: Repository, pairs: Iterable[Pair]) -> dict[Pair, dict[str, int]]:
    """Return how many lines were added or removed between two commits, by path, for many pairs.

    A binary file counts one line.
    """
    found: dict[Pair, dict[str, int]] = {}
    for pair, fields in _compared(repo, pairs, "--numstat"):
        lines = found[pair] = {}
        for field in filter(None, (item.lstrip("\n") for item in fields)):
            added, removed, path = field.split("\t", 2)
            lines[path] = 1 if added == "-" else int(added) + int(removed)
    return found


def _compared(
    repo: Repository, pairs: Iterable[Pair], *options: str
) -> Iterator[tuple[Pair, list[str]]]:
    """Yield each pair with the fields that `git diff-tree` prints for it."""
    wanted = list(dict.fromkeys(pairs))
    trees = _trees(repo, {commit for pair in wanted for commit in pair})
    known: dict[Pair, list[Pair]] = {}
    for pair in wanted:
        if pair[0] in trees and pair[1] in trees:
            known.setdefault((trees[pair[0]], trees[pair[1]]), []).append(pair)
    if not known:
        return
    asked = "".join(f"{old} {new}\n" for old, new in known)
    words = ("diff-tree", "--stdin", "-r", "-z", "--no-renames", "--no-ext-diff", *options)
    output = repo.ask(*words, stdin=asked).decode("utf-8", "surrogateescape")
    headers = {f"{old} {new}": (old, new) for old, new in known}
    fields: dict[Pair, list[str]] = {pair: [] for pair in known}
    here: list[str] = []
    for field in _split(output, headers):
        if field in headers:
            here = fields[headers[field]]
        else:
            here.append(field)
    for tree_pair, asking in known.items():
        for pair in asking:
            yield pair, fields[tree_pair]


def _split(output: str, headers: dict[str, Pair]) -> Iterator[str]:
    """Yield the fields of an answer; a pair's header ends in a line end, everything else in NUL."""
    for field in output.split("\0"):
        rest = field
        while (line := rest.partition("\n"))[1] and line[0] in headers:
            yield line[0]
            rest = line[2]
        if rest:
            yield rest


def _trees(repo: Repository, commits: set[str]) -> dict[str, str]:
    """Return the tree of each commit; those that this clone lacks are absent."""
    names = sorted(commits)
    if not names:
        return {}
    asked = "".join(f"{name}^{{tree}}\n" for name in names)
    answer = repo.ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
    lines = zip(names, answer.decode().splitlines(), strict=True)
    return {name: line.split()[0] for name, line in lines if line.endswith(" tree")}


def _raw(fields: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Yield each change of a raw diff: its fields, and its path."""
    kept = [item for item in (field.lstrip("\n") for field in fields) if item]
    for meta, path in zip(kept[::2], kept[1::2], strict=True):
        yield meta[1:].split(" "), path


def _change(meta: list[str], path: str) -> Change:
    old_mode, mode, old, new, _ = meta
    kind = old_mode if mode == "000000" else mode
    return Change(path, _blob(old), _blob(new), kind not in _PLAIN, kind)


def _blob(name: str) -> str | None:
    return name if name.strip(_NO_BLOB) else None


def blob_ids(repo: Repository, names: Iterable[str]) -> dict[str, str]:
    """Return the blob that each `COMMIT:PATH` names; what is not there is absent; one process."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    asked = "".join(f"{name}\n" for name in wanted)
    answer = repo.ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
    lines = zip(wanted, answer.decode("utf-8", "surrogateescape").splitlines(), strict=True)
    return {name: line.split()[0] for name, line in lines if line.endswith(" blob")}
