"""The words of a turn against the evidence: every claim judged in the tree that is committed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from planctl import clock
from planctl._git_history import shallow_commits
from planctl._text import listed
from planctl.models.claim import Claim, NumberClaim, PathClaim, TestClaim
from planctl.models.claim_numbers import agrees
from planctl.models.claim_paths import PathIndex, places, resolve
from planctl.models.judged import Answer, JudgedClaim
from planctl.models.prose import parse_prose
from planctl.models.turn import flat
from planctl.models.turn_prose import HEADING, TurnProse
from planctl.models.turn_record import OpenTurn, Skipped
from planctl.ops.audit.scene import bases
from planctl.ops.audit.texts import Text, Written
from planctl.ops.audit.trees import Ever
from planctl.ops.claims.answers import Found, Judge, Memory, is_order
from planctl.ops.claims.ends import Ends, Late, distinct, is_name, is_stamp, spelled, stamp_found
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.nearest import nearest_number, nearest_path, nearest_test
from planctl.ops.turn.policy import Chosen
from planctl.ops.turn.problems import Problem
from planctl.ops.turn.views import TurnView
from planctl.workspace import ACTIVE, Workspace

_EVIDENCE = re.compile(rf"{re.escape(ACTIVE)}/[^/]+/reports/[^/]+/[^/]+/(?:green|cli|analysis)/")
_INVENTORY = re.compile(r"/analysis/artifact_inventory\.(?:txt|sha256)$")
_PROSE = re.compile(rf"(?:^|/){re.escape(ACTIVE)}/.*\.md$|^docs/fix_plan\.md$")
# A sentence that says itself that a file is gone, was missing, or is still to come.
_NOT_THERE = re.compile(
    r"\b(?:missing|absent|removed?|deleted?|dropped|gone|no longer|renamed?|moved|lacks?|lacking|"
    r"(?:not|n['’]t) exist|never|no such|without|not (?:yet|there|"
    r"written|produced|created|found)|will|would|should|must|needs?|planned|pending|todo|future|"
    r"instead of|rather than|ignored|nowhere)\b",
    re.IGNORECASE,
)
_MEND = {
    "path": "correct the path, leave the sentence out, or produce the file",
    "test": "run it under planctl (`planctl run-phase`, `planctl run -- CMD`), tell what it says",
    "number": "tell the number that the artifact holds",
    "commit": "name the commit as `git log` has it",
    "stamp": "leave the time out: planctl stamps the turn",
}


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
        workspace: The repository.
        turn: The turn.
        prose: Its words.
        changes: What it changed.
        chosen: What of that is committed.
        evidence: What was recorded in it.
    """

    def __init__(
        self,
        workspace: Workspace,
        turn: OpenTurn,
        prose: TurnProse,
        changes: Changes,
        chosen: Chosen,
        evidence: TurnEvidence,
    ) -> None:
        self._workspace = workspace
        self._turn = turn
        self._prose = prose
        self._changes = changes
        self._chosen = chosen
        self._evidence = evidence
        self._memory = Memory()
        self._written = _written(workspace, turn, prose, evidence)
        self._skipped = {item.path: item for item in chosen.skipped}

    @cached_property
    def _tracked(self) -> dict[str, str]:
        tree = self._workspace.repo.tree(self._changes.head)
        return {path: entry.blob for path, entry in tree.items()}

    @cached_property
    def view(self) -> TurnView:
        """The files of the commit."""
        return TurnView(self._workspace, self._tracked, self._changes, self._chosen)

    @cached_property
    def _proof(self) -> TurnView:
        """Those that may support a test or a number: no prose, nothing that nobody recorded."""
        prose = (path for path in self._tracked if _PROSE.search(path))
        without = {*prose, *self.unrecorded, *filter(_PROSE.search, self._chosen.paths)}
        return TurnView(self._workspace, self._tracked, self._changes, self._chosen, without)

    @cached_property
    def unrecorded(self) -> frozenset[str]:
        """Evidence files that the turn brought or changed and that no receipt has."""
        return frozenset(
            path
            for path in self._changes.touched
            if _EVIDENCE.match(path)
            and not _INVENTORY.search(path)
            and not self._evidence.has(path)
        )

    @cached_property
    def judged(self) -> tuple[JudgedSentence, ...]:
        """Every claim, in the order of the text."""
        full = Judge(self.view, self._written, self._memory)
        found: list[JudgedSentence] = []
        late: list[Late] = []
        for claim in distinct(self._written.block.claims):
            if is_name(claim) or (is_stamp(claim) and claim.where == "heading"):
                continue
            if is_stamp(claim):
                seen = stamp_found(claim, self.view.when, None)
            elif isinstance(claim, TestClaim | NumberClaim):
                seen = Judge(self._proof, self._written, self._memory).claim(claim)
            else:
                seen = full.claim(claim)
            if seen.late:
                late.append(Late(len(found), claim, self._written, 0))
            found.append(JudgedSentence(claim, seen, self._place(claim.line), seen.evidence))
        return tuple(self._ended(found, late))

    def _ended(self, found: list[JudgedSentence], late: list[Late]) -> list[JudgedSentence]:
        """Decide what needs to know the commits."""
        shallow = bool(shallow_commits(self._workspace.repo))
        ends = Ends(self._workspace.repo, late, Ever(PathIndex()), [], shallow)
        for item in late:
            old = found[item.at]
            if isinstance(item.claim, PathClaim):
                continue  # whether another commit ever had it does not matter here
            told = JudgedClaim(
                "", item.claim.line, "", "", item.claim.kind, "", Answer.UNSUPPORTED, ""
            )
            found[item.at] = replace(old, found=ends.found(item, told))
        return found

    def _place(self, line: int) -> int | None:
        place = line - 2
        return place if 0 <= place < len(self._prose.sentences) else None

    def counts(self) -> dict[str, int]:
        """Return answer → how many claims."""
        return dict(Counter(self._answer(item).value for item in self.judged))

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
        found: list[str] = []
        for item in self.judged:
            claim = item.claim
            if isinstance(claim, PathClaim) and claim.field.lower().startswith("artifact"):
                placed = resolve(claim, self.view.index, bases(self._written, claim.line))
                good = item.found.answer is Answer.SUPPORTED
                found.append(placed.path if good and not claim.glob else claim.path)
        return tuple(dict.fromkeys(found))

    def problems(self) -> Iterator[Problem]:
        """Yield what the evidence speaks against or does not support."""
        for item in self.judged:
            problem = self._problem(item)
            if problem is not None:
                yield problem

    def _problem(self, item: JudgedSentence) -> Problem | None:
        claim = item.claim
        if isinstance(claim, PathClaim):
            special = self._skipped_problem(item) or self._unrecorded_problem(item)
            if special is not None:
                return special
        answer = self._answer(item)
        if not answer.bad:
            return None
        return Problem(
            claim.kind,
            spelled(claim),
            self._why(item),
            self._nearest(claim),
            _MEND.get(claim.kind, ""),
            sentence=item.place,
            answer=answer.value,
        )

    def _answer(self, item: JudgedSentence) -> Answer:
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
        if claim.planned or claim.placeholder or claim.glob:
            return False
        wanted = places(claim, bases(self._written, claim.line))
        if any(path in self._changes.touched for path in wanted):
            return False  # it was removed in the turn
        sentence = self._written.text.lines[claim.line - 1]
        for path in self._written.block.paths:
            # `src/absent.py` is a name, and says nothing of itself.
            sentence = sentence.replace(path.text, " ")
        return _NOT_THERE.search(sentence) is None

    def _assigned(self, claim: NumberClaim) -> Answer:
        """Judge a number that no artifact names: by the files that the turn changed.

        Only one that is told as a result, `name=6.1e-05`, must be found.
        """
        line = self._written.text.lines[claim.line - 1]
        shown = re.search(rf"{re.escape(claim.name)}`?\s?==?\s?", line)
        if not claim.name or claim.op != "=" or shown is None:
            return Answer.NOT_CHECKABLE
        for path in (path for path in self._changes.touched if not _PROSE.search(path)):
            values = self._memory.values(self._proof, path, claim.name)
            if any(agrees(claim, value.value) for value in values):
                return Answer.SUPPORTED
        return Answer.UNSUPPORTED

    def _why(self, item: JudgedSentence) -> str:
        why = item.found.why.removesuffix("; only mentioned")
        if isinstance(item.claim, NumberClaim) and item.found.answer is Answer.NOT_CHECKABLE:
            why = "no artifact says so"
        if isinstance(item.claim, TestClaim) and self.unrecorded:
            why = f"{why} ({listed(sorted(self.unrecorded), 2)}: no receipt recorded that)"
        return why

    def _skipped_problem(self, item: JudgedSentence) -> Problem | None:
        claim = item.claim
        assert isinstance(claim, PathClaim)
        if is_order(claim.field) or item.found.answer is Answer.SUPPORTED:
            return None
        skipped = self._skipped_at(claim)
        if skipped is None:
            return None
        return Problem(
            "path",
            spelled(claim),
            f"it is not committed: {skipped.why}",
            way_out=f"commit `{skipped.path}` by the policy (`[evidence]` of planctl.toml), take "
            "it along (`--include`), or do not cite it",
            sentence=item.place,
            answer=Answer.UNSUPPORTED.value,
        )

    def _skipped_at(self, claim: PathClaim) -> Skipped | None:
        for path in places(claim, bases(self._written, claim.line)):
            for name, skipped in self._skipped.items():
                if name == path or name.startswith(f"{path}/"):
                    return skipped
        return None

    def _unrecorded_problem(self, item: JudgedSentence) -> Problem | None:
        claim = item.claim
        assert isinstance(claim, PathClaim)
        if is_order(claim.field) or item.found.answer is not Answer.SUPPORTED:
            return None
        placed = resolve(claim, self.view.index, bases(self._written, claim.line))
        names = {placed.path, *placed.paths}
        hit = next((path for path in sorted(self.unrecorded) if path in names), None)
        if hit is None:
            return None
        return Problem(
            "unrecorded",
            spelled(claim),
            f"{hit} was written in this turn, and no receipt recorded it",
            self._copy_of(hit),
            "let planctl make it: `planctl run-phase`, or `planctl run -- CMD`",
            sentence=item.place,
            answer=Answer.UNSUPPORTED.value,
        )

    def _copy_of(self, path: str) -> str:
        blob = self.view.blob(path)
        same = (name for name, known in self._tracked.items() if known == blob and name != path)
        found = next(same, None) if blob else None
        return f"it is a copy of {found}" if found else ""

    def _nearest(self, claim: Claim) -> str:
        if isinstance(claim, PathClaim):
            return nearest_path(claim, self.view.index, bases(self._written, claim.line))
        if isinstance(claim, TestClaim):
            return nearest_test(claim, self._results())
        if isinstance(claim, NumberClaim):
            return nearest_number(claim, self._proof, self._memory, self._near(claim))
        return ""

    def _near(self, claim: Claim) -> list[str]:
        """Return the files that a claim is most likely about: named beside it, then the hub's."""
        folders = bases(self._written, claim.line)
        named = (
            resolve(path, self._proof.index, folders).path
            for path in self._written.block.paths
            if path.line == claim.line
        )
        below = (path for folder in folders[:2] for path in self._proof.index.below(folder))
        return list(dict.fromkeys((*named, *below)))

    def _results(self) -> Iterator[tuple[str, str]]:
        """Yield the closing lines of the runs that receipts of the focus recorded, newest first."""
        for stored in reversed(self._evidence.focus_runs):
            log = f"{stored.receipt.hub}/{stored.receipt.log}"
            for result in self._memory.results(self._proof, log):
                yield log, result.text


def _written(
    workspace: Workspace, turn: OpenTurn, prose: TurnProse, evidence: TurnEvidence
) -> Written:
    """Return the block as it will stand in the hub's summary."""
    lines = [
        f"{HEADING} ({clock.stamp(workspace.clock())})",
        *map(flat, prose.sentences),
        f"Next: {flat(prose.next)}",
        f"Artifacts: {flat(prose.artifacts)}",
    ]
    folder = evidence.focus.report.hub or f"{ACTIVE}/{turn.focus}"
    block = parse_prose("\n".join(lines)).blocks[0]
    numbers = frozenset(range(1, len(lines) + 1))
    text = Text(f"{folder}/summary.md", "summary", "", lines, numbers, numbers, 0)
    return Written(text, block)
