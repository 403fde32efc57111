"""What a turn's words are judged against: the files of the commit, and those that may prove."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from posixpath import basename

from planctl import clock
from planctl.models.claims.claim import Claim
from planctl.models.prose.reading import parse_prose
from planctl.models.turn.prose import HEADING, TurnProse
from planctl.models.turn.record import OpenTurn
from planctl.models.turn.turn import flat
from planctl.ops.audit.scene import bases
from planctl.ops.audit.texts import Text, Written
from planctl.ops.turn.changes import Changes
from planctl.ops.turn.evidence import TurnEvidence
from planctl.ops.turn.policy import Chosen
from planctl.ops.turn.views import TurnView
from planctl.workspace import ACTIVE, Workspace

PROSE = re.compile(rf"(?:^|/){re.escape(ACTIVE)}/.*\.md$|^docs/fix_plan\.md$")
"""Files whose numbers prove nothing: somebody wrote them."""
_EVIDENCE = re.compile(rf"{re.escape(ACTIVE)}/[^/]+/reports/[^/]+/[^/]+/(?:green|cli|analysis)/")
_INVENTORY = re.compile(r"/analysis/artifact_inventory\.(?:txt|sha256)$")


@dataclass(frozen=True)
class Setting:
    """A turn's words, and everything around them.

    Attributes:
        prose: The words.
        changes: What the turn changed.
        chosen: What of that is committed.
        evidence: What was recorded in it.
    """

    workspace: Workspace
    turn: OpenTurn
    prose: TurnProse
    changes: Changes
    chosen: Chosen
    evidence: TurnEvidence

    @cached_property
    def written(self) -> Written:
        """The block as it will stand in the hub's summary; one sentence a line from the second."""
        lines = [
            f"{HEADING} ({clock.stamp(self.workspace.clock())})",
            *map(flat, self.prose.sentences),
            f"Next: {flat(self.prose.next)}",
            f"Artifacts: {flat(self.prose.artifacts)}",
        ]
        folder = self.evidence.focus.report.hub or f"{ACTIVE}/{self.turn.focus}"
        block = parse_prose("\n".join(lines)).blocks[0]
        numbers = frozenset(range(1, len(lines) + 1))
        text = Text(f"{folder}/summary.md", "summary", "", lines, numbers, numbers, 0)
        return Written(text, block)

    def place(self, line: int) -> int | None:
        """Return the number of the sentence on a line of the block; None for another part."""
        found = line - 2
        return found if 0 <= found < len(self.prose.sentences) else None

    def line_of(self, claim: Claim) -> str:
        """Return the line that a claim stands on."""
        return self.written.text.lines[claim.line - 1]

    def folders(self, claim: Claim) -> tuple[str, ...]:
        """Return the folders that a claim's paths may be relative to."""
        return bases(self.written, claim.line)

    @cached_property
    def tracked(self) -> dict[str, str]:
        """Path → blob id at HEAD."""
        tree = self.workspace.repo.tree(self.changes.head)
        return {path: entry.blob for path, entry in tree.items()}

    @cached_property
    def view(self) -> TurnView:
        """The files of the commit."""
        return TurnView(self.workspace, self.tracked, self.changes, self.chosen)

    @cached_property
    def proof(self) -> TurnView:
        """Those that may support a test or a number.

        No prose, nothing that nobody recorded, and nothing of a run that a later one of the same
        step replaced, unless the words name it.
        """
        prose = filter(PROSE.search, (*self.tracked, *self.chosen.paths))
        named = {basename(claim.path) for claim in self.written.block.paths}
        old = (path for path in self.evidence.superseded if basename(path) not in named)
        without = {*prose, *self.unrecorded, *old}
        return TurnView(self.workspace, self.tracked, self.changes, self.chosen, without)

    @cached_property
    def unrecorded(self) -> frozenset[str]:
        """Evidence files that the turn brought or changed and that no receipt has."""
        return frozenset(
            path
            for path in self.changes.touched
            if _EVIDENCE.match(path) and not _INVENTORY.search(path) and not self.evidence.has(path)
        )
