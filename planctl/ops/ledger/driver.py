"""The merge driver of the ledger in this clone: put in, taken out, looked up."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl._files import atomic_write
from planctl.ops.write_lock import write_lock
from planctl.workspace import ARCHIVE, LEDGER, Workspace

NAME = "planctl-ledger"
_SECTION = f"merge.{NAME}"
# In the clone alone: `.gitattributes` keeps `merge=union` for those who have no driver.
_ATTRIBUTES = tuple(
    f"{path} merge={NAME}" for path in (LEDGER, f"{ARCHIVE}/*_{LEDGER.rsplit('/', 1)[-1]}")
)


@dataclass(frozen=True)
class Driver:
    """The merge driver of a clone.

    Attributes:
        installed: It is set up.
        command: What git runs.
        changed: It was not like this before.
    """

    installed: bool
    command: str
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def install_driver(workspace: Workspace) -> Driver:
    """Let git ask planctl when two branches changed the ledger; again does nothing.

    Writes `merge.planctl-ledger` to the clone's configuration and two lines to its
    `info/attributes`.
    """
    command = driver_command()
    with write_lock(workspace, "merge driver"):
        before = _configured(workspace)
        if before != command:
            repo = workspace.repo
            repo.ask("config", "--local", f"{_SECTION}.name", "planctl: the ledger, item by item")
            repo.ask("config", "--local", f"{_SECTION}.driver", command)
        missing = _write_attributes(workspace, remove=False)
    return Driver(True, command, before != command or missing)


def remove_driver(workspace: Workspace) -> Driver:
    """Take the driver out of the clone; merges go by `merge=union` again."""
    with write_lock(workspace, "merge driver"):
        before = _configured(workspace)
        if before is not None:
            workspace.repo.ask("config", "--local", "--remove-section", _SECTION)
        removed = _write_attributes(workspace, remove=True)
    return Driver(False, "", before is not None or removed)


def driver_of(workspace: Workspace) -> Driver:
    """Tell whether the clone has the driver."""
    command = _configured(workspace)
    lines = _attributes(workspace).splitlines()
    installed = command is not None and all(line in lines for line in _ATTRIBUTES)
    return Driver(installed, command or "", False)


def driver_command() -> str:
    """Return what git runs: this planctl, else one on the way, else what git does without."""
    own = Path(sys.executable).with_name("planctl")
    places = [shlex.quote(str(own))] if own.is_file() else []
    tried = " ".join([*places, "planctl"]).replace("%", "%%")
    return (
        f"for p in {tried}; do if command -v $p >/dev/null 2>&1; then "
        'exec "$p" ledger merge --marker-size %L %O %A %B %P; fi; done; '
        "exec git merge-file --union --marker-size=%L %A %O %B"
    )


def _configured(workspace: Workspace) -> str | None:
    found = workspace.repo.ask_if("config", "--local", "--get", f"{_SECTION}.driver")
    return None if found is None else found.decode("utf-8", "surrogateescape").rstrip("\n")


def _place(workspace: Workspace) -> Path:
    return workspace.repo.common_dir / "info" / "attributes"


def _attributes(workspace: Workspace) -> str:
    place = _place(workspace)
    return place.read_bytes().decode("utf-8", "surrogateescape") if place.is_file() else ""


def _write_attributes(workspace: Workspace, remove: bool) -> bool:
    """Add our lines to the clone's attributes, or take them out; tell whether that changed it."""
    text = _attributes(workspace)
    kept = [line for line in text.splitlines(keepends=True) if line.strip() not in _ATTRIBUTES]
    new = "".join(kept)
    if not remove:
        gap = "\n" if new and not new.endswith("\n") else ""
        new += gap + "".join(f"{line}\n" for line in _ATTRIBUTES)
    if new == text or (not remove and set(_ATTRIBUTES) <= set(text.splitlines())):
        return False
    atomic_write(_place(workspace), new.encode("utf-8", "surrogateescape"))
    return True
