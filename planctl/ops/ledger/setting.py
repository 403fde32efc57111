"""Setting the fields of a ledger's item: only to what can be, and `done` only when it is proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from planctl._files import atomic_write
from planctl._text import count, listed
from planctl.errors import NotFoundError, PreconditionError, UsageError
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import PRIORITIES, Ledger, LedgerItem, Status
from planctl.models.plan.edit import with_value
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import ordered
from planctl.ops.ledger.file import rewrite_ledger, with_item_of
from planctl.ops.ledger.next_item import open_dependencies, with_unlisted
from planctl.workspace import LEDGER, Workspace

Settable = Literal["status", "priority", "depends_on", "title"]
# From each status, those that it may become by hand.
_NEXT: dict[Status, tuple[Status, ...]] = {
    "pending": ("in_progress", "blocked", "done"),
    "in_progress": ("pending", "blocked", "done"),
    "blocked": ("in_progress", "pending"),
    "done": ("in_progress", "pending"),
    "archived": ("in_progress", "pending"),
}


@dataclass(frozen=True)
class _Change:
    """What a set is decided on: the ledger as it is, under the lock."""

    workspace: Workspace
    text: str
    items: Mapping[str, LedgerItem]
    own: LedgerItem


def set_field(workspace: Workspace, initiative: str, field: str, value: str) -> LedgerItem:
    """Set a field of an item.

    Args:
        workspace: The repository.
        initiative: The item; an initiative without one gets it.
        field: `status`, `priority`, `depends_on` or `title`; the last three are written into
            `plan.yaml` too.
        value: The new value; of `depends_on`: ids with commas between, or `none`.

    Returns:
        The item as it stands now.

    Raises:
        UsageError: No such field, or a value that the field cannot have.
        NotFoundError: No such item or initiative, or a dependency on none.
        PreconditionError: The item cannot get there from where it is; says what is in the way.
        PlanError: The plan cannot be edited in place.
    """
    if field not in get_args(Settable):
        raise UsageError(
            f"an item has no field `{field}`", f"there are {listed(get_args(Settable))}"
        )
    planned = frozenset(workspace.initiatives())
    if field == "status" and value == "done":
        _refuse_open_rows(workspace, initiative, planned)

    def edit(old: str) -> str:
        text = old
        if initiative in planned:
            text = with_item_of(old, workspace.load_plan(initiative))
        known = ledger.parse(text, LEDGER)
        own = known.item(initiative)
        if own is None:
            raise NotFoundError(
                f"`{LEDGER}` has no item `{initiative}`, and there is no such initiative",
                f"`planctl new {initiative}` makes one; `planctl ledger show` lists the items",
            )
        items = {item.id: item for item in with_unlisted(workspace, known, planned)}
        change = _Change(workspace, text, items, own)
        edited = _edited(change, cast("Settable", field), value.strip())
        if initiative in planned and field != "status":
            _write_plan(change, field, value.strip())
        return edited

    return _item(rewrite_ledger(workspace, initiative, edit), initiative)


def _item(known: Ledger, initiative: str) -> LedgerItem:
    item = known.item(initiative)
    assert item is not None
    return item


def _edited(change: _Change, field: Settable, value: str) -> str:
    item = change.own.id
    if field == "status":
        _refuse_status(change, value)
        return ledger.with_field(change.text, LEDGER, item, "Status", value)
    if field == "priority":
        if value not in PRIORITIES:
            raise UsageError(f"`{value}` is no priority", f"there are {listed(PRIORITIES)}")
        return ledger.with_field(change.text, LEDGER, item, "Priority", value)
    if field == "title":
        if not value:
            raise UsageError("a title says something", "give it in quotes")
        return ledger.with_title(change.text, LEDGER, item, value)
    names = ledger.dependencies(value)
    _refuse_dependencies(change, names)
    told = ", ".join(names) or "none"
    return ledger.with_field(change.text, LEDGER, item, "Depends on", told)


def _write_plan(change: _Change, field: str, value: str) -> None:
    """Write a field that the plan has too into the plan: the two must not differ."""
    path = change.workspace.initiative_dir(change.own.id) / "plan.yaml"
    # Bytes, so that line ends stay what they are.
    text = path.read_bytes().decode("utf-8")
    new = ledger.dependencies(value) if field == "depends_on" else " ".join(value.split())
    shown = change.workspace.relative(path)
    if getattr(parse_plan(text, shown), field) != new:
        atomic_write(path, with_value(text, shown, field, new))


def _refuse_status(change: _Change, value: str) -> None:
    own = change.own
    if value not in get_args(Status):
        raise UsageError(f"`{value}` is no status", f"there are {listed(get_args(Status))}")
    if value == "archived":
        raise PreconditionError(
            f"`{own.id}` is `{own.status}`; what is archived moves to the archive",
            f"`planctl ledger archive --item {own.id}` moves it, once it is done",
        )
    if value == own.status:
        return
    if value not in _NEXT[own.status]:
        raise PreconditionError(
            f"`{own.id}` is `{own.status}`, and cannot become `{value}` from there",
            f"it may become {listed(_NEXT[own.status])}",
        )
    if own.status == "blocked":
        _refuse_around_blockers(change)
    if value in ("in_progress", "done"):
        _refuse_before_its_time(change, value)
    if value == "in_progress":
        _refuse_too_many(change)


def _refuse_around_blockers(change: _Change) -> None:
    """Refuse to lift a blocked item while a blocker holds: its return condition says when."""
    from planctl.ops.blocking.open_blockers import open_blockers

    found = open_blockers(change.workspace, change.own.id)
    holding = next((item for item in found if item.facts.blocks_focus), None)
    if holding is not None:
        raise PreconditionError(
            f"`{change.own.id}` is blocked: {holding.facts.reason} ({holding.path})",
            f"`planctl unblock {change.own.id}` runs the return condition",
        )


def _refuse_before_its_time(change: _Change, value: str) -> None:
    missing = open_dependencies(change.own, change.items)
    if missing:
        raise PreconditionError(
            f"`{change.own.id}` cannot be `{value}` while it depends on {', '.join(missing)}",
            f"finish that first, or `planctl ledger set {change.own.id} depends_on …`",
        )


def _refuse_too_many(change: _Change) -> None:
    at_most = change.workspace.settings().ledger.max_in_progress
    busy = [item.id for item in change.items.values() if item.status == "in_progress"]
    if len(busy) >= at_most:
        raise PreconditionError(
            f"{count(len(busy), 'item')} in progress already: {listed(busy)}; "
            f"at most {at_most} may be",
            f"`planctl ledger set {busy[0]} status pending` puts one back; "
            "`[ledger] max_in_progress` in planctl.toml is the limit",
        )


def _refuse_open_rows(workspace: Workspace, initiative: str, planned: frozenset[str]) -> None:
    """Refuse `done` while a step of the initiative is not proven."""
    if initiative not in planned:
        raise PreconditionError(
            f"`{initiative}` has no plan, so nothing shows that it is done",
            f"`planctl new {initiative}` makes one",
        )
    from planctl.ops.verify import verify

    report = verify(workspace, workspace.load_plan(initiative))
    still_open = [step for step in report.steps if not step.verdict.accepted]
    if still_open:
        rows = (f"{'/'.join(step.rows) or step.step} ({step.verdict})" for step in still_open[:8])
        more = f" and {len(still_open) - 8} more" if len(still_open) > 8 else ""
        raise PreconditionError(
            f"`{initiative}` is not done: {len(still_open)} of "
            f"{count(len(report.steps), 'step')} not proven: {', '.join(rows)}{more}",
            f"`planctl next-green {initiative}` has the commands",
        )


def _refuse_dependencies(change: _Change, names: tuple[str, ...]) -> None:
    own = change.own.id
    unknown = [name for name in names if name not in change.items]
    if unknown:
        raise NotFoundError(
            f"`{own}` cannot depend on {listed(unknown)}: no such item or initiative",
            "`planctl ledger show` lists the items",
        )
    needs = {
        item.id: tuple(name for name in item.depends_on if name in change.items)
        for item in change.items.values()
    }
    try:
        ordered({**needs, own: names})
    except ValueError as error:
        raise PreconditionError(
            f"`{own}` cannot depend on {listed(names)}: {error}",
            "take one of these dependencies away",
        ) from error
