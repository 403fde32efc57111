"""The two kinds of turns: one that decides what is done next, one that does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planctl.errors import PlanctlError
from planctl.models.failures.signs import Failure
from planctl.ops.escalate import block_turn
from planctl.ops.loop import briefs
from planctl.ops.loop.agent import AgentRun
from planctl.ops.loop.bench import Bench, LoopTurn
from planctl.ops.loop.bookkeeping import close_item
from planctl.ops.loop.choice import Choice
from planctl.ops.loop.closing import Closing, finish, silent, words_of
from planctl.ops.loop.prompts import Scene, correction, duties_of, prompt
from planctl.ops.loop.turns import Turn, ask, before, begin
from planctl.ops.verify import verify


def supervise(bench: Bench, choice: Choice) -> LoopTurn:
    """Let the supervisor decide: after its turn `input.md` is an order that may be carried out.

    A brief that is refused is told to it at once, and again in its next turn; when it has been
    asked often enough, planctl's own takes the place.
    """
    command = bench.settings.supervisor
    assert command is not None
    briefs.require_ours(bench.workspace())
    turn = begin(bench, "supervisor", choice.focus)
    was = briefs.kept(bench.workspace())
    scene = _scene(bench, turn, choice)
    refused: list[str] = []
    for _ in range(bench.settings.brief_retries + 1):
        run = ask(bench, turn, command, prompt(scene, _duties(bench, turn)))
        if run.failed:
            break
        order = briefs.judged(bench.workspace(turn.role), bench.settings.focus)
        if order.good or order.absent or briefs.kept(bench.workspace()) == was:
            break  # one that has ordered nothing is not asked twice
        refused += order.refused
        scene = replace(scene, refused=order.refused)
        for line in order.refused:
            bench.say(f"its brief is refused: {line}")
    orders = tuple(dict.fromkeys(refused))
    by = _settle(bench, turn, was)
    bench.remember(refused=orders)
    closing = _closing(bench, turn, command, scene, run, orders)
    return _ended(bench, finish(bench, turn, closing), run, by)


def _settle(bench: Bench, turn: Turn, was: bytes | None) -> str | None:
    """Leave an order in `input.md` that may be carried out; return whose text it is, if any.

    Where planctl has none to give either, the refused one does not stay.
    """
    workspace = bench.workspace(turn.role)
    order = briefs.judged(workspace, bench.settings.focus)
    if order.good:
        return "planctl" if order.machine else "supervisor"
    briefs.bring_back(workspace, was)
    try:
        briefs.write(workspace, turn.open.focus)
    except PlanctlError as error:
        bench.say(f"there is no brief for `{turn.open.focus}`: {error.message}")
        return None
    bench.say("planctl's own brief is used")
    return "planctl"


def work(bench: Bench, choice: Choice) -> LoopTurn:
    """Let the engineer carry out the brief: the supervisor's if it holds now, else planctl's."""
    command = bench.settings.engineer
    assert command is not None
    workspace = bench.workspace("engineer")
    order = briefs.judged(workspace, bench.settings.focus)
    usable = order.kept_by(bench.settings.supervisor)
    if not usable:
        briefs.require_ours(workspace)
    turn = begin(bench, "engineer", order.focus if usable and order.focus else choice.focus)
    if not usable:
        try:
            briefs.write(bench.workspace(turn.role), choice.focus)
        except PlanctlError as error:
            return _without_brief(bench, turn, error)
        bench.say("planctl's own brief is used")
    scene = _scene(bench, turn, choice)
    scene = replace(scene, brief=briefs.text_of(bench.workspace()), refused=())
    run = ask(bench, turn, command, prompt(scene, _duties(bench, turn)))
    if run.outcome in ("crashed", "timed_out"):
        _block(bench, turn, command, run)
    close_item(bench.workspace(turn.role), turn.open)
    done = finish(bench, turn, _closing(bench, turn, command, scene, run))
    return _ended(bench, done, run, "supervisor" if usable and not order.machine else "planctl")


def _block(bench: Bench, turn: Turn, command: str, run: AgentRun) -> None:
    """File a blocker for an engineer that failed; the same failure twice marks the focus."""
    ended = run.ended
    failure = Failure(ended.exit_code, ended.timed_out, run.tail)
    workspace = bench.workspace(turn.role)
    filed = block_turn(workspace, turn.open.focus, turn.number, turn.role, command, failure)
    bench.say(
        f"blocker: {filed.signature}" + (", the focus is blocked" if filed.focus_blocked else "")
    )


def _without_brief(bench: Bench, turn: Turn, error: PlanctlError) -> LoopTurn:
    """Close a turn for which planctl can give no brief, though there is something to do."""
    bench.say(f"there is no brief for `{turn.open.focus}`: {error.message}")
    bench.remember_turn(stage="closing", outcome="abandoned")
    words = f"No brief could be written, so the engineer was not asked. {error.message}.\n"
    return finish(bench, turn, Closing("abandoned", words))


def tidy(bench: Bench, choice: Choice) -> LoopTurn:
    """Bring checklist and ledger up to what is proven, in a turn without an agent."""
    turn = begin(bench, "supervisor", choice.focus)
    closed = close_item(bench.workspace(turn.role), turn.open)
    bench.remember_turn(stage="closing", outcome="closed")
    words = f"No agent was asked. Every step of `{turn.open.focus}` is proven."
    words += " Its item in the ledger is done now." if closed else " Its rows say so now."
    return finish(bench, turn, Closing("closed", words + "\n"))


def _scene(bench: Bench, turn: Turn, choice: Choice) -> Scene:
    if turn.open.focus != choice.focus:  # the supervisor chose another one
        workspace = bench.workspace()
        report = verify(workspace, workspace.load_plan(turn.open.focus))
        choice = Choice(turn.open.focus, "the brief names it", report)
    return Scene(
        role=turn.role,
        number=turn.number,
        focus=turn.open.focus,
        branch=bench.branch,
        report=choice.report,
        why=choice.why,
        hints=choice.hints,
        before=before(bench.workspace()),
        refused=bench.state.refused,
    )


def _duties(bench: Bench, turn: Turn) -> str:
    settings = bench.settings
    return duties_of(bench.workspace(), turn.role, settings.prompt, settings.prompts)


def _closing(
    bench: Bench,
    turn: Turn,
    command: str,
    scene: Scene,
    run: AgentRun,
    orders: tuple[str, ...] = (),
) -> Closing:
    """Return how an agent's turn is closed; one that failed or is silent is not asked again."""

    def once_more(problems: Sequence[str]) -> AgentRun:
        order = briefs.kept(bench.workspace())
        again = ask(bench, turn, command, correction(scene, problems))
        # Only its words were asked for: the order was judged, and is not replaced by now.
        briefs.bring_back(bench.workspace(), order)
        return again

    words = words_of(run)
    if words is None:
        return Closing(run.outcome, silent(turn, run), orders)
    return Closing(run.outcome, words, orders, None if run.failed else once_more)


def _ended(bench: Bench, done: LoopTurn, run: AgentRun, by: str | None) -> LoopTurn:
    return replace(
        done,
        exit_code=run.ended.exit_code,
        duration_s=round(run.ended.duration_s, 3),
        log=bench.base.relative(bench.file(done.number, done.role, ".log")),
        brief=by,
    )
