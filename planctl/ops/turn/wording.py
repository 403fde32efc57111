"""The words of a turn against the evidence: every claim judged in the tree that is committed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from planctl._git_history import shallow_commits
from planctl.models.claims.claim import Claim, NumberClaim, PathClaim, TestClaim
from planctl.models.claims.judged import Answer, JudgedClaim
from planctl.models.claims.numbers import agrees
from planctl.models.claims.paths import PathIndex, places, resolve
from planctl.ops.audit.trees import Ever
from planctl.ops.claims.answers import Found, Judge, Memory, is_order
from planctl.ops.claims.ends import Ends, Late, distinct, is_name, is_stamp, spelled, stamp_found
from planctl.ops.turn.setting import PROSE, Setting

# A sentence that says itself that a file is gone, was missing, or is still to come.
_NOT_THERE = re.compile(
    r"\b(?:missing|absent|removed?|deleted?|dropped|gone|no longer|renamed?|moved|lacks?|lacking|"
    r"(?:not|n['’]t) exist|never|no such|without|not (?:yet|there|"
    r"written|produced|created|found)|will|would|should|must|needs?|planned|pending|todo|future|"
    r"instead of|rather than|ignored|nowhere)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class JudgedSentence:
    """A claim with where it stands and what supports it.

    Attributes:
        place: Number of the sentence; None for `Next:` and `Artifacts:`.
        evidence: The file that supports it, by path.
    """

    claim: Claim
    found: Found
    place: int | None
    evidence: str

    @property
    def told(self) -> str:
        """The claim in few words."""
        return spelled(self.claim)


class Wording:
    """Judges what a turn's author says.

    Args:
        setting: The words, and everything around them.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.memory = Memory()

    @cached_property
    def judged(self) -> tuple[JudgedSentence, ...]:
        """Every claim, in the order of the text."""
        setting = self.setting
        full = Judge(setting.view, setting.written, self.memory)
        found: list[JudgedSentence] = []
        late: list[Late] = []
        for claim in distinct(setting.written.block.claims):
            if is_name(claim) or (is_stamp(claim) and claim.where == "heading"):
                continue
            if is_stamp(claim):
                seen = stamp_found(claim, setting.view.when, None)
            elif isinstance(claim, TestClaim | NumberClaim):
                seen = Judge(setting.proof, setting.written, self.memory).claim(claim)
            else:
                seen = full.claim(claim)
            if seen.late:
                late.append(Late(len(found), claim, setting.written, 0))
            found.append(JudgedSentence(claim, seen, setting.place(claim.line), seen.evidence))
        return tuple(self._ended(found, late))

    def _ended(self, found: list[JudgedSentence], late: list[Late]) -> list[JudgedSentence]:
        """Decide what needs to know the commits."""
        setting = self.setting
        shallow = bool(shallow_commits(setting.workspace.repo))
        ends = Ends(setting.workspace.repo, late, Ever(PathIndex()), [], shallow)
        for item in late:
            old = found[item.at]
            if isinstance(item.claim, PathClaim):
                continue  # whether another commit ever had it does not matter here
            told = JudgedClaim(
                "", item.claim.line, "", "", item.claim.kind, "", Answer.UNSUPPORTED, ""
            )
            found[item.at] = replace(old, found=ends.found(item, told))
        return found

    def counts(self) -> dict[str, int]:
        """Return answer → how many claims."""
        return dict(Counter(self.answer(item).value for item in self.judged))

    def passed_tests(self) -> Iterator[JudgedSentence]:
        """Yield the test runs that are told as passed and that evidence supports."""
        for item in self.judged:
            claim = item.claim
            passed = isinstance(claim, TestClaim) and claim.outcome == "passed"
            if passed and item.found.answer is Answer.SUPPORTED and item.evidence:
                yield item

    def counted_sentences(self) -> frozenset[int]:
        """Return the places of sentences that tell a count of tests which evidence supports."""
        return frozenset(item.place for item in self.passed_tests() if item.place is not None)

    def cited(self) -> tuple[str, ...]:
        """Return the paths of the author's `Artifacts:` line, as they were found."""
        setting = self.setting
        found: list[str] = []
        for item in self.judged:
            claim = item.claim
            if isinstance(claim, PathClaim) and claim.field.lower().startswith("artifact"):
                placed = resolve(claim, setting.view.index, setting.folders(claim))
                good = item.found.answer is Answer.SUPPORTED
                found.append(placed.path if good and not claim.glob else claim.path)
        return tuple(dict.fromkeys(found))

    def answer(self, item: JudgedSentence) -> Answer:
        """Return the answer; a closing is asked for more than a text of long ago.

        A file that is named in a sentence and is nowhere is unsupported, unless the sentence itself
        says that it is gone or to come; so is a number that is told as a result.
        """
        found = item.found
        if found.answer is not Answer.NOT_CHECKABLE or is_order(item.claim.field):
            return found.answer
        if isinstance(item.claim, PathClaim) and found.kind in ("absent", "ignored"):
            return Answer.UNSUPPORTED if self._cites(item.claim) else found.answer
        if isinstance(item.claim, NumberClaim):
            return self._assigned(item.claim)
        return found.answer

    def _cites(self, claim: PathClaim) -> bool:
        """Tell whether a sentence speaks of a file as one that is there."""
        setting = self.setting
        if claim.planned or claim.placeholder or claim.glob:
            return False
        wanted = places(claim, setting.folders(claim))
        if any(path in setting.changes.touched for path in wanted):
            return False  # it was removed in the turn
        sentence = setting.line_of(claim)
        for path in setting.written.block.paths:
            # `src/absent.py` is a name, and says nothing of itself.
            sentence = sentence.replace(path.text, " ")
        return _NOT_THERE.search(sentence) is None

    def _assigned(self, claim: NumberClaim) -> Answer:
        """Judge a number that no artifact names: by the files that the turn changed.

        Only one that is told as a result, `name=6.1e-05`, must be found.
        """
        setting = self.setting
        line = setting.line_of(claim)
        shown = re.search(rf"{re.escape(claim.name)}`?\s?==?\s?", line)
        if not claim.name or claim.op != "=" or shown is None:
            return Answer.NOT_CHECKABLE
        for path in (path for path in setting.changes.touched if not PROSE.search(path)):
            values = self.memory.values(setting.proof, path, claim.name)
            if any(agrees(claim, value.value) for value in values):
                return Answer.SUPPORTED
        return Answer.UNSUPPORTED
