"""The questions `verify` puts to one receipt, each answered by name with the ids it compared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from planctl import _bounded, _questions
from planctl._git import Commit, Entry
from planctl._text import count, listed
from planctl.errors import BadFileError
from planctl.models.plan.plan import Plan, Step, checks_of, contract_digest
from planctl.models.receipt import DataFile, Receipt, StoredReceipt
from planctl.models.verdict import Compared, Predicate, Verdict
from planctl.ops import checks, run_log
from planctl.ops.artifacts import Artifacts, subject_path
from planctl.ops.checks import run_checks
from planctl.ops.facts import rules
from planctl.ops.gates import GateHistory
from planctl.ops.inputs import TreeState, is_working_plan

CLOCK_SLACK = dt.timedelta(minutes=2)
_SHOWN = 6
# Checks planctl adds to a run by itself; all others are the plan's and are asked again.
_OF_THE_RUN = {"inputs", "collect", "output"}
_OUTSIDE = "a change outside git"


def present(
    artifacts: Artifacts, step: Step, receipt: Receipt, gone: str | None = None
) -> Predicate:
    """The receipt and every artifact it recorded are there, and it recorded every declared one."""
    if gone is not None:
        text = f"the receipt itself is gone; {gone}"
        return Predicate("present", False, text, (), Verdict.MISSING)
    lost = [name for name, now in artifacts.moved(receipt).items() if now is None]
    names = _with_folders(subject.declared for subject in receipt.subjects)
    wanted = (step.log, *(item.to.rstrip("/") for item in step.collect))
    lost += [target for target in wanted if target not in names]
    if not lost:
        return Predicate("present", True, count(len(receipt.subjects), "artifact"))
    ids = tuple(Compared(name, "recorded", None) for name in lost)
    return Predicate("present", False, f"gone: {listed(lost)}", ids, Verdict.MISSING)


def _with_folders(names: Iterable[str]) -> set[str]:
    """Return names and every folder that one of them lies in."""
    found = set(names)
    level = {name.rpartition("/")[0] for name in found} - {""}
    while level:
        found |= level
        level = {name.rpartition("/")[0] for name in level} - found - {""}
    return found


def intact(artifacts: Artifacts, receipt: Receipt, broken: str | None) -> Predicate:
    """The receipt is the one that was written, and every artifact has the recorded content."""
    wrong = [broken] if broken is not None else artifacts.log_contradictions(receipt)
    if wrong:
        text = f"the receipt is not intact: {'; '.join(wrong)}"
        return Predicate("intact", False, text, (), Verdict.MODIFIED)
    found = artifacts.moved(receipt)
    moved = [
        Compared(item.name, item.sha256, found[item.name])
        for item in (receipt.subjects if found else ())
        if found.get(item.name) is not None
    ]
    if not moved:
        return Predicate("intact", True, "receipt and artifacts are as recorded")
    names = listed([item.name for item in moved])
    text = f"content is not what the receipt recorded: {names}"
    return Predicate("intact", False, text, tuple(moved), Verdict.MODIFIED)


def exited(receipt: Receipt) -> Predicate:
    """The command ended with 0, left what it should, and ran on inputs that stood still."""
    ids = (Compared("exit code", "0", str(receipt.exit_code)),)
    text = f"the command ended with {receipt.exit_code}"
    if receipt.timed_out:
        text += " (its time ran out)"
    wrong = [item.seen for item in receipt.checks if not item.ok and set(item.check) & _OF_THE_RUN]
    ok = receipt.exit_code == 0 and not wrong
    said = "; ".join([text, *wrong[:_SHOWN]])
    return Predicate("exit", ok, said, ids, None if ok else Verdict.FAILED)


def remarks(receipt: Receipt) -> list[str]:
    """Return what the run noted about itself that is no failure, but that a reader should know."""
    return [item.seen for item in receipt.checks if item.ok and set(item.check) & _OF_THE_RUN]


def checks_hold(step: Step, resolve: Callable[[str], Path]) -> Predicate:
    """Every check of the plan holds now, on the artifacts as they lie there."""
    asked = checks_of(step)
    if not asked:
        return Predicate("checks", True, "the step has none")
    results = run_checks(asked, resolve)
    bad = [result for result in results if not result.ok]
    if not bad:
        return all_hold(step)
    ids = tuple(Compared(check_name(item.check), "holds", item.seen) for item in bad)
    text = "; ".join(f"{check_name(item.check)}: {item.seen}" for item in bad[:_SHOWN])
    return Predicate("checks", False, text, ids, Verdict.FAILED)


def all_hold(step: Step) -> Predicate:
    """Every check of a step holds."""
    return Predicate("checks", True, f"{len(checks_of(step))} hold")


def check_rules() -> str:
    """Return the digest of the code that answers checks."""
    return rules(checks, run_log, _questions, _bounded)


def check_name(check: dict[str, Any]) -> str:
    """Name a check in a few words: the artifact and what in it is asked for."""
    for key in ("json", "log", "image", "file", "tests"):
        if key in check:
            detail = check.get("path") or check.get("capture") or check.get("matches")
            return f"`{check[key]}`" + (f" `{detail}`" if detail else "")
    return "same bytes" if "same" in check else next(iter(check))


def gate(
    history: GateHistory, wanted: str | None, receipt: Receipt, same_inputs: bool, head: str | None
) -> Predicate:
    """The evidence comes from code that contains the gate commit.

    Either the receipt's commit contains it, or (after a rebase or squash) the receipt's input ids
    equal those of a commit that does: HEAD. In a clone that lacks the gate commit, the ancestry
    the receipt saw when it ran counts.
    """
    if wanted is None:
        return Predicate("gate", True, "the phase has none")
    full, inside = history.of(wanted)
    ids = (Compared("gate", wanted, full), Compared("commit", receipt.commit, head))
    if full is None:
        saw = receipt.gate is not None and receipt.gate.startswith(wanted)
        if saw and receipt.gate_contained:
            text = f"`{wanted}` is not in this clone; the run saw it contained"
            return Predicate("gate", True, text, ids)
        text = f"gate `{wanted}` is not in this clone and the receipt did not see it contained"
        return Predicate("gate", False, text, ids, Verdict.STALE)
    if history.contained_in(full, receipt.commit, inside):
        text = f"`{receipt.commit[:8]}` contains `{wanted[:8]}`"
        return Predicate("gate", True, text, ids)
    if same_inputs and head in inside:
        return Predicate("gate", True, f"HEAD contains `{wanted[:8]}` and has the same inputs", ids)
    text = f"`{receipt.commit[:8]}` does not contain the gate `{wanted[:8]}`"
    return Predicate("gate", False, text, ids, Verdict.STALE)


def inputs(
    tree: TreeState,
    plan: Plan,
    phase: str,
    step: Step,
    receipt: Receipt,
    moved: tuple[DataFile, ...],
) -> Predicate:
    """The recorded input ids equal those at HEAD and in the work tree.

    Args:
        tree: What git and the work tree hold.
        plan: The plan.
        phase: The phase of the step.
        step: The step.
        receipt: What was recorded.
        moved: Those of its files outside git that have another content now.
    """
    globs = plan.inputs_of(phase, step)
    recorded = {item.path: Entry(item.mode, item.blob) for item in receipt.inputs}
    head, disk = tree.at_head(globs), tree.on_disk(globs)
    data = [Compared(item.path, item.sha256, "other content", _OUTSIDE) for item in moved]
    off_head = _without_marked(tree, plan, _moved(recorded, head))
    off_disk = _without_marked(tree, plan, _moved(recorded, disk))
    if not off_head and not off_disk and not data:
        return Predicate("inputs", True, f"{count(len(recorded), 'file')} as they were")
    if not off_disk and not data:
        text = f"ran on uncommitted changes that are still not committed: {listed(list(off_head))}"
        return Predicate("inputs", False, text, tuple(off_head.values()), Verdict.DIRTY)
    uncommitted = {path: item for path, item in off_disk.items() if path not in off_head}
    ids = [Compared(i.name, i.recorded, i.now, "uncommitted") for i in uncommitted.values()]
    ids += [*off_head.values(), *data]
    text = f"changed since the run: {listed([item.name for item in ids])}"
    return Predicate("inputs", False, text, tuple(ids), Verdict.STALE)


def _moved(recorded: dict[str, Entry], now: dict[str, Entry]) -> dict[str, Compared]:
    return {
        path: Compared(path, _id(recorded.get(path)), _id(now.get(path)))
        for path in sorted({*recorded, *now})
        if recorded.get(path) != now.get(path)
    }


def _without_marked(tree: TreeState, plan: Plan, moved: dict[str, Compared]) -> dict[str, Compared]:
    """Leave out working plans in which nothing changed but what planctl writes: ticks, remarks.

    `planctl sync` writes them by the verdict; they must not change it.
    """
    return {
        path: item
        for path, item in moved.items()
        if not is_working_plan(path, plan) or not tree.only_marks(path, item.recorded, item.now)
    }


def _id(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return entry.blob if entry.mode != "100755" else f"{entry.blob} (executable)"


def name_commits(predicate: Predicate, commits: dict[str, Commit]) -> Predicate:
    """Return the `inputs` predicate with the commit that last moved each path filled in."""
    ids = tuple(
        item
        if item.moved_by or item.name not in commits
        else Compared(item.name, item.recorded, item.now, commits[item.name].id)
        for item in predicate.ids
    )
    by = [f"`{item.name}` by {_mover(item)}" for item in ids[:_SHOWN]]
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    start = predicate.text.split(": ")[0]
    return Predicate("inputs", False, f"{start}: {', '.join(by)}{more}", ids, predicate.verdict)


def _mover(item: Compared) -> str:
    if item.moved_by is None:
        return "nothing git knows"
    if item.moved_by == _OUTSIDE:
        return _OUTSIDE
    return "an uncommitted change" if item.moved_by == "uncommitted" else item.moved_by[:8]


def contract(plan: Plan, phase: str, step: Step, receipt: Receipt) -> Predicate:
    """Command, inputs, outputs and checks are those the run had."""
    now = plan.contract(phase, step)
    digest = contract_digest(now)
    if digest == receipt.contract_sha256 == contract_digest(receipt.contract):
        return Predicate("contract", True, f"{digest[:12]}")
    keys = sorted({*now, *receipt.contract})
    moved = [key for key in keys if now.get(key) != receipt.contract.get(key)]
    if moved == ["env"]:
        return _other_values(receipt.contract.get("env"), now["env"])
    ids = tuple(
        Compared(f"contract.{key}", _short(receipt.contract.get(key)), _short(now.get(key)))
        for key in moved
    )
    named = listed(moved) if moved else "its digest"
    return Predicate(
        "contract", False, f"`plan.yaml` changed since the run: {named}", ids, Verdict.STALE
    )


def _other_values(recorded: Any, now: dict[str, str]) -> Predicate:
    """Say which values of `env` differ: the plan's may have changed, or others were given."""
    before = recorded if isinstance(recorded, dict) else {}
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    ids = tuple(
        Compared(f"contract.env.{name}", _short(before.get(name)), _short(now.get(name)))
        for name in names
    )
    said = [f"`{i.name.rpartition('.')[2]}` was `{i.recorded}`, is `{i.now}`" for i in ids[:_SHOWN]]
    text = f"the run had other values of `env`: {'; '.join(said)}"
    return Predicate("contract", False, text, ids, Verdict.STALE)


