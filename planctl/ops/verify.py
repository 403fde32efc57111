"""Verify: per step and per artifact, what the receipts prove at HEAD and in the work tree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from planctl._files import is_temporary
from planctl._git import Commit
from planctl.errors import NotFoundError
from planctl.models.inventory import HUMAN, MACHINE
from planctl.models.plan.plan import AD_HOC, Plan, Step
from planctl.models.verdict import (
    ArtifactVerdict,
    Predicate,
    ReceiptVerdict,
    StepVerdict,
    Verdict,
    VerifyReport,
)
from planctl.models.weak_signs import may_be_weak
from planctl.ops import predicates
from planctl.ops.facts import Facts, fact
from planctl.ops.gates import eased
from planctl.ops.judge import Judge, choose, failed_on_same
from planctl.ops.receipts import LoadedReceipt, receipts_of
from planctl.ops.replay import store as replays
from planctl.ops.signing.trust import Auditor
from planctl.workspace import Hub, Workspace

_EVIDENCE_FOLDERS = ("green", "cli", "analysis")
_ADOPTED = (Verdict.MODIFIED, Verdict.MISSING, Verdict.UNPROVEN)
_LONG_WAIVER = dt.timedelta(days=366)


def verify(
    workspace: Workspace,
    plan: Plan,
    phase: str | None = None,
    hub: Hub | None = None,
    judge: Judge | None = None,
    auditor: Auditor | None = None,
    cache: bool = True,
) -> VerifyReport:
    """Decide what the receipts of a plan prove now.

    Args:
        workspace: The repository.
        plan: The plan.
        phase: Only this phase; None for all.
        hub: A scratch hub to judge instead of the initiative's own evidence.
        judge: Who answers; None for the work tree and HEAD.
        auditor: What somebody outside the repository asks for.
        cache: Take an artifact as read when it was read before and git's index shows no change.

    Returns:
        A verdict a step, in plan order, with its artifacts; plus files no receipt covers.

    Raises:
        NotFoundError: The plan has no such phase.
        GitError: Git refused.
    """
    if judge is None:
        judge = judge_of(workspace, plan, hub, auditor, cache)
    (report,) = name_commits(workspace, [decide(judge, phase, hub)])
    if judge.facts is not None:
        judge.facts.save()
    return report


def decide(judge: Judge, phase: str | None = None, hub: Hub | None = None) -> VerifyReport:
    """Decide as `verify` does, without the commits that moved inputs.

    Args:
        judge: Who answers.
        phase: Only this phase; None for all.
        hub: A scratch hub to judge instead of the initiative's own evidence.

    Raises:
        NotFoundError: The plan has no such phase.
        GitError: Git refused.
    """
    plan, workspace = judge.plan, judge.workspace
    if phase is not None and phase not in plan.phases:
        known = ", ".join(f"`{name}`" for name in plan.phases)
        raise NotFoundError(f"`{plan.id}` has no phase `{phase}`", f"it has {known}")
    own = hub if hub is not None else _own_hub(workspace, plan)
    steps = [
        step_verdict(judge, name, step, own)
        for name, step in plan.steps()
        if phase is None or name == phase
    ]
    return VerifyReport(
        initiative=plan.id,
        hub=None if own is None else own.name,
        head=workspace.repo.head,
        steps=tuple(steps),
        unproven=tuple(_without_proof(judge, own)),
        scratch=hub is not None and hub.scratch,
    )


def judge_of(
    workspace: Workspace,
    plan: Plan,
    hub: Hub | None = None,
    auditor: Auditor | None = None,
    cache: bool = True,
) -> Judge:
    """Return who answers for the work tree and HEAD; arguments as of `verify`."""
    facts = Facts(workspace.repo.git_dir / "planctl" / "facts") if cache else None
    return Judge(workspace, plan, receipts_of(workspace, plan, hub, facts), auditor, facts)


def _own_hub(workspace: Workspace, plan: Plan) -> Hub | None:
    return None if plan.hub is None else workspace.hub(plan)


def step_verdict(judge: Judge, phase: str, step: Step, hub: Hub | None) -> StepVerdict:
    """Decide what is proven of one step, and by which of its receipts."""
    loaded = judge.of_step(step.id)
    if not loaded:
        return _waived(judge, step, _without_receipt(judge, phase, step, hub))
    results = [judge.receipt(phase, step, item) for item in loaded]
    chosen, contradiction = choose(results)
    reasons = [f"{item.name}: {item.text}" for item in chosen.failing() if item.verdict]
    verdict = chosen.verdict
    if contradiction is not None:
        verdict = Verdict.FAILED
        later = contradiction.stored.path.rsplit("/", 1)[-1]
        reasons = [f"exit: a later run of the same code failed ({later})"]
    receipt = chosen.stored.receipt
    result = StepVerdict(
        phase=phase,
        step=step.id,
        rows=step.rows,
        verdict=verdict,
        reasons=tuple(reasons),
        tier=_tier(judge, phase, chosen) if verdict is Verdict.FRESH else None,
        signed_by=judge.signatures.signed_by(chosen.stored.path),
        receipt=chosen.stored.path,
        commit=receipt.commit,
        predicates=chosen.predicates,
        artifacts=tuple(_artifacts(judge, chosen, verdict)),
        warnings=(
            *_gate_moved(judge, phase, chosen),
            *_warnings(judge, loaded, results, chosen),
            *_weak(judge, phase, step),
        ),
        stored=chosen.stored,
    )
    return _waived(judge, step, result)


def _weak(judge: Judge, phase: str, step: Step) -> Iterable[str]:
    """Say what lint finds in the plan; it is loaded only where there may be something."""
    if not may_be_weak(judge.plan, phase, step):
        return ()
    from planctl.ops.lint.remarks import lint_remarks, plan_findings, remarks_rules

    nothing = fact("lint", remarks_rules(), judge.plan_digest, step.id)
    if judge.facts is not None and nothing in judge.facts:
        return ()
    found = plan_findings(judge.plan, phase, step)
    if judge.facts is not None and not found:
        judge.facts.add(nothing)
    return lint_remarks(judge.workspace, found)


def _tier(judge: Judge, phase: str, chosen: ReceiptVerdict) -> str:
    agreed = judge.replays.standing(chosen.stored).agreed
    counted = any(
        judge.signatures.replay_counts(phase, chosen.stored.path, item.signatures, item.payload)
        for item in agreed
    )
    return judge.signatures.tier(chosen.stored.path, counted)


def _warnings(
    judge: Judge,
    loaded: list[LoadedReceipt],
    results: list[ReceiptVerdict],
    chosen: ReceiptVerdict,
) -> Iterable[str]:
    """Say what does not decide but must not pass unseen."""
    for answer in chosen.predicates:
        if not answer.ok and answer.verdict is None:
            yield f"{answer.name}: {answer.text}"
    yield from predicates.remarks(chosen.stored.receipt)
    yield from replays.remarks(judge.replays.standing(chosen.stored))
    for item in loaded:
        if item.path != chosen.stored.path and not item.holds:
            name = item.path.rsplit("/", 1)[-1]
            yield f"receipt `{name}` {item.broken or f'is gone; {item.gone}'}"
    named = {digest for item in results for digest in item.stored.receipt.previous}
    for digest in sorted(item for item in named if item not in judge.by_digest):
        yield f"an earlier receipt `{digest[:16]}` is gone, and git never had it"
    failed = sum(failed_on_same(item) for item in results)
    if failed and chosen.verdict is Verdict.FRESH:
        yield f"{failed} of {len(results)} runs failed on the same code"


def _gate_moved(judge: Judge, phase: str, chosen: ReceiptVerdict) -> Iterable[str]:
    said = eased(judge.gates, judge.plan.phases[phase].gate, chosen.stored.receipt)
    return () if said is None else (said,)


def _waived(judge: Judge, step: Step, result: StepVerdict) -> StepVerdict:
    if step.waive is None or result.verdict.accepted:
        return result
    waive = step.waive
    said = f"{waive.who}: {waive.why} (until {waive.until})"
    if not judge.waived(step):
        return replace(result, warnings=(*result.warnings, f"the waiver has ended: {said}"))
    if waive.until - judge.workspace.clock().date() > _LONG_WAIVER:
        result = replace(result, warnings=(*result.warnings, f"a waiver of years: {said}"))
    reasons = (f"waived by {said}", *(f"else {result.verdict}: {r}" for r in result.reasons[:1]))
    return replace(result, verdict=Verdict.WAIVED, reasons=reasons)


def _artifacts(judge: Judge, chosen: ReceiptVerdict, verdict: Verdict) -> list[ArtifactVerdict]:
    receipt = chosen.stored.receipt
    moved = {
        item.name: item
        for answer in chosen.predicates
        if answer.name in ("present", "intact")
        for item in answer.ids
    }
    if not moved and verdict not in (Verdict.MISSING, Verdict.MODIFIED):
        return [
            ArtifactVerdict(
                f"{receipt.hub}/{item.name}", verdict, f"recorded {item.sha256[:12]}", item.declared
            )
            for item in receipt.subjects
        ]
    found: list[ArtifactVerdict] = []
    for subject in receipt.subjects:
        path = f"{receipt.hub}/{subject.name}"
        own, text = verdict, f"recorded {subject.sha256[:12]}"
        if subject.name in moved:
            now = moved[subject.name].now
            own = Verdict.MISSING if now is None else Verdict.MODIFIED
            text += ", gone" if now is None else f", is {now[:12]}"
        elif verdict in (Verdict.MISSING, Verdict.MODIFIED):
            # The step lost its proof by another file; this one is as recorded.
            own = Verdict.FRESH
        found.append(ArtifactVerdict(path, own, text, subject.declared))
    return found


def _without_receipt(judge: Judge, phase: str, step: Step, hub: Hub | None) -> StepVerdict:
    broken = [item for item in judge.loaded if item.stored is None and _names(item.path, step)]
    if broken:
        reason = f"intact: the receipt is not intact: {broken[-1].broken}"
        return StepVerdict(phase, step.id, step.rows, Verdict.MODIFIED, (reason,))
    declared = _declared(step)
    there = [name for name in declared if hub is not None and judge.exists(f"{hub.name}/{name}")]
    if not there or hub is None:
        if judge.plan.adopted and (found := _adopted(judge, phase, step, declared)) is not None:
            return found
        return StepVerdict(phase, step.id, step.rows, Verdict.MISSING, ("never produced",))
    paths = [f"{hub.name}/{name}" for name in there]
    told = _history(judge, phase, paths)
    artifacts = tuple(
        ArtifactVerdict(path, Verdict.UNPROVEN, told[path], name)
        for path, name in zip(paths, there, strict=True)
    )
    reason = f"no receipt; {there[0]}: {told[paths[0]]}"
    return StepVerdict(phase, step.id, step.rows, Verdict.UNPROVEN, (reason,), artifacts=artifacts)


def _adopted(judge: Judge, phase: str, step: Step, declared: list[str]) -> StepVerdict | None:
    """Judge a step by evidence from before planctl: never more than unproven."""
    places = {name: judge.adopted.place_of(name) for name in declared}
    states = {name: judge.adopted.state(path) for name, path in places.items() if path}
    if not states:
        return None
    told = _history(judge, phase, [item.path for item in states.values()], judge.adopted.changes)
    artifacts = tuple(
        ArtifactVerdict(item.path, item.verdict, f"{item.text}; {told[item.path]}", name)
        for name, item in states.items()
    )
    name, worst = min(states.items(), key=lambda item: _ADOPTED.index(item[1].verdict))
    reason = f"no receipt; {name}: {worst.text}; {told[worst.path]}"
    tiers = {item.tier for item in states.values()}
    tier = tiers.pop() if len(tiers) == 1 else None
    return StepVerdict(
        phase, step.id, step.rows, worst.verdict, (reason,), tier, artifacts=artifacts
    )


def _names(path: str, step: Step) -> bool:
    """Tell whether a receipt's file name is one of this step: `<ULID>_<step>_<digest>.json`."""
    _, _, rest = path.rsplit("/", 1)[-1].partition("_")
    return rest.rpartition("_")[0] == step.id


