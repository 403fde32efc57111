"""Scaffolds: what planctl needs in a repository, and a first plan that runs as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._files import atomic_write
from planctl.errors import PreconditionError, UsageError
from planctl.models.plan import initiative_id
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, FINDINGS, LEDGER, SETTINGS, Workspace

TESTING_GUIDE = "docs/TESTING_GUIDE.md"
PLAN_SCHEMA = "plans/plan.schema.json"

# Evidence is kept byte for byte on every system; files with one line an entry join line by line
# when branches merge. `union` is built into git: no clone has to set anything up.
MERGE_RULES = (
    f"{ACTIVE}/*/reports/** -text",
    f"{ACTIVE}/**/artifact_inventory.* merge=union",
    f"{ACTIVE}/**/summary.md merge=union",
    f"{LEDGER} merge=union",
)
# A rule like `*.log` further up must not keep evidence out of the repository.
IGNORE_RULES = (
    f"!{ACTIVE}/*/reports/**",
    f"{ACTIVE}/**/.*.tmp",
    f"{ACTIVE}/**/.*.part",
)


@dataclass(frozen=True)
class Scaffold:
    """What a scaffold did, as repository-relative paths.

    Attributes:
        written: Files that were not there.
        extended: Files that got lines at their end.
        kept: Files that were there and stay as they are.
    """

    written: tuple[str, ...]
    extended: tuple[str, ...]
    kept: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def init(workspace: Workspace) -> Scaffold:
    """Set a repository up for planctl; what is there already stays. Doing it again does nothing.

    Args:
        workspace: The repository.
    """
    contents = {
        SETTINGS: _rendered("planctl.toml"),
        LEDGER: _rendered("fix_plan.md"),
        FINDINGS: _rendered("findings.md"),
        TESTING_GUIDE: _rendered("TESTING_GUIDE.md"),
        PLAN_SCHEMA: _schema(),
        f"{ACTIVE}/.gitkeep": "",
    }
    with write_lock(workspace, "init"):
        written, kept = _write_absent(workspace, contents)
        extended: list[str] = []
        for name, rules in ((".gitattributes", MERGE_RULES), (".gitignore", IGNORE_RULES)):
            (extended if _append_lines(workspace.root / name, rules) else kept).append(name)
    return Scaffold(tuple(written), tuple(extended), tuple(kept))


def ensure_merge_rules(workspace: Workspace) -> tuple[str, ...]:
    """Add what `.gitattributes` lacks so that branches with evidence merge without conflict.

    Returns:
        The lines that were added; empty when all were there.
    """
    path = workspace.root / ".gitattributes"
    if not _missing(path, MERGE_RULES):
        return ()
    with write_lock(workspace, "merge rules"):
        return _append_lines(path, MERGE_RULES)


def new(workspace: Workspace, initiative: str, title: str = "") -> Scaffold:
    """Scaffold an initiative that is valid and can be run at once.

    Args:
        workspace: The repository.
        initiative: Its id; any word with hyphens.
        title: What it is about; the id if empty.

    Raises:
        UsageError: The id cannot name a folder.
        PreconditionError: The initiative is there already.
    """
    from planctl.ops import ledger

    try:
        initiative_id(initiative)
    except ValueError as error:
        raise UsageError(str(error), "for example `FIX-SCALE-001`") from error
    folder = f"{ACTIVE}/{initiative}"
    if (workspace.root / folder / "plan.yaml").exists():
        raise PreconditionError(
            f"`{folder}/plan.yaml` is there already", "edit it, or choose another id"
        )
    heading = " ".join(title.split()) or initiative
    values = {
        "id": initiative,
        "folder": folder,
        "heading": heading,
        "title": json.dumps(heading, ensure_ascii=False),
        "owner": json.dumps(workspace.role),
        "opened": clock.iso(workspace.clock()),
    }
    names = ("plan.yaml", "implementation.md", "summary.md")
    contents = {f"{folder}/{name}": _rendered(name, **values) for name in names}
    with write_lock(workspace, f"new {initiative}"):
        written, kept = _write_absent(workspace, contents | {PLAN_SCHEMA: _schema()})
    ledger.add_item(workspace, workspace.load_plan(initiative))
    return Scaffold(tuple(written), (LEDGER,), tuple(kept))


def _rendered(name: str, **values: str) -> str:
    # Imported here: templates are rarely needed, and Jinja2 costs 30 ms.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planctl"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown and YAML; values come quoted as JSON strings
    )
    return environment.get_template(f"{name}.j2").render(values)


def _schema() -> str:
    from planctl.ops.schemas import SCHEMAS

    return json.dumps(SCHEMAS["plan"](), indent=2, ensure_ascii=False) + "\n"


def _write_absent(workspace: Workspace, contents: dict[str, str]) -> tuple[list[str], list[str]]:
    written: list[str] = []
    kept: list[str] = []
    for name, text in contents.items():
        path = workspace.root / name
        if path.exists():
            kept.append(name)
            continue
        atomic_write(path, text)
        written.append(name)
    return written, kept


def _missing(path: Path, lines: tuple[str, ...]) -> list[str]:
    there = path.read_bytes().decode("utf-8", "replace").splitlines() if path.is_file() else []
    known = {line.strip() for line in there}
    return [line for line in lines if line not in known]


def _append_lines(path: Path, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Add the lines a file lacks at its end; return them."""
    missing = _missing(path, lines)
    if not missing:
        return ()
    old = path.read_bytes() if path.is_file() else b""
    gap = b"" if not old or old.endswith(b"\n") else b"\n"
    added = "\n".join(["# planctl: evidence", *missing, ""])
    atomic_write(path, old + gap + added.encode())
    return tuple(missing)
