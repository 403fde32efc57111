"""Where a brief orders again what was there before it: proven, or ticked by its author."""

from __future__ import annotations

from collections.abc import Iterator

from planctl.models.brief.brief import BriefProblem, Proof
from planctl.models.contradiction import Contradiction, Side
from planctl.models.plan.plan import Plan
from planctl.models.plan.working import row_lines
from planctl.ops.ledger.file import read_document
from planctl.ops.ledger.scene import Scene, quoted
from planctl.workspace import BRIEF


def ordered_again(scene: Scene) -> Iterator[Contradiction]:
    """Yield what `input.md` orders although it was there when the order was written.

    An order that was carried out is none: its evidence came after it.
    """
    if not (scene.workspace.root / BRIEF).is_file():
        return
    from planctl.ops.brief.check import check_brief

    checked = check_brief(scene.workspace, BRIEF, collect=False)
    plan = scene.plans.get(checked.focus or "")
    if plan is None:
        return
    base = _written_on(scene)
    for problem in checked.problems:
        there = any(_was_there(scene, base, proof) for proof in problem.proofs)
        if problem.kind == "already-proven" and there:
            yield _again(scene, plan, problem)
    yield from _ticked_by_hand(scene, plan, base)


def _written_on(scene: Scene) -> str | None:
    """Return the commit that the brief was written on; None where there was none yet.

    planctl notes it in a brief that it writes. A brief by hand was written on HEAD while it is not
    committed as it is, else on the parent of the commit that brought it.
    """
    from planctl.models.brief.block import digest_of, parted
    from planctl.ops.brief.check import read_text_of

    repo = scene.workspace.repo
    text, block = parted(read_text_of(scene.workspace, BRIEF)[1])
    if block is not None and block.sha256 == digest_of(text):
        return repo.resolve(block.head) if block.head else None
    if repo.ask("status", "--porcelain=v1", "--", BRIEF):
        return repo.head
    brought = repo.last_changes([BRIEF]).get(BRIEF)
    return None if brought is None else repo.resolve(f"{brought.id}^")


def _was_there(scene: Scene, base: str | None, proof: Proof) -> bool:
    """Tell whether a commit has the receipt of a proof."""
    if base is None or not proof.receipt:
        return False
    return _blob(scene, base, proof.receipt) is not None


def _blob(scene: Scene, commit: str, path: str) -> str | None:
    found = scene.workspace.repo.ask("ls-tree", "-z", commit, "--", path)
    return found.split()[2].decode() if found else None


def _again(scene: Scene, plan: Plan, problem: BriefProblem) -> Contradiction:
    rows = {row for proof in problem.proofs for row in proof.rows}
    return Contradiction(
        "ordered-again",
        plan.id,
        Side(BRIEF, problem.line, quoted(problem.value)),
        problem.text,
        problem.way_out,
        next((side for row, side in ticked_rows(scene, plan) if row in rows), None),
    )


def ticked_rows(scene: Scene, plan: Plan) -> Iterator[tuple[str, Side]]:
    """Yield the rows of a plan that are ticked, each with its line."""
    path = scene.workspace.relative(scene.workspace.working_plan(plan))
    text = read_document(scene.workspace, path)
    for found in row_lines(text):
        if found.mark.ticked:
            yield found.row, Side(path, found.line, quoted(text[found.start : found.end]))


def _ticked_by_hand(scene: Scene, plan: Plan, base: str | None) -> Iterator[Contradiction]:
    """Yield rows without a step that their author ticked, and that the brief orders after that."""
    proven = {row for _, step in plan.steps() for row in step.rows}
    rows = {row: side for row, side in ticked_rows(scene, plan) if row not in proven}
    if not rows or base is None:
        return
    before = _ticked_at(scene, plan, base)
    for row, (line, text) in _ordered(scene).items():
        if row in rows and row in before:
            yield Contradiction(
                "ordered-again",
                f"{plan.id} {row}",
                Side(BRIEF, line, quoted(text)),
                f"`{row}` is ordered, and it is ticked",
                f"untick `{row}` if it is to be done again, or take it out of the brief",
                rows[row],
            )


def _ticked_at(scene: Scene, plan: Plan, commit: str) -> set[str]:
    path = scene.workspace.relative(scene.workspace.working_plan(plan))
    blob = _blob(scene, commit, path)
    if blob is None:
        return set()
    text = scene.workspace.repo.blobs([blob])[blob].decode("utf-8", "surrogateescape")
    return {found.row for found in row_lines(text) if found.mark.ticked}


def _ordered(scene: Scene) -> dict[str, tuple[int, str]]:
    """Return the rows that the brief orders, each with line and text of the order."""
    from planctl.models.orders import clauses
    from planctl.models.prose.reading import parse_prose
    from planctl.ops.audit.orders import orders_in

    lines = scene.lines_of(BRIEF)
    found: dict[str, tuple[int, str]] = {}
    for block in parse_prose("\n".join(lines)).blocks:
        for line, text in orders_in(block, lines):
            for clause in clauses(text):
                for row in () if clause.past else clause.targets:
                    found.setdefault(row, (line, text))
    return found
