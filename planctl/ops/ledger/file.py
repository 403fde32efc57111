"""The file of the ledger: read whole, rewritten under the lock."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from planctl._files import atomic_write
from planctl.errors import BadFileError, NotFoundError
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Ledger, LedgerItem
from planctl.ops.merge_rules import ensure_merge_rules
from planctl.ops.write_lock import write_lock
from planctl.workspace import LEDGER, Workspace

if TYPE_CHECKING:
    from planctl.models.plan.plan import Plan

_TITLE = "# Fix plan\n"


def show(workspace: Workspace) -> Ledger:
    """Read the ledger.

    Raises:
        NotFoundError: There is none.
        BadFileError: A region has no end or a status is none.
    """
    if not (workspace.root / LEDGER).is_file():
        raise NotFoundError(f"there is no `{LEDGER}`", "`planctl init` writes one")
    return ledger.parse(read_ledger(workspace), LEDGER)


def read_ledger(workspace: Workspace) -> str:
    """Return the text of the ledger; empty when there is none."""
    return read_document(workspace, LEDGER)


def read_document(workspace: Workspace, name: str) -> str:
    """Return the text of a file with marked regions; empty when it is not there."""
    path = workspace.root / name
    # Bytes that are no UTF-8 come back out as they went in.
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""


def write_document(workspace: Workspace, name: str, text: str) -> None:
    """Write a file with marked regions, whatever bytes it held before."""
    atomic_write(workspace.root / name, text.encode("utf-8", "surrogateescape"))


def rewrite_ledger(workspace: Workspace, purpose: str, edit: Callable[[str], str]) -> Ledger:
    """Rewrite the ledger under the lock; nothing is written when nothing changes.

    Args:
        workspace: The repository.
        purpose: Whose item is rewritten, for who waits for the lock.
        edit: Gets the text as it is then.

    Returns:
        The ledger as it stands now.
    """
    ensure_merge_rules(workspace)
    with write_lock(workspace, f"ledger of {purpose}"):
        old = read_ledger(workspace)
        text = edit(old or _TITLE)
        if text != old:
            from planctl.ops.ledger.archive import fitted

            text = fitted(workspace, text)
            write_document(workspace, LEDGER, text)
    return ledger.parse(text, LEDGER)


def with_item_of(text: str, plan: Plan) -> str:
    """Return the ledger with an item of a plan, if it has none yet.

    An item that nobody has worked on says what the plan says by now: it was made from the plan as
    it was scaffolded.

    Raises:
        BadFileError: Its markers stand in a code fence: the item would be there twice once that
            is closed.
    """
    known = ledger.parse(text, LEDGER).item(plan.id)
    if known is not None:
        untouched = known.status == "pending" and not known.attempts and not known.archive
        return _as_planned(text, known, new_item(plan)) if untouched else text
    marker = f"<!-- planctl:item {plan.id} -->"
    quoted = re.search(rf"^{re.escape(marker)}[ \t\r]*$", text, re.MULTILINE)
    if quoted is not None:
        raise BadFileError(
            LEDGER,
            f"the item of `{plan.id}` stands in a code fence",
            line=text.count("\n", 0, quoted.start()) + 1,
            hint="close the fence above it; if it is an example, indent its markers",
        )
    return ledger.with_item(text, new_item(plan))


def _as_planned(text: str, known: LedgerItem, planned: LedgerItem) -> str:
    if known.title != planned.title:
        text = ledger.with_title(text, LEDGER, known.id, planned.title)
    if known.priority != planned.priority:
        text = ledger.with_field(text, LEDGER, known.id, "Priority", planned.priority)
    if known.depends_on != planned.depends_on:
        told = ", ".join(planned.depends_on) or "none"
        text = ledger.with_field(text, LEDGER, known.id, "Depends on", told)
    return text


def new_item(plan: Plan) -> LedgerItem:
    """Return the item that a plan gets when the ledger has none of it."""
    return LedgerItem(
        id=plan.id,
        title=" ".join(plan.title.split()),
        status="pending",
        priority=plan.priority,
        depends_on=plan.depends_on,
    )
