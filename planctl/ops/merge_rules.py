"""The lines of `.gitattributes` that let branches with evidence merge without conflict."""

from __future__ import annotations

from pathlib import Path

from planctl._files import atomic_write
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, LEDGER, Workspace

# Evidence is kept byte for byte on every system; files with one line an entry join line by line
# when branches merge. `union` is built into git: no clone has to set anything up.
MERGE_RULES = (
    f"{ACTIVE}/*/reports/** -text",
    f"{ACTIVE}/**/artifact_inventory.* merge=union",
    f"{ACTIVE}/**/summary.md merge=union",
    f"{LEDGER} merge=union",
)


def ensure_merge_rules(workspace: Workspace) -> tuple[str, ...]:
    """Add what `.gitattributes` lacks so that branches with evidence merge without conflict.

    Returns:
        The lines that were added; empty when all were there.
    """
    path = workspace.root / ".gitattributes"
    if not _missing(path, MERGE_RULES):
        return ()
    with write_lock(workspace, "merge rules"):
        return append_lines(path, MERGE_RULES)


def _missing(path: Path, lines: tuple[str, ...]) -> list[str]:
    return _lacking(path.read_bytes() if path.is_file() else b"", lines)


def _lacking(content: bytes, lines: tuple[str, ...]) -> list[str]:
    known = {line.strip() for line in content.decode("utf-8", "replace").splitlines()}
    return [line for line in lines if line not in known]


def append_lines(path: Path, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Add the lines a file lacks at its end; return them."""
    old = path.read_bytes() if path.is_file() else b""
    missing = _lacking(old, lines)
    if missing:
        atomic_write(path, with_lines(old, lines))
    return tuple(missing)


def with_lines(old: bytes, lines: tuple[str, ...]) -> bytes:
    """Return a file with the lines that it lacks at its end."""
    missing = _lacking(old, lines)
    if not missing:
        return old
    gap = b"" if not old or old.endswith(b"\n") else b"\n"
    return old + gap + "\n".join(["# planctl: evidence", *missing, ""]).encode()
