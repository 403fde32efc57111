"""What an order asks to be run, in whatever words: wishes, each with the steps it means.

Structure decides. What is named, and is neither forbidden, nor a condition, nor a report, nor only
read or compared, is asked for: with a verb (`rerun A1`), without one (`Phase A, once more`), or as
a command line. Reasons (`the logs still say 14 November`) are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from planctl.models.lexicon import NOUNS, lemma
from planctl.models.mentions import Mention, PlanWords, expanded
from planctl.models.orders import RECORDED, head_verb
from planctl.models.phrases import Part, parts
from planctl.models.wishes.otherwise import otherwise
from planctl.models.wishes.parts import (
    MAKES,
    REMAKES,
    REPLAY,
    after_verb,
    by_verb,
    codes,
    core,
    first_word,
    is_clock,
    is_demanded,
    is_noun,
    making_verb,
    names_run,
    paths,
    quoted,
    unfolded,
    verb_at,
)
from planctl.models.wishes.words import (
    AGAIN,
    ANEW,
    BY_RUN,
    CODE,
    DEMAND,
    DERIVING,
    LEADING,
    LISTING,
    NEEDED,
    NEGATED_AFTER,
    NEGATION,
    PASSIVE,
    PRONOUN,
    REDO,
    REPORT,
    USES,
    WEAK,
)

_LONGEST = 1_000


@dataclass(frozen=True)
class Item:
    """A line of an order, or a list item.

    Attributes:
        code: It is a command of a fenced block, or a `Run:` line.
    """

    line: int
    text: str
    code: bool = False


@dataclass(frozen=True)
class Wish:
    """Something that is to be run.

    Attributes:
        steps: Steps of the plan that would give it.
        other: What is asked for that the plan's steps do not give; then `steps` is empty.
        general: No step, row or phase is named: whatever the plan says.
    """

    line: int
    text: str
    steps: frozenset[str]
    other: str = ""
    general: bool = False


@dataclass
class Wishes:
    """What an order asks for.

    Attributes:
        changes: Files that are to be changed, as spelled.
        vague: Something is to be changed, and no file is named with it: line and text.
    """

    wishes: list[Wish] = field(default_factory=list)
    changes: list[tuple[int, str]] = field(default_factory=list)
    vague: list[tuple[int, str]] = field(default_factory=list)


def wishes_in(
    items: Sequence[Item],
    words: PlanWords,
    scope: frozenset[str],
    ran: frozenset[str] = frozenset(),
) -> Wishes:
    """Read what an order asks for.

    Args:
        items: Its lines.
        words: The plan it is about.
        scope: The steps that are meant where only `the selector` or `the commands` are named.
        ran: The steps that have run before: what else can be meant by `rerun the selector`?
    """
    reader = _Reader(words, scope, ran)
    for item in items:
        for text in _pieces(item.text):
            reader.item(Item(item.line, text, item.code))
    return reader.found


def _pieces(text: str) -> Iterator[str]:
    """Yield a line in pieces: patterns may take the square of a length."""
    while len(text) > _LONGEST:
        at = text.rfind(" ", _LONGEST // 2, _LONGEST)
        at = _LONGEST if at < 0 else at
        yield text[:at]
        text = text[at:]
    yield text


class _Reader:
    def __init__(self, words: PlanWords, scope: frozenset[str], ran: frozenset[str]) -> None:
        self.found = Wishes()
        self._words = words
        self._scope = scope
        self._ran = ran
        self._mode = ""
        self._negated = False
        self._last = Mention()
        self._bare = ""
        self._waiting: tuple[str, Mention] | None = None

    def item(self, item: Item) -> None:
        """Read one line."""
        self._mode, self._negated, self._bare = "", False, ""
        if item.code:
            self._code(item)
            return
        before = len(self.found.wishes)
        for part in parts(quoted(unfolded(expanded(item.text), self._words))):
            if not part.cut:
                self._mode, self._negated = "", False
            self._part(item, part)
        if self._bare and len(self.found.wishes) == before:
            self._wish(item, self._bare, Mention())

    def _code(self, item: Item) -> None:
        mention = self._words.named(item.text)
        if mention.any or mention.other:
            self._wish(item, item.text, mention)

    def _part(self, item: Item, part: Part) -> None:
        mention = self._words.named(core(part.text))
        if not mention.any and (REDO.match(part.text) or BY_RUN.search(part.text)):
            mention = self._words.named(part.text)
        if part.cut == ":" and (mention.other or self._words.strange_command(part.text)):
            self._drop_general(item)  # `the suite: pytest tests/`: it says itself what it means
        mode = self._judged(part, mention)
        if mode == "ask":
            self._ask(item, part.text, mention)
            if self._waiting is not None and part.cut in ("and", ",", "plus"):
                self._ask(item, *self._waiting)  # `get A1 and A2 green again`
        elif mode == "change":
            self._change(item, part.text)
        waits = mode == "no" and mention.any and not self._negated
        weak = lemma(first_word(part.text)) in WEAK
        self._waiting = (part.text, mention) if waits and weak else None
        if mention.any:
            self._last = mention
        self._mode = mode

    def _drop_general(self, item: Item) -> None:
        wishes = self.found.wishes
        if wishes and wishes[-1].line == item.line and wishes[-1].general:
            wishes.pop()

    def _judged(self, part: Part, mention: Mention) -> str:
        if part.condition and not is_clock(part.condition):
            return "no"
        text = part.text
        listed = part.cut in ("and", "or", "plus") and not mention.any
        carried = self._negated and (part.cut == "to" or listed)
        at = making_verb(text, part.cut in ("and", "plus", "+"))
        before = text if at is None else text[:at]
        negations = len(NEGATION.findall(before)) + carried
        odd = negations % 2 == 1 or (at is not None and NEGATED_AFTER.search(text) is not None)
        self._negated = odd
        if odd:
            return "no"
        if mention.command:
            return "ask"
        if at is not None:
            derived = verb_at(text, at) in DERIVING and not AGAIN.search(text)
            return "no" if derived or REPLAY.search(text) else "ask"
        return self._verbless(part, mention)

    def _verbless(self, part: Part, mention: Mention) -> str:
        """Judge a part without a verb that makes evidence."""
        text = part.text
        head = head_verb(text, part.cut in ("and", "plus", "+"))
        first = first_word(text)
        if mention.any and is_demanded(text, first):
            return "ask"
        if head is not None and not is_noun(text, head[2]):
            on = part.cut == "to" and not mention.any
            again = head[1] in REMAKES and PRONOUN.search(head[2]) is not None
            meant = self._last if again or (on and head[1] in MAKES) else mention
            mode = by_verb(head, text, meant, self._knows(head[2]))
            if mode:
                return mode
        if head is not None and head[1] in NOUNS and lemma(first) != head[1]:
            head = None  # `we need fresh logs`
        if lemma(first) in USES or first in USES or head is not None:
            return "no"
        if not mention.any and not mention.other:
            return self._unnamed(part, first)
        if DEMAND.search(text):
            return "ask"
        if REPORT.search(text):
            return "no"
        return self._named(part, mention, first)

    def _knows(self, rest: str) -> bool:
        return self._words.knows(rest) and CODE.search(rest) is None

    def _unnamed(self, part: Part, first: str) -> str:
        """Judge a part that names nothing of the plan and has no verb that anybody listed."""
        text = part.text
        if (
            REDO.match(text)
            or ANEW.search(text)
            or (NEEDED.search(text) and not REPORT.search(text))
        ):
            self._bare = text
            return "ask"
        if part.cut in LISTING and self._mode:
            return self._mode
        # `teach src/a.py to …`
        return "change" if codes(text) and first not in LEADING and not part.cut else "no"

    def _named(self, part: Part, mention: Mention, first: str) -> str:
        """Judge a part that only names something."""
        if part.cut in LISTING and self._mode in ("ask", "no", "change"):
            listed = self._mode == "ask" or part.cut == ":" or not names_run(part.text)
            return self._mode if listed else "ask"
        if part.cut and part.cut not in LISTING:
            return "no"
        bare = not re.sub(r"[\W\d_]+", "", self._words.without_names(part.text))
        imperative = first not in LEADING and mention.strong is not False
        return "ask" if bare or imperative or names_run(part.text) else "no"

    def _ask(self, item: Item, text: str, mention: Mention) -> None:
        if not mention.any and not mention.other:
            mention = self._words.named(text)
        if not mention.any and not mention.other and self._continues(text):
            mention = self._last
        at = making_verb(text, False)
        if not mention.any and at is not None and not re.search(r"\w\W+\w", text[at:]):
            self._bare = text  # `Run:`; what follows says what
            return
        self._wish(item, text, mention)

    def _continues(self, text: str) -> bool:
        """Tell whether a part is about what was named last: `rerun it`, `… and keep the logs`."""
        return PRONOUN.search(text) is not None or self._words.says_nothing(text)

    def _wish(self, item: Item, text: str, mention: Mention) -> None:
        if not mention.any and not mention.other and RECORDED.search(text) and not item.code:
            return  # `refresh the summaries`: planctl and people write those
        steps, general = self._meant(text, mention)
        other = mention.other if not mention.steps else ""
        other = other or self._words.strange_command(text)
        if not other:
            strange = self._words.strange_artifacts(text)
            # Another log of Phase A is Phase A again; a log of nothing that is named is not.
            data = [n for n in strange if general or not n.endswith((".log", ".txt"))]
            other = data[0] if data and not mention.steps else ""
        other = other or otherwise(text, [self._words.steps[name] for name in steps or ()])
        if steps is None and not other:
            other = "something the plan has no step for"
        chosen = frozenset[str]() if other or steps is None else steps
        self.found.wishes.append(Wish(item.line, item.text.strip(), chosen, other, general))

    def _meant(self, text: str, mention: Mention) -> tuple[frozenset[str] | None, bool]:
        if mention.steps:
            return mention.steps, False
        at = making_verb(text, False)
        # `the fit must be measured`: what is meant stands before the verb.
        rest = text if at is None or PASSIVE.search(text[:at]) else after_verb(text, at)
        if mention.phases:
            among = self._words.of_phases(mention.phases)
            return self._words.by_words(rest, among) or among, False
        scope = (self._scope & self._ran or self._ran) if AGAIN.search(text) else self._scope
        return self._words.by_words(core(rest), scope or self._scope), True

    def _change(self, item: Item, text: str) -> None:
        named = codes(text) or paths(text)
        self.found.changes += [(item.line, name) for name in named]
        if not named and paths(item.text) == []:
            self.found.vague.append((item.line, item.text.strip()))
