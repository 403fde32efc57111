"""The repository planctl works in: finds the root, names every path, loads and saves models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from planctl._files import behind_link, read_text
from planctl._git import Repository
from planctl.clock import Clock, system_clock
from planctl.errors import BadFileError, NotFoundError, PlanError, UsageError
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import Plan, initiative_id
from planctl.models.plan.working import checklist_rows
from planctl.models.settings import Settings, parse_settings

ACTIVE = "plans/active"
LEDGER = "docs/fix_plan.md"
ARCHIVE = "docs/archive"
BRIEF = "input.md"
"""Where the next turn's order lies."""
FINDINGS = "docs/findings.md"
SETTINGS = "planctl.toml"
# Plans, settings and working plans: nothing a person writes is larger.
_MAX_BYTES = 4_000_000
HUB_FOLDERS = ("green", "red", "cli", "analysis", "plan", "receipts")


@dataclass(frozen=True)
class Hub:
    """A folder of evidence.

    Attributes:
        root: The repository root.
        path: The hub, below `root`.
        scratch: The hub proves nothing for the plan (`--scratch`): outside the initiative.
    """

    root: Path
    path: Path
    scratch: bool = False

    @cached_property
    def name(self) -> str:
        """Repository-relative POSIX path."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def receipts(self) -> Path:
        """The folder of receipts."""
        return self.path / "receipts"


class Workspace:
    """A git repository with initiatives.

    Args:
        repo: The repository.
        clock: Where every time planctl writes comes from.
        role: Who runs planctl (`PLANCTL_ROLE`).
    """

    known: dict[tuple[str, bytes], object] | None = None
    """What a process that answers many questions has read: path and digest → what it says."""

    def __init__(self, repo: Repository, clock: Clock = system_clock, role: str = "person") -> None:
        self.repo = repo
        self.root = repo.root
        self.clock = clock
        self.role = role

    @classmethod
    def open(cls, start: Path | None = None, clock: Clock = system_clock) -> Workspace:
        """Open the repository around `start` (default: the working directory).

        Raises:
            GitError: There is none.
        """
        repo = Repository(start or Path.cwd())
        return cls(repo, clock, os.environ.get("PLANCTL_ROLE", "person"))

    def initiatives(self) -> list[str]:
        """Return the ids of the active initiatives that have a plan, sorted."""
        return sorted(path.parent.name for path in (self.root / ACTIVE).glob("*/plan.yaml"))

    def every_initiative(self) -> list[str]:
        """Return the ids of the active initiatives, for a verdict on all of them.

        Raises:
            NotFoundError: There is none: nothing is proven.
            PlanError: There are receipts of an initiative whose plan is gone.
        """
        names = self.initiatives()
        receipts = (self.root / ACTIVE).glob("*/reports/*/*/receipts/*.json")
        for name in sorted({path.relative_to(self.root / ACTIVE).parts[0] for path in receipts}):
            if name not in names:
                raise PlanError(
                    f"{ACTIVE}/{name}/plan.yaml",
                    "is gone, but the initiative has receipts",
                    hint="bring it back, or remove the initiative with its reports",
                )
        if not names:
            raise NotFoundError(
                f"no initiative under `{ACTIVE}/`", "`planctl new ID` makes the first one"
            )
        return names

    def initiative_dir(self, initiative: str) -> Path:
        """Return the folder of an initiative.

        Raises:
            NotFoundError: There is no such initiative.
        """
        folder = self.root / ACTIVE / initiative
        # Most often the file is there, and the others need not be looked for.
        if not (folder / "plan.yaml").is_file() and initiative not in (known := self.initiatives()):
            listed = ", ".join(f"`{item}`" for item in known) or "none"
            made = f"`planctl new {initiative}` makes one"
            try:
                initiative_id(initiative)
            except ValueError:
                made = "`planctl new ID` makes another"
            raise NotFoundError(
                f"no initiative `{initiative}` under `{ACTIVE}/`", f"there is {listed}; {made}"
            )
        return folder

    def load_plan(self, initiative: str) -> Plan:
        """Read and check an initiative's `plan.yaml`.

        Raises:
            NotFoundError: There is no such initiative.
            PlanError: The plan cannot be used; with file, line, key and hint.
        """
        folder = self.initiative_dir(initiative)
        path = folder / "plan.yaml"
        shown = self.relative(path)
        plan = parse_plan(_text(path, shown), shown)
        if plan.id != initiative:
            raise PlanError(shown, f"is `{plan.id}` but the folder is `{initiative}`", key="id")
        self._check_rows(plan, folder, path)
        return plan

    def load_plan_with(self, initiative: str, env: dict[str, str]) -> Plan:
        """Read a plan and replace values of its `env`.

        Raises:
            UsageError: A name the plan does not declare.
        """
        plan = self.load_plan(initiative)
        try:
            return plan.with_env(env)
        except KeyError as error:
            known = ", ".join(f"`{name}`" for name in plan.env) or "no names"
            raise UsageError(
                f"`{initiative}` has no environment name `{error.args[0]}`",
                f"its plan declares {known} under `env`",
            ) from error

    def settings(self) -> Settings:
        """Read `planctl.toml`; without the file everything is as by default.

        Raises:
            BadFileError: It cannot be used; names the key.
        """
        path = self.root / SETTINGS
        return parse_settings(_text(path, SETTINGS) if os.path.lexists(path) else "", SETTINGS)

    def _check_rows(self, plan: Plan, folder: Path, path: Path) -> None:
        working = self.working_plan(plan)
        known: Mapping[str, bool] = {}
        if working.is_file():
            known = checklist_rows(_text(working, self.relative(working)))
        for phase, step in plan.steps():
            for row in step.rows:
                if row not in known:
                    raise PlanError(
                        self.relative(path),
                        f"row `{row}` is not in the checklist of `{self.relative(working)}`",
                        line=_line_with(path, row),
                        key=f"phases.{phase}.steps.{step.id}.rows",
                        hint=f"add `- [ ] {row}: …` there, or correct the row",
                    )

    def working_plan(self, plan: Plan) -> Path:
        """Return where the checklist of a plan lies: `implementation.md` unless it says else."""
        named = plan.working_plan or f"{ACTIVE}/{plan.id}/implementation.md"
        return self.root / named

    def hub(self, plan: Plan, scratch: Path | None = None) -> Hub:
        """Return the hub that a plan's runs are recorded in.

        Args:
            plan: The plan; its `hub` is relative to the initiative's `reports/`.
            scratch: A folder below the root to use instead.

        Raises:
            NotFoundError: The plan has no hub yet.
            BadFileError: `scratch` lies outside the repository or among committed evidence; or
                the hub lies behind a symbolic link, where git does not see what is written.
        """
        if scratch is not None:
            return self._scratch(scratch)
        if plan.hub is None:
            raise NotFoundError(
                f"`{plan.id}` has no hub yet", f"`planctl hub new {plan.id}` allocates one"
            )
        path = self.reports(plan) / plan.hub
        if behind_link(self.root, path):
            raise BadFileError(
                self.relative(path),
                "lies behind a symbolic link, where git does not see it",
                hint="make it a folder of its own",
            )
        return Hub(self.root, path)

    def _scratch(self, wanted: Path) -> Hub:
        path, top = (Path.cwd() / wanted).resolve(), self.root.resolve()
        if not path.is_relative_to(top) or path == top:
            raise BadFileError(str(wanted), "a scratch hub lies inside the repository")
        if path.is_relative_to(top / ACTIVE):
            raise BadFileError(
                str(wanted),
                f"a scratch hub lies outside `{ACTIVE}/`",
                hint="its runs prove nothing for the plan; use a folder git ignores",
            )
        return Hub(self.root, self.root / path.relative_to(top), scratch=True)

    def reports(self, plan: Plan) -> Path:
        """Return the folder of an initiative's hubs."""
        return self.root / ACTIVE / plan.id / "reports"

    def hubs(self, plan: Plan) -> list[Hub]:
        """Return every hub of an initiative that holds receipts, and the plan's own."""
        reports = self.reports(plan)
        named = {
            f"{stamp}/{slug}"
            for stamp in _names(f"{reports}")
            for slug in _names(f"{reports}/{stamp}")
            if os.path.exists(f"{reports}/{stamp}/{slug}/receipts")
        }
        found = {reports / name for name in named | ({plan.hub} if plan.hub else set())}
        return [Hub(self.root, path) for path in sorted(found)]

    def relative(self, path: Path) -> str:
        """Return a path relative to the root, with `/`; a path outside as it is."""
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        )

    @cached_property
    def now_head(self) -> str:
        """Full id of HEAD.

        Raises:
            NotFoundError: The repository has no commit.
        """
        if self.repo.head is None:
            raise NotFoundError("the repository has no commit yet", "commit the plan first")
        return self.repo.head


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _text(path: Path, shown: str) -> str:
    kind = PlanError if path.name == "plan.yaml" else BadFileError
    try:
        return read_text(path, _MAX_BYTES)
    except UnicodeDecodeError as error:
        raise kind(shown, f"is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise kind(shown, f"cannot be read: {error.strerror}") from error


def _line_with(path: Path, row: str) -> int | None:
    for number, line in enumerate(_text(path, path.name).split("\n"), 1):
        if "rows:" in line and row in line:
            return number
    return None
