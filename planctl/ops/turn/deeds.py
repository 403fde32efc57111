"""What a turn says it did, against what was recorded in it: runs, receipts, times of commits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from planctl import clock
from planctl._git_history import named_commits
from planctl.models.claims.claim import CommitClaim, StampClaim
from planctl.models.claims.proof import ProofClaim, run_claims
from planctl.models.claims.times import SLACK, off
from planctl.models.plan.plan import Plan
from planctl.ops.summary import is_test
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.proof import known_names, steps_of
from planctl.ops.turn.records import record_names
from planctl.ops.turn.setting import Setting

_ULID = re.compile(r"(?<![0-9A-Za-z])0[0-9A-HJKMNP-TV-Z]{25}(?![0-9A-Za-z])")


def deed_problems(setting: Setting) -> Iterator[Problem]:
    """Yield deeds that nothing recorded: a run, a receipt, a commit at another time."""
    yield from _runs(setting.prose.sentences, setting.evidence)
    yield from _ids(setting)
    yield from _times(setting)


def _runs(sentences: Sequence[str], evidence: TurnEvidence) -> Iterator[Problem]:
    """Yield runs that are told and of which the turn has no receipt."""
    plan = evidence.focus.plan
    ran = {item.receipt.step for item in evidence.filed}
    tested = any(
        is_test(item.receipt) or "pytest" in item.receipt.command for item in evidence.filed
    )
    for place, sentence in enumerate(sentences):
        for claim in run_claims(sentence, known_names(plan)):
            if tested if claim.kind == "tests" else ran & set(steps_of(claim, plan)):
                continue
            yield Problem(
                "run",
                claim.text,
                "no receipt of this turn is of such a run",
                _nearest(claim, plan, evidence),
                f"`planctl run-phase {plan.id}` or `planctl run -- CMD` records one; or say that "
                "it was not run now",
                sentence=place,
                answer="unsupported",
            )


def _nearest(claim: ProofClaim, plan: Plan, evidence: TurnEvidence) -> str:
    wanted = set(steps_of(claim, plan))
    found = [item.receipt for item in evidence.focus_runs if item.receipt.step in wanted]
    if not found:
        return ""
    last = found[-1]
    return f"`{last.step}` ran last at {clock.iso(last.finished)}, receipt {last.ulid}"


def _ids(setting: Setting) -> Iterator[Problem]:
    """Yield ids of receipts and turns that there are not."""
    told = [
        (place, name)
        for place, sentence in enumerate(setting.prose.sentences)
        for name in _ULID.findall(sentence)
    ]
    if not told:
        return
    known = {setting.turn.id, *(name.id for name, _ in record_names(setting.workspace))}
    for part in setting.evidence.initiatives:
        known |= {item.stored.receipt.ulid for item in part.loaded if item.stored is not None}
    # Receipts of other initiatives are told by their names alone.
    known |= {path.rpartition("/")[2][:26] for path in setting.tracked if "/receipts/" in path}
    for place, name in told:
        if name not in known:
            yield Problem(
                "path",
                name,
                "there is no receipt or turn of that id",
                way_out="name it as its file is called",
                sentence=place,
                answer="unsupported",
            )


def _times(setting: Setting) -> Iterator[Problem]:
    """Yield times that stand beside the one commit of a sentence, which git has at another time."""
    block = setting.written.block
    commits: dict[int, list[CommitClaim]] = {}
    for claim in block.commits:
        commits.setdefault(claim.line, []).append(claim)
    stamps = [
        stamp
        for stamp in block.times
        if stamp.where == "prose"
        and stamp.when is not None
        and len(commits.get(stamp.line, ())) == 1
    ]
    if not stamps:
        return
    repo = setting.workspace.repo
    full = named_commits(repo, {commits[stamp.line][0].first for stamp in stamps})
    known = repo.commits(full.values())
    for stamp in stamps:
        claim = commits[stamp.line][0]
        commit = known.get(full.get(claim.first, ""))
        line = setting.line_of(claim)
        if commit is None or not _beside(line, claim, stamp):
            continue
        if min(off(stamp, commit.committed), off(stamp, commit.authored)) > SLACK:
            yield Problem(
                "stamp",
                f"{claim.text} … {stamp.text}",
                f"commit {commit.id[:12]} is of {clock.iso(commit.committed)}",
                clock.iso(commit.committed),
                "tell the time that git has, or none",
                sentence=setting.place(claim.line),
                answer="contradicted",
            )


def _beside(line: str, claim: CommitClaim, stamp: StampClaim) -> bool:
    """Tell whether a time is that of the commit: right before or behind it."""
    between = (
        r"[`'\"*)\]]*\s*(?:[(,–—-]|\b(?:of|at|on|from|dated|made|landed|committed)\b)?\s*[`(]*"
    )
    both = (re.escape(claim.text), re.escape(stamp.text))
    forms = (rf"{both[0]}{between}{both[1]}", rf"{both[1]}{between}(?:commit\s+)?[`(]*{both[0]}")
    return any(re.search(form, line) for form in forms)
