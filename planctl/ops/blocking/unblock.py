"""Unblock: run what must succeed before work goes on; or a person says why it goes on without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planctl import clock
from planctl._files import atomic_write, free_name, git_blob_id
from planctl._process import Stop
from planctl._text import count
from planctl.errors import BadFileError, NotFoundError, PreconditionError, UsageError
from planctl.models.blocker import Unblocking, render_unblocking
from planctl.models.focus_record import Unlock
from planctl.models.plan.plan import Plan
from planctl.ops.actor import Actor, acting, need_person, signed
from planctl.ops.blocking.conditions import Held, ask
from planctl.ops.blocking.open_blockers import OpenBlocker, open_blockers
from planctl.ops.dwell import Dwell
from planctl.ops.focus_records import focus_records, new_id, newest_turn, write_record
from planctl.ops.hub import slugged
from planctl.ops.ledger import items as ledger
from planctl.ops.run_phase import Reporter
from planctl.ops.write_lock import write_lock
from planctl.workspace import Hub, Workspace

DWELL_KIND = "dwell"


@dataclass(frozen=True)
class StillBlocked:
    """A blocker whose return condition did not hold, and what was seen."""

    blocker: str
    condition: str
    text: str
    seen: tuple[str, ...]
    log: str | None


@dataclass(frozen=True)
class Unblocked:
    """What became of an initiative's blockers.

    Attributes:
        ok: Nothing that was asked about stands in the way any more.
        text: One sentence.
        resolved: Paths of the blockers that are over.
        still: Those that are not.
        written: Paths of the records that were written.
        status: What the ledger says now, or None.
    """

    initiative: str
    ok: bool
    text: str
    resolved: tuple[str, ...] = ()
    still: tuple[StillBlocked, ...] = ()
    written: tuple[str, ...] = ()
    status: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Asking:
    """How return conditions are run; see `conditions.ask`."""

    reporter: Reporter
    timeout_s: float | None
    stop: Stop


def unblock(
    workspace: Workspace,
    initiative: str,
    reporter: Reporter,
    blocker: str | None = None,
    because: str | None = None,
    timeout_s: float | None = None,
    stop: Stop | None = None,
) -> Unblocked:
    """Ask whether the blockers of an initiative are gone; those that are get a record that says so.

    The ledger says `in_progress` again once none is left. A blocker's own file never changes.

    Args:
        workspace: The repository.
        initiative: Its id.
        reporter: Gets what return conditions print.
        blocker: Only this one: its path, or a part of its name; all open ones without it.
        because: A person's reason; no condition is run then.
        timeout_s: When a condition is ended, and `stop`: see `conditions.ask`.
        stop: Ends a condition.

    Raises:
        NotFoundError: No such initiative or blocker.
        BadFileError: A blocker's file is not what git first had.
        NotAPersonError: An agent gave a reason instead of the condition.
        PreconditionError: The ledger says `blocked` and no blocker says what would lift it.
        InterruptedRunError: Ctrl-C or SIGTERM while a condition ran.
    """
    plan = workspace.load_plan(initiative)
    known = open_blockers(workspace, initiative)
    chosen = known if blocker is None else (_named(known, blocker, initiative),)
    if not chosen:
        return _without_file(workspace, plan, because)
    if because is not None:
        return _by_word(workspace, plan, chosen, because)
    _require_original(workspace, chosen)
    asking = Asking(reporter, timeout_s, stop or Stop())
    return _by_condition(workspace, plan, chosen, asking)


def unlock(workspace: Workspace, initiative: str, because: str) -> Unblocked:
    """Let work on a focus go on although nothing had moved: turns are counted anew from now on.

    Args:
        workspace: The repository.
        initiative: Its id.
        because: Why; recorded.

    Raises:
        NotFoundError: No such initiative.
        NotAPersonError: An agent asked.
        PreconditionError: It has not stood still.
    """
    plan = workspace.load_plan(initiative)
    said = _said(because)
    actor = need_person(workspace, "unlocking a focus")
    found = Dwell(workspace).of(initiative, focus_records(workspace, initiative))
    if not found.dwell:
        raise PreconditionError(
            f"`{initiative}` has not stood still: its last turn made progress, or there is none",
            f"`planctl dwell {initiative}` shows its turns",
        )
    path = _write_unlock(workspace, plan, actor, said, found.dwell)
    mine = [item for item in open_blockers(workspace, initiative) if item.facts.kind == DWELL_KIND]
    how = f"{actor.role} unlocked the focus: {said}"
    files = [_record(workspace, plan, mine, how, actor.role)] if mine else []
    text = f"{how} ({count(found.dwell, 'turn')} without progress before)"
    return _settled(workspace, plan, mine, [path, *files], text, f"unlocked: {said}")


def _write_unlock(workspace: Workspace, plan: Plan, actor: Actor, said: str, dwell: int) -> str:
    with write_lock(workspace, f"unlock {plan.id}"):
        name, now = new_id(workspace, plan.id)
        record = Unlock(
            id=name,
            initiative=plan.id,
            made=now,
            after=newest_turn(workspace),
            role=actor.role,
            commit=workspace.repo.head,
            dwell=dwell,
            because=said,
        )
        return write_record(workspace, signed(record, actor))


def _said(because: str) -> str:
    said = " ".join(because.split())
    if not said:
        raise UsageError("a reason says nothing", "`--because 'why work may go on'`")
    return said


def _named(known: Sequence[OpenBlocker], name: str, initiative: str) -> OpenBlocker:
    found = [item for item in known if item.path == name]
    found = found or [item for item in known if name in item.path.rpartition("/")[2]]
    if len(found) != 1:
        listed = ", ".join(f"`{item.path}`" for item in known) or "none"
        word = "no" if not found else "more than one"
        raise NotFoundError(f"{word} open blocker of `{initiative}` is `{name}`", f"open: {listed}")
    return found[0]


def _without_file(workspace: Workspace, plan: Plan, because: str | None) -> Unblocked:
    status = _status(workspace, plan)
    if status != "blocked":
        return Unblocked(plan.id, True, "is not blocked", status=status)
    if because is None:
        raise PreconditionError(
            f"the ledger says that `{plan.id}` is blocked, and no blocker says what would lift it",
            f"`planctl unblock {plan.id} --because 'why work may go on'`",
        )
    said = _said(because)
    actor = need_person(workspace, "unblocking without a condition")
    path = _record(workspace, plan, (), f"{actor.role} unblocked it: {said}", actor.role)
    return _settled(workspace, plan, (), [path], f"unblocked: {said}", f"unblocked: {said}")


def _by_word(
    workspace: Workspace, plan: Plan, chosen: Sequence[OpenBlocker], because: str
) -> Unblocked:
    said = _said(because)
    actor = need_person(workspace, "unblocking without the return condition")
    path = _record(workspace, plan, chosen, f"{actor.role} unblocked it: {said}", actor.role)
    written = [path]
    if any(item.facts.kind == DWELL_KIND for item in chosen):
        found = Dwell(workspace).of(plan.id, focus_records(workspace, plan.id))
        if found.dwell:
            written.append(_write_unlock(workspace, plan, actor, said, found.dwell))
    return _settled(workspace, plan, chosen, written, f"unblocked: {said}", f"unblocked: {said}")


def _require_original(workspace: Workspace, chosen: Sequence[OpenBlocker]) -> None:
    """Refuse a blocker whose file is not what git first had: its condition would be another's.

    Raises:
        BadFileError: Names the commit with the original.
    """
    added = workspace.repo.first_added([item.path for item in chosen])
    for item in chosen:
        first = added.get(item.path)
        if first is not None and git_blob_id(workspace.root / item.path, _hash(first.blob)) != (
            first.blob
        ):
            raise BadFileError(
                item.path,
                f"is not what commit {first.commit.id[:8]} first had; its condition is not run",
                hint=f"`git checkout {first.commit.id[:8]} -- {item.path}` brings it back",
            )


def _hash(blob: str) -> str:
    return "sha256" if len(blob) == 64 else "sha1"


def _by_condition(
    workspace: Workspace,
    plan: Plan,
    chosen: Sequence[OpenBlocker],
    asking: Asking,
) -> Unblocked:
    groups: dict[str, list[OpenBlocker]] = {}
    for item in chosen:
        groups.setdefault(item.facts.return_condition, []).append(item)
    role = acting(workspace).role
    resolved: list[OpenBlocker] = []
    still: list[StillBlocked] = []
    written: list[str] = []
    for command, items in groups.items():
        held = _held(workspace, plan, command, items[0], asking)
        if held.ok:
            how = f"The return condition holds: it {held.text}."
            written.append(_record(workspace, plan, items, how, role, held))
            resolved += items
            continue
        still += [
            StillBlocked(item.path, command, held.text, held.seen, held.log) for item in items
        ]
    if still:
        status = _status(workspace, plan)
        done = tuple(item.path for item in resolved)
        text = f"still blocked: `{still[0].condition}` {still[0].text}"
        return Unblocked(plan.id, False, text, done, tuple(still), tuple(written), status)
    told = f"unblocked: {count(len(groups), 'return condition')} held"
    return _settled(workspace, plan, resolved, written, told, told)


def _held(
    workspace: Workspace,
    plan: Plan,
    command: str,
    item: OpenBlocker,
    asking: Asking,
) -> Held:
    if not command.strip():
        return Held(
            command, False, f"is not in the file; `--because` is the way out of {item.path}"
        )
    return ask(
        workspace,
        plan,
        command,
        item.facts.title,
        asking.reporter,
        asking.timeout_s,
        asking.stop,
    )


def _record(
    workspace: Workspace,
    plan: Plan,
    items: Sequence[OpenBlocker],
    how: str,
    role: str,
    held: Held | None = None,
) -> str:
    """Write `red/unblocked_<stamp>_<slug>.md`; return its repository-relative path."""
    now = workspace.clock()
    title = items[0].facts.title if items else plan.id
    made = Unblocking(
        initiative=plan.id,
        title=title,
        stamp=clock.iso(now),
        blockers=tuple(item.path for item in items),
        how=how,
        by=role,
        commit=workspace.now_head,
        condition="" if held is None else held.command,
        seen=() if held is None else held.seen,
        receipt=None if held is None else held.receipt,
        log=None if held is None else held.log,
    )
    hub: Hub = workspace.hub(plan)
    name = f"unblocked_{clock.stamp(now)}_{slugged(title)}.md"
    with write_lock(workspace, f"unblock {plan.id}"):
        path = free_name(hub.path / "red" / name)
        atomic_write(path, render_unblocking(made))
    return workspace.relative(path)


def _settled(
    workspace: Workspace,
    plan: Plan,
    resolved: Sequence[OpenBlocker],
    written: Sequence[str],
    text: str,
    attempt: str,
) -> Unblocked:
    """Tell the ledger; it says `in_progress` again when no blocker is left."""
    left = open_blockers(workspace, plan.id)
    blocking = [item for item in left if item.facts.blocks_focus]
    status = _status(workspace, plan)
    ledger.attempt(workspace, plan.id, f"{attempt}. See {written[0]}." if written else attempt)
    if status == "blocked" and not blocking:
        status = ledger.set_status(workspace, plan, "in_progress").status
    if blocking:
        text = f"{text}; still open: {blocking[0].path}"
    paths = tuple(item.path for item in resolved)
    return Unblocked(plan.id, True, text, paths, (), tuple(written), status)


def _status(workspace: Workspace, plan: Plan) -> str | None:
    try:
        item = ledger.show(workspace).item(plan.id)
    except NotFoundError:
        return None
    return None if item is None else item.status
