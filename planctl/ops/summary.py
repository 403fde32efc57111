"""Turn Summaries: written from receipts, put on top of the hub's and the initiative's summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planctl import clock
from planctl._files import atomic_write
from planctl.errors import NotFoundError
from planctl.models.plan.plan import Plan
from planctl.models.receipt import Receipt, StoredReceipt
from planctl.models.turn import turn
from planctl.ops.merge_rules import ensure_merge_rules
from planctl.ops.write_lock import write_lock
from planctl.workspace import Hub, Workspace


@dataclass(frozen=True)
class SummaryView:
    """The turns of an initiative, newest first.

    Attributes:
        path: Repository-relative path of its `summary.md`.
    """

    initiative: str
    path: str
    blocks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def show(workspace: Workspace, initiative: str) -> SummaryView:
    """Return the Turn Summaries of an initiative.

    Raises:
        NotFoundError: No such initiative, or it has no summary yet.
    """
    path = workspace.initiative_dir(initiative) / "summary.md"
    shown = workspace.relative(path)
    if not path.is_file():
        raise NotFoundError(
            f"`{initiative}` has no `{shown}` yet", f"`planctl run-phase {initiative} …` writes one"
        )
    return SummaryView(initiative, shown, turn.blocks(path.read_text("utf-8", "replace")))


def record_run(
    workspace: Workspace,
    plan: Plan,
    hub: Hub,
    phase: str,
    receipts: Sequence[StoredReceipt],
    verdict: str,
    next_: str,
) -> str | None:
    """Tell of every run that no block has told of yet.

    A planctl that was killed after its receipts and before its summary is told of by the next one.

    Args:
        workspace: The repository.
        plan: The plan.
        hub: The plan's hub.
        phase: The phase that was run, or `ad hoc`.
        receipts: The hub's receipts.
        verdict: One sentence: where the phase stands now.
        next_: What comes next.

    Returns:
        The block that was written, or None when all is told.
    """
    ensure_merge_rules(workspace)
    with write_lock(workspace, f"summary of {plan.id}"):
        untold = untold_runs(hub, receipts)
        if not untold:
            return None

        def block(runs: Sequence[StoredReceipt]) -> str:
            return turn.render(_turn(workspace, plan, hub, phase, runs, verdict, next_))

        # The hub's summary last: what it does not name is told of again, and the initiative's
        # may have it already when planctl was killed between the two.
        whole = workspace.initiative_dir(plan.id) / "summary.md"
        known = _read(whole)
        told_now = block(untold)
        if new := [item for item in untold if item.receipt.ulid not in known]:
            _prepend(whole, told_now if len(new) == len(untold) else block(new))
        _prepend(hub.path / "summary.md", told_now)
    return told_now


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def untold_runs(hub: Hub, receipts: Sequence[StoredReceipt]) -> tuple[StoredReceipt, ...]:
    """Return the receipts of a hub that its summary does not name, oldest first."""
    told = _read(hub.path / "summary.md")
    own = (item for item in receipts if item.receipt.hub == hub.name)
    untold = (item for item in own if item.receipt.ulid not in told)
    return tuple(sorted(untold, key=lambda item: item.receipt.ulid))


def _prepend(path: Path, block: str) -> None:
    old = path.read_bytes() if path.is_file() else b""
    atomic_write(path, turn.prepended(block, old))


def _turn(
    workspace: Workspace,
    plan: Plan,
    hub: Hub,
    phase: str,
    runs: Sequence[StoredReceipt],
    verdict: str,
    next_: str,
) -> turn.TurnSummary:
    receipts = [item.receipt for item in runs]
    names = tuple(subject.name for receipt in receipts for subject in receipt.subjects)
    return turn.TurnSummary(
        id=receipts[0].ulid,
        stamp=clock.stamp(workspace.clock()),
        sentences=(_opening(plan, phase, receipts), *map(told, receipts), verdict),
        next=next_,
        artifacts={hub.name: names},
        files_touched=_touched(workspace, hub),
        tests_run=tuple(map(test_run, filter(is_test, receipts))),
        artifacts_updated=names,
    )


def _opening(plan: Plan, phase: str, receipts: Sequence[Receipt]) -> str:
    title = plan.phases[phase].title if phase in plan.phases else ""
    commits = sorted({receipt.commit[:8] for receipt in receipts})
    dirty = sorted({path for receipt in receipts for path in receipt.dirty})
    where = named_phase(plan, phase) + (f" ({title})" if title else "")
    uncommitted = f", on uncommitted changes of {_counted(len(dirty), 'input')}" if dirty else ""
    runs = _counted(len(receipts), "run")
    return f"Recorded {runs} of {where} at {', '.join(commits)}{uncommitted}."


def named_phase(plan: Plan, phase: str) -> str:
    """Return `phase A` for a phase of the plan, any other word as it is."""
    return f"phase {phase}" if phase in plan.phases else phase


def told(receipt: Receipt) -> str:
    """Say in one sentence how a run ended; every such sentence differs by the receipt's id."""
    took = (receipt.finished - receipt.started).total_seconds()
    failed = sum(not result.ok for result in receipt.checks)
    if receipt.timed_out:
        how = f"ran out of its time after {took:.0f} s"
    elif receipt.exit_code != 0:
        how = f"failed with exit code {receipt.exit_code} after {took:.0f} s"
    elif failed:
        how = f"ended with 0 in {took:.0f} s but {_counted(failed, 'check')} failed"
    else:
        held = f", {_counted(len(receipt.checks), 'check')} passed" if receipt.checks else ""
        how = f"passed in {took:.0f} s{held}"
    return f"`{receipt.step}` {how} (receipt {receipt.ulid})."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_test(receipt: Receipt) -> bool:
    """Tell whether a run was one of tests."""
    return receipt.contract.get("kind") == "pytest"


def test_run(receipt: Receipt) -> str:
    """Spell a run of tests: command, exit code, closing line, log."""
    closing = [result.seen for result in receipt.checks if result.ok and "tests" in result.check]
    said = [f"exit {receipt.exit_code}", *closing, receipt.log]
    return f"`{receipt.command}` ({', '.join(said)})"


def _touched(workspace: Workspace, hub: Hub) -> tuple[str, ...]:
    """Return what differs from the commit, the hub's evidence as one brace list in front."""
    changed = sorted(workspace.repo.changed_paths())
    inside = [path.removeprefix(f"{hub.name}/") for path in changed if _is_in(path, hub)]
    evidence = [turn.braced(hub.name, inside)] if inside else []
    return (*evidence, *(path for path in changed if not _is_in(path, hub)))


def _is_in(path: str, hub: Hub) -> bool:
    return path.startswith(f"{hub.name}/")
