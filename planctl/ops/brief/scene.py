"""A brief with what it is checked against: plan, verdicts, files, findings; each read once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from planctl._files import read_text
from planctl.models.brief.reading import BriefSection, BriefText
from planctl.models.claims.claim import Block
from planctl.models.findings import FindingRow, findings_in
from planctl.models.mentions import PlanWords
from planctl.models.plan.plan import Plan
from planctl.models.prose.reading import parse_prose
from planctl.models.verdict import VerifyReport
from planctl.models.wishes.wishes import Item
from planctl.ops.brief.satisfied import Satisfied, judge_items, orders_of, plan_words
from planctl.ops.claims.views import WorktreeView
from planctl.ops.verify import verify
from planctl.workspace import ACTIVE, FINDINGS, Workspace

_MAX_BYTES = 4_000_000
_LONGEST = 1_000
# What is only to come says nothing of what is ordered now.
_LATER = re.compile(
    r"\b(?:before|until|prior to|ahead of|unblock\w*|hand-?off to|then on to)\b[^.;\n]*",
    re.IGNORECASE,
)
_DONE = re.compile(
    r"\b(?:is|are|stays?|remains?)\s+(?:\w+\s+)?(?:fresh|proven|complete|done|closed)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Scene:
    """A brief, and the focus that it names.

    Attributes:
        path: Its name.
        text: Its text, without planctl's block.
        brief: Its sections.
        plan: The plan of its focus.
    """

    workspace: Workspace
    path: str
    text: str
    brief: BriefText
    plan: Plan

    @cached_property
    def report(self) -> VerifyReport:
        """The verdicts of the focus."""
        return verify(self.workspace, self.plan)

    @cached_property
    def view(self) -> WorktreeView:
        """The files of the work tree."""
        repo = self.workspace.repo
        tracked = {} if repo.head is None else repo.tree(repo.head)
        return WorktreeView(self.workspace, {path: item.blob for path, item in tracked.items()})

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its claims: paths, times, commits."""
        return parse_prose(self.text).blocks

    @cached_property
    def findings(self) -> dict[str, FindingRow]:
        """The findings of this repository."""
        path = self.workspace.root / FINDINGS
        if not path.is_file():
            return {}
        rows = findings_in(read_text(path, _MAX_BYTES, "replace"))
        return {item.id: item for item in rows}

    @property
    def home(self) -> str:
        """The folder of the focus."""
        return f"{ACTIVE}/{self.plan.id}"

    @property
    def hub(self) -> str | None:
        """The hub of the focus."""
        return None if self.plan.hub is None else f"{self.home}/reports/{self.plan.hub}"

    @cached_property
    def orders(self) -> tuple[Item, ...]:
        """The lines of its Do Now."""
        return tuple(orders_of(self.brief))

    @cached_property
    def judged(self) -> Satisfied:
        """Its Do Now, judged against the verdicts."""
        return judge_items(
            self.workspace, self.plan, self.orders, self._scope, self.report, "Do Now", False
        )

    @cached_property
    def mapped(self) -> Satisfied:
        """The commands of its How-To Map, judged."""
        items = tuple(item for section in self.brief.all("how-to") for item in commands_of(section))
        changed = [name for _, name in self.judged.changes]
        return judge_items(
            self.workspace,
            self.plan,
            items,
            self._scope,
            self.report,
            "How-To Map",
            lenient=False,
            also=changed,
        )

    @cached_property
    def _scope(self) -> frozenset[str]:
        """Return the steps that `the selector` and `the commands` mean in this brief.

        Those of the phase that the Do Now names; else of the phases of the tests and commands it
        lists; else of the phase that focus and summary name; else all.
        """
        words = plan_words(self.workspace, self.plan)
        ordered = "\n".join(f"{item.more}\n{item.text}" for item in self.brief.all("do now"))
        listed = "\n".join(s.text for key in ("tests", "how-to") for s in self.brief.all(key))
        told = "\n".join(
            f"{item.more}\n{item.text}"
            for key in ("focus", "summary")
            for item in self.brief.all(key)
        )
        for text in (ordered, listed, told):
            phases = {name for line in _told_now(text) for name in _phases(words, line)}
            if phases:
                return words.of_phases(phases)
        return frozenset(words.steps)


def commands_of(section: BriefSection) -> Iterator[Item]:
    """Yield the commands of a section: its fenced lines, and what is quoted."""
    for number, text, code in section.lines:
        if code:
            yield Item(number, text, True)
        else:
            quoted = (item for item in _QUOTED.findall(text) if " " in item.strip())
            yield from (Item(number, item, True) for item in quoted)


def _told_now(text: str) -> Iterator[str]:
    """Yield the sentences of a text that are about what is to be done now."""
    for sentence in re.split(r"[;\n]|\.(?=\s)", _LATER.sub(" ", text)):
        if sentence.strip() and not _DONE.search(sentence[:_LONGEST]):
            yield sentence[:_LONGEST]


def _phases(words: PlanWords, text: str) -> Iterator[str]:
    mention = words.named(text)
    yield from mention.phases or {words.steps[step].phase for step in mention.steps}