def _history(
    judge: Judge, phase: str, paths: list[str], known: Mapping[str, Commit] | None = None
) -> dict[str, str]:
    """Say what git history knows of files without a receipt: last change, and the gate."""
    repo = judge.workspace.repo
    changes = repo.last_changes_below(paths) if known is None else known
    wanted = judge.plan.phases[phase].gate
    full, inside = judge.gates.of(wanted) if wanted else (None, frozenset[str]())
    told: dict[str, str] = {}
    for path in paths:
        commit = changes.get(path)
        if commit is None:
            told[path] = "git has no commit of it"
            continue
        text = f"last changed by {commit.id[:8]} ({commit.committed:%F %R}Z)"
        if wanted is not None and full is not None:
            word = "descends" if commit.id in inside else "does not descend"
            text += f", which {word} from the gate {wanted[:8]}"
        told[path] = text
    return told


def _without_proof(judge: Judge, hub: Hub | None) -> Iterable[ArtifactVerdict]:
    if hub is not None:
        yield from _uncovered(judge, hub)
    if judge.plan.adopted and (hub is None or not hub.scratch):
        steps = [step for _, step in judge.plan.steps()]
        yield from judge.adopted.undeclared([name for step in steps for name in _declared(step)])


def _declared(step: Step) -> list[str]:
    return [step.log, *(item.to.rstrip("/") for item in step.collect)]


