"""Git hooks of this clone: planctl's part beside what a person has there."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from planctl._files import atomic_write, read_plain
from planctl.errors import BadFileError
from planctl.models.hook_part import MARK, HookPart, has_part, snippet, without_part
from planctl.ops.ledger.driver import Driver, driver_of, install_driver, remove_driver
from planctl.ops.write_lock import write_lock
from planctl.workspace import Workspace

HOOK = "pre-commit"
_MAX_BYTES = 1_000_000
# File or folder → the hook manager that owns the hooks then, and where its lines go.
_MANAGERS = (
    (".pre-commit-config.yaml", "pre-commit", ".pre-commit-config.yaml"),
    (".pre-commit-config.yml", "pre-commit", ".pre-commit-config.yml"),
    (".husky", "husky", ".husky/pre-commit"),
    ("lefthook.yml", "lefthook", "lefthook.yml"),
    ("lefthook.yaml", "lefthook", "lefthook.yaml"),
    (".lefthook.yml", "lefthook", ".lefthook.yml"),
)


class HookState(StrEnum):
    """Where the hook stands."""

    INSTALLED = "installed"
    OUTDATED = "outdated"
    ABSENT = "absent"
    NOT_OURS = "not ours"


@dataclass(frozen=True)
class HooksReport:
    """Where the hooks of this clone stand.

    Attributes:
        hook: Path of the file that git runs, or that the manager reads.
        why: Why it is a person's to change, if it is.
        snippet: What to add there then.
        changed: Something was written or taken out.
        driver: Of the ledger's merges.
    """

    hook: str
    state: HookState
    why: str | None = None
    snippet: str | None = None
    changed: bool = False
    driver: Driver | None = None

    @property
    def ok(self) -> bool:
        """The checks run before every commit, and the ledger merges item by item."""
        merges = self.driver is not None and self.driver.installed
        return merges and self.state is HookState.INSTALLED

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True)
class _Place:
    """The hook file, and what is in it."""

    path: Path
    script: str | None
    manager: str | None
    why: str | None


def status(workspace: Workspace) -> HooksReport:
    """Tell where the hooks of this clone stand.

    Args:
        workspace: The repository.

    Raises:
        BadFileError: The hook cannot be read.
    """
    return replace(_report(workspace, _place(workspace)), driver=driver_of(workspace))


def install(workspace: Workspace) -> HooksReport:
    """Add planctl's part to the pre-commit hook, and the merge driver; nothing else changes.

    Where a hook manager owns the hooks, or the hook is no shell script, nothing is written: the
    report has the lines to add.

    Args:
        workspace: The repository.

    Raises:
        BadFileError: The hook cannot be read.
    """
    with write_lock(workspace, "hooks"):
        place = _place(workspace)
        new = _part().within(place.script) if place.why is None else None
        writes = new is not None and new != place.script
        if new is not None and writes:
            atomic_write(place.path, _bytes(new))
        if writes and place.script is None:
            place.path.chmod(0o755)
    driver = install_driver(workspace)
    report = _report(workspace, _place(workspace), changed=writes or driver.changed)
    return replace(report, driver=driver)


def remove(workspace: Workspace) -> HooksReport:
    """Take planctl's part out of the hook, and the merge driver; a hook of nothing else goes.

    Args:
        workspace: The repository.

    Raises:
        BadFileError: The hook cannot be read.
    """
    with write_lock(workspace, "hooks"):
        place = _place(workspace)
        present = place.script is not None and has_part(place.script)
        rest = without_part(place.script) if place.script is not None else None
        if present and rest is None:
            place.path.unlink()
        elif present and rest is not None:
            atomic_write(place.path, _bytes(rest))
    driver = remove_driver(workspace)
    report = _report(workspace, _place(workspace), changed=present or driver.changed)
    return replace(report, driver=driver)


def _part() -> HookPart:
    beside = Path(sys.executable).parent / "planctl"
    found = str(beside) if beside.is_file() else shutil.which("planctl")
    return HookPart(found or "planctl")


def _report(workspace: Workspace, place: _Place, changed: bool = False) -> HooksReport:
    shown = workspace.relative(place.path)
    if place.script is not None and (has_part(place.script) or place.manager):
        present = has_part(place.script) or MARK in place.script
        if present:
            old = has_part(place.script) and _part().within(place.script) != place.script
            state = HookState.OUTDATED if old else HookState.INSTALLED
            return HooksReport(shown, state, changed=changed)
    why = place.why
    if why is None and _part().within(place.script) is None:
        why = (
            "it is no script for a shell, which planctl could add lines to; let it run what the "
            "line below runs, and refuse when that ends with another code than 0"
        )
    if why is None:
        return HooksReport(shown, HookState.ABSENT, changed=changed)
    lines = snippet(place.manager or "sh")
    return HooksReport(shown, HookState.NOT_OURS, why, lines, changed)


def _place(workspace: Workspace) -> _Place:
    root = workspace.root
    for name, manager, config in _MANAGERS:
        if (root / name).exists():
            path = root / config
            return _Place(path, _read(workspace, path), manager, f"{manager} owns the hooks here")
    named = workspace.repo.ask("rev-parse", "--git-path", "hooks")
    folder = (root / os.fsdecode(named.rstrip(b"\n"))).resolve()
    path = folder / HOOK
    return _Place(path, _read(workspace, path), None, _not_ours(workspace, folder, path))


def _not_ours(workspace: Workspace, folder: Path, path: Path) -> str | None:
    mine = (workspace.root.resolve(), workspace.repo.git_dir.resolve(), workspace.repo.common_dir)
    if not any(folder.is_relative_to(place) for place in mine):
        return "`core.hooksPath` leads out of this repository; other repositories may use it too"
    if path.is_symlink():
        return "it is a symbolic link"
    if path.exists() and not os.access(path, os.X_OK):
        return "it is not executable, so git ignores it; `chmod +x` makes git run it"
    return None


def _bytes(script: str) -> bytes:
    return script.encode("utf-8", "surrogateescape")


def _read(workspace: Workspace, path: Path) -> str | None:
    if not os.path.lexists(path):
        return None
    try:
        return read_plain(path, _MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError as error:
        shown = workspace.relative(path)
        raise BadFileError(shown, f"cannot be read: {error.strerror}") from error
