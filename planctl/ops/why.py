"""Why: the failing predicate of a path, row or step, with both ids."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from planctl.errors import NotFoundError
from planctl.models.verdict import ArtifactVerdict, Predicate, StepVerdict, Verdict
from planctl.ops.verify import verify
from planctl.workspace import Workspace


@dataclass(frozen=True)
class Why:
    """What was asked about and what decided it.

    Attributes:
        target: A path, row or step as given.
        step: The step it belongs to, or None for a file no step declares.
        artifact: The artifact, when a path was asked about.
        failing: The predicates that do not hold, the deciding one first.
        restore: The command that brings the proof back, or None.
    """

    target: str
    initiative: str
    verdict: Verdict
    reasons: tuple[str, ...]
    step: StepVerdict | None
    artifact: ArtifactVerdict | None
    failing: tuple[Predicate, ...]
    restore: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        raw = asdict(self)
        if raw["step"] is not None:
            raw["step"].pop("stored")
        return raw


def why(workspace: Workspace, target: str, initiative: str | None = None) -> tuple[Why, ...]:
    """Explain the verdict of a checklist row, a step id or a path.

    Args:
        workspace: The repository.
        target: `A2`, `train`, or a path relative to the root, the hub or the working directory.
        initiative: Only look there; None looks through all.

    Returns:
        One answer a match (a row may be proven by several steps).

    Raises:
        NotFoundError: Nothing of that name.
    """
    found: list[Why] = []
    for name in [initiative] if initiative else workspace.initiatives():
        plan = workspace.load_plan(name)
        report = verify(workspace, plan)
        for step in report.steps:
            artifact = _artifact(target, report.hub, step.artifacts)
            if artifact is not None or target == step.step or target in step.rows:
                found.append(_about(target, name, report.hub, step, artifact))
        loose = _artifact(target, report.hub, report.unproven)
        if loose is not None:
            reasons = (loose.text,)
            found.append(Why(target, name, loose.verdict, reasons, None, loose, (), None))
    if not found:
        where = f"`{initiative}`" if initiative else "any initiative"
        raise NotFoundError(
            f"`{target}` is no row, step or artifact of {where}",
            "`planctl verify` lists the steps, `planctl verify --json` every artifact",
        )
    return tuple(found)


def _artifact(
    target: str, hub: str | None, artifacts: tuple[ArtifactVerdict, ...]
) -> ArtifactVerdict | None:
    names = {target.removeprefix("./"), f"{hub}/{target}"}
    for artifact in artifacts:
        if artifact.path in names:
            return artifact
    return None


def _restore(
    initiative: str, hub: str | None, step: StepVerdict, failing: tuple[Predicate, ...]
) -> str:
    if hub is None:
        return f"planctl hub new {initiative}"
    if step.verdict is Verdict.DIRTY:
        paths = sorted({i.name for item in failing if item.name == "inputs" for i in item.ids})
        # A step may be dirty by what it needs alone; that step's own answer names the paths.
        return f"git commit {shlex.join(paths)}" if paths else "git commit what its needs ran on"
    if step.verdict is Verdict.UNPROVEN and step.receipt is not None:
        return f"planctl sign {initiative} {step.phase} --step {step.step}"
    return f"planctl run-phase {initiative} {step.phase} --step {step.step}"


def _about(
    target: str,
    initiative: str,
    hub: str | None,
    step: StepVerdict,
    artifact: ArtifactVerdict | None,
) -> Why:
    verdict = step.verdict if artifact is None else artifact.verdict
    failing = tuple(item for item in step.predicates if not item.ok)
    restore = None if verdict.accepted else _restore(initiative, hub, step, failing)
    return Why(target, initiative, verdict, step.reasons, step, artifact, failing, restore)
