"""Hubs: where evidence goes, and the inventory of what lies there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._files import atomic_write, free_name
from planctl.models import inventory
from planctl.models.inventory import InventoryRow
from planctl.models.plan.edit import with_hub
from planctl.models.receipt import StoredReceipt
from planctl.ops.merge_rules import ensure_merge_rules
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, HUB_FOLDERS, Hub, Workspace


@dataclass(frozen=True)
class NewHub:
    """A hub that was just allocated.

    Attributes:
        hub: Relative to the initiative's `reports/`, as `plan.yaml` now says.
        path: Repository-relative path of its folder.
        plan: Repository-relative path of the plan whose `hub:` line was written.
        rules: Lines added to `.gitattributes`.
    """

    initiative: str
    hub: str
    path: str
    plan: str
    rules: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def new_hub(workspace: Workspace, initiative: str, slug: str | None = None) -> NewHub:
    """Allocate `reports/<UTC stamp>/<slug>/` and write it into the plan.

    Of `plan.yaml` only the value of `hub:` changes. An older hub stays as it is, and its receipts
    go on counting.

    Args:
        workspace: The repository.
        initiative: The initiative.
        slug: Last part of the name; from the initiative's id without it.

    Raises:
        NotFoundError: There is no such initiative.
        PlanError: The plan cannot be used, or not be edited in place.
    """
    workspace.load_plan(initiative)
    plan_path = workspace.initiative_dir(initiative) / "plan.yaml"
    reports = workspace.root / ACTIVE / initiative / "reports"
    now = workspace.clock()
    with write_lock(workspace, f"hub new {initiative}"):
        folder = free_name(reports / clock.stamp(now) / slugged(slug or initiative))
        hub = folder.relative_to(reports).as_posix()
        # Bytes, so that line ends stay what they are.
        text = plan_path.read_bytes().decode("utf-8")
        edited = with_hub(text, workspace.relative(plan_path), hub)
        for name in HUB_FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "summary.md", f"Hub of {initiative}, opened {clock.iso(now)}.\n")
        atomic_write(plan_path, edited)
    rules = ensure_merge_rules(workspace)
    path = workspace.relative(folder)
    return NewHub(initiative, hub, path, workspace.relative(plan_path), rules)


def slugged(text: str, length: int = 48) -> str:
    """Return a text as a folder name: lower-case words joined by `_`, never empty."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "_".join(words)[:length].strip("_") or "hub"


def write_inventory(hub: Hub, receipts: Iterable[StoredReceipt]) -> tuple[InventoryRow, ...]:
    """Write `analysis/artifact_inventory.txt` and `.sha256` from the receipts of a hub.

    Both are derived: equal receipts give equal bytes. From inside the hub,
    `sha256sum --check analysis/artifact_inventory.sha256` checks every recorded file.

    Args:
        hub: The hub.
        receipts: Its receipts; those of other hubs are passed over.

    Returns:
        The rows written.
    """
    own = [item for item in receipts if item.receipt.hub == hub.name]
    found = tuple(replace(row, size=_size(hub.path, row)) for row in inventory.rows(own))
    atomic_write(hub.path / inventory.HUMAN, inventory.human_text(hub.name, found))
    lines = "".join(_machine_lines(hub.path, found))
    atomic_write(hub.path / inventory.MACHINE, lines)
    return found


def _size(folder: Path, row: InventoryRow) -> int | None:
    place = folder / row.name
    if row.kind != "file":
        return sum(item.stat().st_size for item in place.rglob("*") if item.is_file())
    return place.stat().st_size if place.is_file() else None


def _machine_lines(folder: Path, found: tuple[InventoryRow, ...]) -> Iterable[str]:
    for row in found:
        if row.kind == "file":
            yield inventory.machine_line(row.sha256, row.name)
            continue
        # A folder of many files: its manifest lists them relative to it. When it is gone, its own
        # line says so.
        manifest = folder / f"{row.name}.sha256"
        text = manifest.read_text("utf-8") if manifest.is_file() else ""
        for line in text.splitlines():
            digest, _, name = line.partition("  ")
            yield inventory.machine_line(digest, f"{row.name}/{name}")
