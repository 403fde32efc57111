"""Where the ledger, the plans and the brief contradict what is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from planctl._text import count
from planctl.models.contradiction import Contradiction, Side
from planctl.models.plan import Plan
from planctl.models.verdict import StepVerdict, VerifyReport
from planctl.models.working_plan import row_lines
from planctl.ops.ledger_file import read_document
from planctl.ops.ledger_scene import Scene, quoted
from planctl.workspace import ACTIVE, LEDGER


def _ticked(scene: Scene) -> Iterator[Contradiction]:
    for name, plan in scene.plans.items():
        steps = _by_row(scene.reports[name])
        for path, line, row, said in _ticked_rows(scene, plan):
            still = next((s for s in steps.get(row, ()) if not s.verdict.accepted), None)
            if still is None:
                continue
            why = still.reasons[0] if still.reasons else ""
            yield Contradiction(
                "ticked",
                f"{name} {row}",
                Side(path, line, quoted(said)),
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


def _ticked_rows(scene: Scene, plan: Plan) -> Iterator[tuple[str, int, str, str]]:
    path = scene.workspace.relative(scene.workspace.working_plan(plan))
    text = read_document(scene.workspace, path)
    for found in row_lines(text):
        if found.mark.ticked:
            yield path, found.line, found.row, text[found.start : found.end]


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


def _ordered_again(scene: Scene) -> Iterator[Contradiction]:
    from planctl.models.brief import INPUT

    if not (scene.workspace.root / INPUT).is_file():
        return
    from planctl.ops.brief.check import check_brief

    checked = check_brief(scene.workspace, INPUT, collect=False)
    for problem in checked.problems:
        if problem.kind == "already-proven":
            yield Contradiction(
                "ordered-again",
                checked.focus or "",
                Side(INPUT, problem.line, quoted(problem.value)),
                problem.text,
                problem.way_out,
                _row_of(scene, checked.focus, {r for p in problem.proofs for r in p.rows}),
            )
    proven = {row for r in scene.reports.values() for step in r.steps for row in step.rows}
    yield from _ticked_by_hand(scene, checked.focus, INPUT, proven)


def _row_of(scene: Scene, focus: str | None, rows: set[str]) -> Side | None:
    plan = None if focus is None else scene.plans.get(focus)
    for path, line, row, said in () if plan is None else _ticked_rows(scene, plan):
        if row in rows:
            return Side(path, line, quoted(said))
    return None


def _ticked_by_hand(
    scene: Scene, focus: str | None, brief: str, proven: set[str]
) -> Iterator[Contradiction]:
    """Yield rows without a step that their author ticked and that a brief orders."""
    plan = None if focus is None else scene.plans.get(focus)
    if plan is None:
        return
    from planctl.models.orders import clauses
    from planctl.models.prose import parse_prose
    from planctl.ops.audit.orders import orders_in

    lines = scene.lines_of(brief)
    ordered: dict[str, tuple[int, str]] = {}
    for block in parse_prose("\n".join(lines)).blocks:
        for line, text in orders_in(block, lines):
            for clause in clauses(text):
                for row in () if clause.past else clause.targets:
                    ordered.setdefault(row, (line, text))
    for path, line, row, said in _ticked_rows(scene, plan):
        if row in ordered and row not in proven:
            at, text = ordered[row]
            yield Contradiction(
                "ordered-again",
                f"{plan.id} {row}",
                Side(brief, at, quoted(text)),
                f"`{row}` is ordered, and it is ticked",
                f"untick `{row}` if it is to be done again, or take it out of the brief",
                Side(path, line, quoted(said)),
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
    from planctl.models.turn_record import record_name, shown_number

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
    _ordered_again,
    _done,
    _pairs,
    _differing,
    _turns,
)