def _short(value: object) -> str | None:
    return None if value is None else str(value)[:400]


def clock(receipt: Receipt, commit: Commit | None, now: dt.datetime) -> Predicate:
    """Times are possible: start ≤ end ≤ now + 2 min, and the commit is not after the start."""
    wrong: list[str] = []
    if receipt.started > receipt.finished:
        wrong.append("it ended before it started")
    if receipt.finished > now + CLOCK_SLACK:
        wrong.append(f"it ended {receipt.finished - now} in the future")
    if commit is not None and commit.committed > receipt.started + CLOCK_SLACK:
        wrong.append(f"its commit is {commit.committed - receipt.started} younger than its start")
    ids = (Compared("run", f"{receipt.started:%FT%TZ}", f"{now:%FT%TZ}"),)
    text = "; ".join(wrong) if wrong else f"{receipt.started:%FT%TZ} to {receipt.finished:%FT%TZ}"
    return Predicate("clock", not wrong, text, ids)


def parents(
    step: Step, stored: StoredReceipt, judge: Callable[[str, str | None], tuple[Verdict, str]]
) -> Predicate:
    """Every needed step was proven when this one ran, by a receipt that still holds.

    Args:
        step: The step with its `needs`.
        stored: The receipt of this step.
        judge: From (needed step, payload digest or None) to what that receipt proves now, and
            why; a needed step that a person accepts without proof counts as waived.
    """
    if not step.needs:
        return Predicate("parents", True, "needs nothing")
    bad: list[Compared] = []
    seen: set[Verdict] = set()
    for need in step.needs:
        digest = stored.receipt.parents.get(need)
        verdict, why = judge(need, digest)
        if not verdict.accepted:
            bad.append(Compared(need, digest, f"{verdict}: {why}"))
            seen.add(verdict)
    if not bad:
        return Predicate("parents", True, ", ".join(f"`{need}`" for need in step.needs))
    text = "; ".join(f"needs `{item.name}`, which is {item.now}" for item in bad)
    return Predicate("parents", False, text, tuple(bad), _worst(seen))


def _worst(of_parents: set[Verdict]) -> Verdict:
    """Return what a step is for what it needs: what would make that hold makes this hold too."""
    if of_parents <= {Verdict.UNPROVEN}:
        return Verdict.UNPROVEN
    return Verdict.DIRTY if of_parents <= {Verdict.DIRTY, Verdict.UNPROVEN} else Verdict.STALE


def resolver(
    root: Path, receipt: Receipt, parent: Callable[[str], Receipt | None]
) -> Callable[[str], Path]:
    """Return how a receipt's checks find artifacts: its own, else those of what it needed."""

    def resolve(declared: str) -> Path:
        for step in (None, *receipt.parents):
            source = receipt if step is None else parent(receipt.parents[step])
            subject = None if source is None else source.subject_for(declared)
            if subject is not None and source is not None:
                return subject_path(root, source, subject)
        inside = f"{receipt.hub}/{declared}"
        raise BadFileError(inside, "was not recorded by this step or one it needs")

    return resolve
