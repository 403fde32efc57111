"""What is said against the words of a turn: judged claims become reasons, with the way to mend."""

from __future__ import annotations

from collections.abc import Iterator

from planctl._text import listed
from planctl.models.claims.claim import Claim, NumberClaim, PathClaim, TestClaim
from planctl.models.claims.judged import Answer
from planctl.models.claims.paths import places, resolve
from planctl.models.turn.record import Skipped
from planctl.ops.claims.answers import is_order
from planctl.ops.turn.nearest import nearest_number, nearest_path, nearest_test
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.setting import Setting
from planctl.ops.turn.wording import JudgedSentence, Wording

_MEND = {
    "path": "correct the path, leave the sentence out, or produce the file",
    "test": "run it under planctl (`planctl run-phase`, `planctl run -- CMD`), tell what it says",
    "number": "tell the number that the artifact holds",
    "commit": "name the commit as `git log` has it",
    "stamp": "leave the time out: planctl stamps the turn",
}


def objections(wording: Wording) -> Iterator[Problem]:
    """Yield what the evidence speaks against or does not support."""
    for item in wording.judged:
        problem = _objection(wording, item)
        if problem is not None:
            yield problem


def _objection(wording: Wording, item: JudgedSentence) -> Problem | None:
    claim = item.claim
    if isinstance(claim, PathClaim) and not is_order(claim.field):
        special = _left_behind(wording.setting, item, claim) or _by_hand(
            wording.setting, item, claim
        )
        if special is not None:
            return special
    answer = wording.answer(item)
    if not answer.bad:
        return None
    return Problem(
        claim.kind,
        item.told,
        _why(wording, item),
        _nearest(wording, claim),
        _MEND.get(claim.kind, ""),
        sentence=item.place,
        answer=answer.value,
    )


def _why(wording: Wording, item: JudgedSentence) -> str:
    why = item.found.why.removesuffix("; only mentioned")
    if isinstance(item.claim, NumberClaim) and item.found.answer is Answer.NOT_CHECKABLE:
        return "no artifact says so"
    unrecorded = sorted(wording.setting.unrecorded)
    if isinstance(item.claim, TestClaim) and unrecorded:
        return f"{why} ({listed(unrecorded, 2)}: no receipt recorded that)"
    return why


def _left_behind(setting: Setting, item: JudgedSentence, claim: PathClaim) -> Problem | None:
    """Return what is wrong with citing a file that the turn does not commit."""
    skipped = _skipped_at(setting, claim)
    if item.found.answer is Answer.SUPPORTED or skipped is None:
        return None
    return Problem(
        "path",
        item.told,
        f"it is not committed: {skipped.why}",
        way_out=f"commit `{skipped.path}` by the policy (`[evidence]` of planctl.toml), take it "
        "along (`--include`), or do not cite it",
        sentence=item.place,
        answer=Answer.UNSUPPORTED.value,
    )


def _skipped_at(setting: Setting, claim: PathClaim) -> Skipped | None:
    for path in places(claim, setting.folders(claim)):
        for skipped in setting.chosen.skipped:
            if skipped.path == path or skipped.path.startswith(f"{path}/"):
                return skipped
    return None


def _by_hand(setting: Setting, item: JudgedSentence, claim: PathClaim) -> Problem | None:
    """Return what is wrong with citing evidence that no receipt has."""
    if item.found.answer is not Answer.SUPPORTED:
        return None
    placed = resolve(claim, setting.view.index, setting.folders(claim))
    names = {placed.path, *placed.paths}
    hit = next((path for path in sorted(setting.unrecorded) if path in names), None)
    if hit is None:
        return None
    return Problem(
        "unrecorded",
        item.told,
        f"{hit} was written in this turn, and no receipt recorded it",
        _copied(setting, hit),
        "let planctl make it: `planctl run-phase`, or `planctl run -- CMD`",
        sentence=item.place,
        answer=Answer.UNSUPPORTED.value,
    )


def _copied(setting: Setting, path: str) -> str:
    blob = setting.view.blob(path)
    same = (name for name, known in setting.tracked.items() if known == blob and name != path)
    found = next(same, None) if blob else None
    return f"it is a copy of {found}" if found else ""


def _nearest(wording: Wording, claim: Claim) -> str:
    setting = wording.setting
    if isinstance(claim, PathClaim):
        return nearest_path(claim, setting.view.index, setting.folders(claim))
    if isinstance(claim, TestClaim):
        return nearest_test(claim, _results(wording))
    if isinstance(claim, NumberClaim):
        return nearest_number(claim, setting.proof, wording.memory, _likely(setting, claim))
    return ""


def _likely(setting: Setting, claim: Claim) -> list[str]:
    """Return the files that a claim is most likely about: named beside it, then the hub's."""
    index, folders = setting.proof.index, setting.folders(claim)
    named = (
        resolve(path, index, folders).path
        for path in setting.written.block.paths
        if path.line == claim.line
    )
    below = (path for folder in folders[:2] for path in index.below(folder))
    return list(dict.fromkeys((*named, *below)))


def _results(wording: Wording) -> Iterator[tuple[str, str]]:
    """Yield the closing lines of the runs that receipts of the focus recorded, newest first."""
    for stored in reversed(wording.setting.evidence.focus_runs):
        log = f"{stored.receipt.hub}/{stored.receipt.log}"
        for result in wording.memory.results(wording.setting.proof, log):
            yield log, result.text
