"""The ledger `docs/fix_plan.md`: read it, add attempts, set a status."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from planctl import clock
from planctl.errors import UsageError
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Attempt, LedgerItem
from planctl.models.plan.plan import Plan
from planctl.models.receipt import StoredReceipt
from planctl.ops.ledger.file import read_ledger, rewrite_ledger, with_item_of
from planctl.ops.ledger.file import show as show
from planctl.ops.summary import named_phase, told
from planctl.workspace import ACTIVE, LEDGER, Workspace

if TYPE_CHECKING:
    from planctl.models import blocker


def attempt(workspace: Workspace, initiative: str, text: str) -> LedgerItem:
    """Add an attempt to an item, stamped by planctl's clock.

    Args:
        workspace: The repository.
        initiative: The initiative; it gets an item if it has none.
        text: What was tried and how it went; written on one line.

    Returns:
        The item as it stands now.

    Raises:
        NotFoundError: There is no such initiative.
        UsageError: The text says nothing.
    """
    if not text.strip():
        raise UsageError("an attempt needs words", "say what was tried and how it went")
    plan = workspace.load_plan(initiative)
    note = Attempt(when=clock.iso(workspace.clock()), text=f"note: {text}")

    def edit(old: str) -> str:
        return ledger.with_attempt(old, LEDGER, initiative, note)

    return _rewrite(workspace, plan, edit)


def set_status(workspace: Workspace, plan: Plan, status: ledger.Status) -> LedgerItem:
    """Set the status of a plan's item; it gets an item if it has none."""
    return _rewrite(workspace, plan, lambda old: ledger.with_status(old, LEDGER, plan.id, status))


def add_item(workspace: Workspace, plan: Plan) -> LedgerItem:
    """Give a plan an item if it has none."""
    return _rewrite(workspace, plan, lambda old: old)


def record_run(
    workspace: Workspace,
    plan: Plan,
    phase: str,
    receipts: Sequence[StoredReceipt],
    verdict: str,
) -> LedgerItem | None:
    """Add one attempt that tells of every run the ledger has not told of yet.

    An item that was `pending` is `in_progress` from then on.

    Args:
        workspace: The repository.
        plan: The plan.
        phase: The phase that was run, or `ad hoc`.
        receipts: The hub's receipts.
        verdict: One sentence: where the phase stands now.

    Returns:
        The item, or None when all was told before.
    """
    before = ledger.parse(read_ledger(workspace), LEDGER).item(plan.id)
    known = "" if before is None else " ".join(item.text for item in before.attempts)
    if before is not None and before.archive:
        from planctl.ops.ledger.archive import told_in_archive

        known += told_in_archive(workspace, before)
    untold = [item for item in receipts if item.receipt.ulid not in known]
    if not untold:
        return None
    untold.sort(key=lambda item: item.receipt.ulid)
    blocked = blockers(workspace, plan)
    sentences = [told(item.receipt) + _blocker_of(item, blocked) for item in untold]
    commits = ", ".join(sorted({item.receipt.commit[:8] for item in untold}))
    text = f"{named_phase(plan, phase)} at {commits}: {' '.join(sentences)} {verdict}"
    new = Attempt(when=clock.iso(workspace.clock()), text=text)
    return _rewrite(workspace, plan, attempt_edit(plan, new))


def attempt_edit(plan: Plan, new: Attempt) -> Callable[[str], str]:
    """Return what adds an attempt to a ledger's text; a `pending` item is `in_progress` then."""

    def edit(old: str) -> str:
        text = with_item_of(old, plan)
        item = ledger.parse(text, LEDGER).item(plan.id)
        text = ledger.with_attempt(text, LEDGER, plan.id, new)
        begins = item is not None and item.status == "pending"
        return ledger.with_status(text, LEDGER, plan.id, "in_progress") if begins else text

    return edit


def settle(workspace: Workspace, plan: Plan, proven: Collection[str]) -> LedgerItem | None:
    """Set a `blocked` item to `in_progress` once the step that its newest blocker names is proven.

    A blocker that a person wrote stays until a person changes the status.

    Args:
        workspace: The repository.
        plan: The plan.
        proven: Ids of steps that passed now or are fresh.

    Returns:
        The item if its status changed, else None.
    """
    item = ledger.parse(read_ledger(workspace), LEDGER).item(plan.id)
    if item is None or item.status != "blocked":
        return None
    from planctl.ops.blocking.open_blockers import resolved_blockers

    over = resolved_blockers(workspace, plan.id)
    left = (pair for pair in blockers(workspace, plan).items() if pair[0] not in over)
    known = sorted(left, key=lambda pair: Path(pair[0]).name)
    newest = known[-1][1] if known else None
    if newest is None or newest.receipt is None or newest.step not in proven:
        return None
    return set_status(workspace, plan, "in_progress")


def blockers(workspace: Workspace, plan: Plan) -> dict[str, blocker.BlockerFacts]:
    """Return the blocker files of an initiative: repository-relative path → what they say."""
    reports = workspace.root / ACTIVE / plan.id / "reports"
    found: dict[str, blocker.BlockerFacts] = {}
    plain = (path for path in reports.glob("*/*/red/blocked_*.md") if path.is_file())
    for path in sorted(plain):
        # Most initiatives have none: who records a run need not load what reads them.
        from planctl.models.blocker import facts as facts_in

        facts = facts_in(path.read_text("utf-8", "replace"))
        if facts is not None:
            found[workspace.relative(path)] = facts
    return found


def _blocker_of(item: StoredReceipt, known: dict[str, blocker.BlockerFacts]) -> str:
    for path, facts in known.items():
        if facts.receipt == item.path:
            return f" Signature {facts.signature}, see {path}."
    return ""


def digest_in_name(receipt: str) -> str:
    """Return the 16 hex digits of the payload digest that a receipt's file name ends with."""
    found = re.search(r"_([0-9a-f]{16})\.json$", receipt)
    return found[1] if found else ""


def _rewrite(workspace: Workspace, plan: Plan, edit: Callable[[str], str]) -> LedgerItem:
    known = rewrite_ledger(workspace, plan.id, lambda old: edit(with_item_of(old, plan)))
    item = known.item(plan.id)
    assert item is not None
    return item
