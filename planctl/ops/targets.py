"""Targets: what a word on the command line means in a plan: a row, a step, or a path of either."""

from __future__ import annotations

from collections.abc import Iterable

from planctl.models.plan.plan import Plan, Step
from planctl.ops.inputs import inputs_among

_SHOWN = 3
_ALIKE = 0.6


def named(plan: Plan, target: str) -> list[tuple[str, Step]]:
    """Return (phase, step) of the steps that a row or a step id means."""
    return [(p, s) for p, s in plan.steps() if target == s.id or target in s.rows]


def reading(plan: Plan, path: str) -> list[tuple[str, Step]]:
    """Return the steps that have a path among their declared inputs."""
    entry = {path: None}
    return [(p, s) for p, s in plan.steps() if inputs_among(entry, plan.inputs_of(p, s))]


def declaring(plan: Plan, hub: str | None, path: str) -> list[tuple[str, Step]]:
    """Return the steps that declare an artifact: its path in the hub, with the hub or without."""
    name = path if hub is None else path.removeprefix(f"{hub}/")
    return [(p, s) for p, s in plan.steps() if _declares(s, name)]


def _declares(step: Step, name: str) -> bool:
    folders = (item.to.rstrip("/") for item in step.collect)
    return name == step.log or any(
        name == folder or name.startswith(f"{folder}/") for folder in folders
    )


def words_of(plan: Plan) -> list[str]:
    """Return the rows and step ids of a plan."""
    return sorted({word for _, step in plan.steps() for word in (step.id, *step.rows)})


def near(target: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most like what was typed."""
    import difflib

    lower: dict[str, str] = {}
    for name in known:
        lower.setdefault(name.lower(), name)
    found = difflib.get_close_matches(target.lower(), lower, _SHOWN, _ALIKE)
    return [lower[name] for name in found]