def _uncovered(judge: Judge, hub: Hub) -> list[ArtifactVerdict]:
    receipts = [item.stored.receipt for item in judge.loaded if item.stored is not None]
    subjects = [
        item for receipt in receipts if receipt.hub == hub.name for item in receipt.subjects
    ]
    covered = {item.name for item in subjects}
    folders = {item.name for item in subjects if item.kind == "folder"}
    declared = {step.log for _, step in judge.plan.steps()}
    start = len(hub.name) + 1
    found: list[ArtifactVerdict] = []
    for folder in _EVIDENCE_FOLDERS:
        for shown in judge.files_below(f"{hub.name}/{folder}"):
            name = shown[start:]
            if name in covered or _lies_in(name, folders) or _is_own(name):
                continue
            known = name if name in declared else None
            found.append(ArtifactVerdict(shown, Verdict.UNPROVEN, "no receipt names it", known))
    return found + _loose_receipts(judge)


def _lies_in(name: str, folders: set[str]) -> bool:
    while folders and name:
        name = name.rpartition("/")[0]
        if name in folders:
            return True
    return False


def _is_own(name: str) -> bool:
    """Tell whether planctl writes a file of the hub itself, or is about to."""
    return name in (HUMAN, MACHINE) or any(map(is_temporary, name.split("/")))


