"""Where the ledger, the plans and the brief contradict what is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from planctl._text import count
from planctl.models.contradiction import Contradiction, Side
from planctl.models.verdict import StepVerdict, VerifyReport
from planctl.ops.ledger.orders import ordered_again, ticked_rows
from planctl.ops.ledger.scene import Scene, quoted
from planctl.workspace import ACTIVE, LEDGER


def _ticked(scene: Scene) -> Iterator[Contradiction]:
    for name, plan in scene.plans.items():
        steps = _by_row(scene.reports[name])
        for row, side in ticked_rows(scene, plan):
            still = next((s for s in steps.get(row, ()) if not s.verdict.accepted), None)
            if still is None:
                continue
            why = still.reasons[0] if still.reasons else ""
            yield Contradiction(
                "ticked",
                f"{name} {row}",
                side,
                f"`{row}` is ticked, and its step `{still.step}` is {still.verdict}: {why}",
                f"`planctl sync {name}` unticks it; `planctl next-green {name}` proves it",
                None if still.receipt is None else Side(still.receipt, 1, str(still.verdict)),
            )


def _by_row(report: VerifyReport) -> Mapping[str, list[StepVerdict]]:
    steps: dict[str, list[StepVerdict]] = {}
    for step in report.steps:
        for row in step.rows:
            steps.setdefault(row, []).append(step)
    return steps


def _done(scene: Scene) -> Iterator[Contradiction]:
    for item in scene.ledger.items:
        report = scene.reports.get(item.id)
        if item.status != "done" or report is None:
            continue
        still = [step for step in report.steps if not step.verdict.accepted]
        if still:
            named = ", ".join(f"`{step.step}` ({step.verdict})" for step in still[:6])
            yield Contradiction(
                "not-done",
                item.id,
                scene.field(item.id, "Status"),
                f"`{item.id}` is done, and {count(len(still), 'step')} not proven: {named}",
                f"`planctl next-green {item.id}` proves them; "
                f"`planctl ledger set {item.id} status in_progress` says that it is not",
            )


def _pairs(scene: Scene) -> Iterator[Contradiction]:
    """Yield items without a plan, and plans without an item."""
    for item in scene.ledger.items:
        if item.id not in scene.plans and item.status != "archived":
            yield Contradiction(
                "no-initiative",
                item.id,
                scene.head(item.id),
                f"`{item.id}` has no `{ACTIVE}/{item.id}/plan.yaml`",
                f"`planctl new {item.id}` makes one; "
                f"`planctl ledger archive --item {item.id}` puts away what is done",
            )
    for name in scene.plans:
        if name not in scene.items:
            yield Contradiction(
                "no-item",
                name,
                Side(f"{ACTIVE}/{name}/plan.yaml", 1, name),
                f"`{LEDGER}` has no item `{name}`",
                f"`planctl ledger set {name} status pending` adds one",
            )


def _differing(scene: Scene) -> Iterator[Contradiction]:
    for item in scene.ledger.items:
        plan = scene.plans.get(item.id)
        if plan is None or item.finished:
            continue
        pairs = (
            ("priority", "Priority", plan.priority, item.priority),
            (
                "depends_on",
                "Depends on",
                ", ".join(sorted(plan.depends_on)) or "none",
                ", ".join(sorted(item.depends_on)) or "none",
            ),
        )
        for key, name, planned, listed in pairs:
            if planned != listed:
                yield Contradiction(
                    "plan-differs",
                    item.id,
                    scene.field(item.id, name),
                    f"`{key}` of `{item.id}` is `{planned}` in the plan, `{listed}` in the ledger",
                    f"`planctl ledger set {item.id} {key} {planned.replace(', ', ',')}`, "
                    "or correct the plan",
                    _in_plan(scene, item.id, key),
                )


def _in_plan(scene: Scene, name: str, key: str) -> Side:
    path = f"{ACTIVE}/{name}/plan.yaml"
    for number, line in enumerate(scene.lines_of(path), 1):
        if line.startswith(f"{key}:"):
            return Side(path, number, quoted(line))
    return Side(path, 1, f"no `{key}`")


def _turns(scene: Scene) -> Iterator[Contradiction]:
    from planctl.models.turn.record import record_name, shown_number

    root = scene.workspace.root
    by_number: dict[int, list[str]] = {}
    for place in sorted((root / ACTIVE).glob("*/turns/*.json")):
        name = record_name(place.name)
        if name is not None:
            by_number.setdefault(name.number, []).append(place.relative_to(root).as_posix())
    for number, paths in sorted(by_number.items()):
        if len(paths) > 1:
            shown = shown_number(number)
            yield Contradiction(
                "turn-number",
                shown,
                Side(paths[1], 1, shown),
                f"two turns have the number {shown}: branches that were merged made both",
                "nothing has to be done: the ids in the names tell them apart, the next turn gets "
                "a number of its own",
                Side(paths[0], 1, shown),
            )


ABOUT_PLANS: tuple[Callable[[Scene], Iterator[Contradiction]], ...] = (
    _ticked,
    ordered_again,
    _done,
    _pairs,
    _differing,
    _turns,
)
