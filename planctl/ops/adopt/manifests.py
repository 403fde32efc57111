"""Commands that were kept in a file beside the log."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planctl._statements import statements, unescaped
from planctl.models.adoption import Source
from planctl.ops.adopt.documents import text_of
from planctl.ops.adopt.logs import NOTES, Log
from planctl.ops.adopt.notes import is_command
from planctl.workspace import Workspace

_SUFFIXES = (".cmd", ".cmd.txt", ".command", ".sh")
_KEYS = ("command", "cmd", "command_line", "argv")
_MAX_CHARS = 1_000_000


def kept_beside(
    workspace: Workspace, logs: Sequence[Log], files: Sequence[str]
) -> dict[str, tuple[str, Source]]:
    """Return path of a log → the command that a file beside it holds.

    A file of the log's own name (`train.cmd`) counts for it; `command.txt`, `run.sh` and JSON
    files with a key such as `command` count where only one log lies.

    Args:
        workspace: The repository.
        logs: The logs.
        files: Every file of the folders of evidence.
    """
    there = frozenset(files)
    by_folder: dict[str, list[str]] = {}
    for path in files:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    folders = Counter(log.path.rpartition("/")[0] for log in logs)
    found: dict[str, tuple[str, Source]] = {}
    for log in logs:
        folder = log.path.rpartition("/")[0]
        alone = folders[folder] == 1
        for path in _places(log, folder, alone, there, by_folder):
            answer = _command_in(workspace, path)
            if answer is not None:
                found[log.path] = answer
                break
    return found


def _places(
    log: Log, folder: str, alone: bool, there: frozenset[str], by_folder: Mapping[str, list[str]]
) -> Iterator[str]:
    stem = log.path.rpartition(".")[0] or log.path
    yield from (f"{stem}{suffix}" for suffix in _SUFFIXES if f"{stem}{suffix}" in there)
    if alone:
        yield from (f"{folder}/{name}" for name in NOTES if f"{folder}/{name}" in there)
        yield from (path for path in by_folder[folder] if path.endswith(".json"))


def _command_in(workspace: Workspace, path: str) -> tuple[str, Source] | None:
    text = text_of(workspace, path)
    if text is None or len(text) > _MAX_CHARS:
        return None
    if path.endswith(".json"):
        return _in_json(path, text)
    commands = [item for item in statements(unescaped(text)) if is_command(item)]
    if len(commands) != 1:
        return None
    return commands[0].core, Source(path, commands[0].line, "kept beside the log")


def _in_json(path: str, text: str) -> tuple[str, Source] | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None  # an artifact, not a note
    if not isinstance(value, dict):
        return None
    for key in _KEYS:
        said = value.get(key)
        if isinstance(said, list) and said and all(isinstance(word, str) for word in said):
            front = ["python"] if said[0].endswith(".py") else []
            said = shlex.join([*front, *said])
        if isinstance(said, str) and any(map(is_command, statements(said))):
            line = 1 + text[: max(text.find(f'"{key}"'), 0)].count("\n")
            return said.strip(), Source(path, line, f"`{key}` kept beside the log")
    return None