def _loose_receipts(judge: Judge) -> list[ArtifactVerdict]:
    """Return receipts that do not hold, or that are of steps the plan no longer has."""
    steps = {step.id for _, step in judge.plan.steps()}
    found: list[ArtifactVerdict] = []
    for item in judge.loaded:
        receipt = None if item.stored is None else item.stored.receipt
        if receipt is None or not item.holds:
            text = f"receipt not intact: {item.broken}" if item.broken else f"gone; {item.gone}"
            found.append(ArtifactVerdict(item.path, Verdict.MODIFIED, text))
        elif receipt.initiative != judge.plan.id:
            text = f"receipt of `{receipt.initiative}`, another initiative"
            found.append(ArtifactVerdict(item.path, Verdict.MODIFIED, text))
        elif receipt.phase != AD_HOC and receipt.step not in steps:
            ended = "passed" if receipt.ok else "failed"
            text = f"receipt of step `{receipt.step}` ({ended}), which the plan no longer has"
            found.append(ArtifactVerdict(item.path, Verdict.UNPROVEN, text))
    return found


def name_commits(workspace: Workspace, reports: Sequence[VerifyReport]) -> list[VerifyReport]:
    """Name the commits that moved inputs: one walk over history for all steps of all plans."""
    moved = {
        item.name
        for report in reports
        for step in report.steps
        for answer in step.predicates
        if answer.name == "inputs" and not answer.ok
        for item in answer.ids
        if item.moved_by is None
    }
    commits = workspace.repo.last_changes(moved)
    return [
        replace(report, steps=tuple(_named(step, commits) for step in report.steps))
        for report in reports
    ]


def _named(step: StepVerdict, commits: dict[str, Commit]) -> StepVerdict:
    def name(answer: Predicate) -> Predicate:
        stale = answer.name == "inputs" and answer.verdict is Verdict.STALE
        return predicates.name_commits(answer, commits) if stale and not answer.ok else answer

    answers = tuple(name(answer) for answer in step.predicates)
    texts = {
        f"{a.name}: {a.text}": f"{b.name}: {b.text}"
        for a, b in zip(step.predicates, answers, strict=True)
    }
    reasons = tuple(texts.get(reason, reason) for reason in step.reasons)
    return replace(step, predicates=answers, reasons=reasons)
