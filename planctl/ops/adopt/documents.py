"""Which documents may say how the logs of an initiative were made."""

from __future__ import annotations

import re
from collections.abc import Iterable

from planctl._files import read_plain
from planctl.errors import GitError
from planctl.ops.adopt.notes import MAKEFILES, SHELL_FILES
from planctl.ops.adopt.places import Tree
from planctl.workspace import Workspace

_MAX_BYTES = 2_000_000
_MAX_DOCUMENTS = 300
_GUIDES = ("docs/TESTING_GUIDE.md", "TESTING_GUIDE.md", "TESTING.md", "docs/TESTING.md")
_GUIDE = re.compile(r"(?:^|/)[^/]*(?:COMMANDS|TESTING)[^/]*\.(?:md|txt|rst)$", re.IGNORECASE)


def documents_of(workspace: Workspace, tree: Tree, folder: str, name: str) -> list[str]:
    """Return the documents that may say how an initiative's logs were made, nearest first.

    Its own; the pages of commands; and every tracked text that names it.

    Args:
        workspace: The repository.
        tree: Its files.
        folder: The initiative's folder.
        name: Its id.
    """
    own = [path for path in tree.below(folder) if _is_document(path)]
    tracked = workspace.repo.ask("ls-files", "-z").decode("utf-8", "surrogateescape").split("\0")
    guides = [path for path in tracked if path in _GUIDES or _GUIDE.search(path)]
    naming = [path for path in _naming(workspace, {name, folder}) if _is_document(path)]
    scripts = [path for path in tracked if _is_script(path) and path.count("/") <= 2]
    found = dict.fromkeys([*own, *naming, *guides, *scripts])
    return [path for path in found if path][:_MAX_DOCUMENTS]


def _is_document(path: str) -> bool:
    return path.lower().endswith((".md", ".markdown", ".rst")) or _is_script(path)


def _is_script(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return name.endswith((*SHELL_FILES, ".mk")) or name in MAKEFILES


def _naming(workspace: Workspace, words: Iterable[str]) -> list[str]:
    patterns = [part for word in sorted(words) if word for part in ("-e", word)]
    if not patterns:
        return []
    try:
        found = workspace.repo.ask("grep", "-l", "-z", "-I", "-F", *patterns)
    except GitError:
        return []  # git grep ends with 1 when nothing is found
    return [path for path in found.decode("utf-8", "surrogateescape").split("\0") if path]


def text_of(workspace: Workspace, path: str) -> str | None:
    """Return the text of a file; None when it is gone, too large or no plain file."""
    try:
        return read_plain(workspace.root / path, _MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
