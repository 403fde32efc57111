"""Scaffolds: what planctl needs in a repository, and a first plan that runs as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from planctl import clock
from planctl._files import atomic_write
from planctl.errors import PreconditionError, UsageError
from planctl.models.agents_section import Fate
from planctl.models.plan.plan import initiative_id
from planctl.ops.agent_documents import AGENTS, WORKFLOW, write_agents_file
from planctl.ops.merge_rules import MERGE_RULES, append_lines
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, FINDINGS, LEDGER, SETTINGS, Workspace

TESTING_GUIDE = "docs/TESTING_GUIDE.md"
PLAN_SCHEMA = "plans/plan.schema.json"

# A rule like `*.log` further up must not keep evidence out of the repository.
IGNORE_RULES = (
    f"!{ACTIVE}/*/reports/**",
    f"{ACTIVE}/**/.*.planctl-*.tmp",
    f"{ACTIVE}/**/.*.planctl-*.part",
)


@dataclass(frozen=True)
class Scaffold:
    """What a scaffold did, as repository-relative paths.

    Attributes:
        written: Files that were not there.
        extended: Files that got lines at their end.
        kept: Files that were there and stay as they are.
        updated: Files in which planctl's own section was brought up to date.
        notes: What a person should know, or do.
    """

    written: tuple[str, ...]
    extended: tuple[str, ...]
    kept: tuple[str, ...]
    updated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def init(workspace: Workspace, upgrade: bool = False, ci: str | None = None) -> Scaffold:
    """Set a repository up for planctl; what is there already stays. Doing it again does nothing.

    Args:
        workspace: The repository.
        upgrade: Replace planctl's section of `AGENTS.md` also where somebody edited it.
        ci: `github` writes a workflow, too.

    Raises:
        BadFileError: `AGENTS.md` cannot be read or written to.
    """
    contents = {
        SETTINGS: _rendered("planctl.toml"),
        LEDGER: _rendered("fix_plan.md"),
        FINDINGS: _rendered("findings.md"),
        TESTING_GUIDE: _rendered("TESTING_GUIDE.md"),
        PLAN_SCHEMA: _schema(),
    }
    if not workspace.initiatives():
        contents[f"{ACTIVE}/.gitkeep"] = ""
    if ci is not None:
        contents[WORKFLOW] = _rendered("github_workflow.yml")
    with write_lock(workspace, "init"):
        written, kept = _write_absent(workspace, contents)
        extended: list[str] = []
        for name, rules in ((".gitattributes", MERGE_RULES), (".gitignore", IGNORE_RULES)):
            (extended if append_lines(workspace.root / name, rules) else kept).append(name)
        agents = write_agents_file(workspace, upgrade)
    updated: list[str] = []
    if agents.fate is Fate.ADDED:
        (extended if agents.existed else written).append(AGENTS)
    else:
        (updated if agents.fate is Fate.UPDATED else kept).append(AGENTS)
    notes = (*agents.notes, *_of_ci(workspace))
    return Scaffold(tuple(written), tuple(extended), tuple(kept), tuple(updated), notes)


def _of_ci(workspace: Workspace) -> tuple[str, ...]:
    """Offer a workflow where there are others: it costs minutes, so somebody must want it."""
    there = (workspace.root / ".github").is_dir()
    if not there or (workspace.root / WORKFLOW).exists():
        return ()
    return (f"`planctl init --ci github` writes `{WORKFLOW}`, which asks for evidence in CI",)


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
    from planctl.ops.ledger import items as ledger

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
