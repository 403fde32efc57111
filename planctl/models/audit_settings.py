"""`[audit]` of `planctl.toml`: which files of a history are prose, and of what kind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from planctl.models.paths import glob_pattern, matches, relative_path


class AuditSettings(BaseModel):
    """Globs over repository paths; a leading `!` leaves out, the last that fits decides.

    Attributes:
        summaries: What turns report.
        ledgers: The list of items with status and attempts.
        briefs: Orders for the next turn.
        plans: Working plans with checklists.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summaries: tuple[str, ...] = ("**/*summary*.md", "**/*Summary*.md", "**/*SUMMARY*.md")
    ledgers: tuple[str, ...] = ("docs/fix_plan.md", "**/fix_plan.md")
    briefs: tuple[str, ...] = ("**/input.md",)
    plans: tuple[str, ...] = (
        *("**/implementation.md", "plans/**/plan.md", "plans/**/*_plan.md"),
        *("!**/reports/**", "!**/fix_plan.md"),
    )

    @field_validator("*")
    @classmethod
    def _usable(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        for glob in globs:
            relative_path(glob.removeprefix("!"))
            glob_pattern(glob.removeprefix("!"))
        return globs

    def role(self, path: str) -> str | None:
        """Return `ledger`, `brief`, `summary` or `plan`; None for any other file."""
        roles = {
            "ledger": self.ledgers,
            "brief": self.briefs,
            "summary": self.summaries,
            "plan": self.plans,
        }
        return next((name for name, globs in roles.items() if matches(path, globs)), None)
