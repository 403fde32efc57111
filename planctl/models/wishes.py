"""What an order asks to be run, in whatever words: wishes, each with the steps it means.

Structure decides. What is named, and is neither forbidden, nor a condition, nor a report, nor only
read or compared, is asked for: with a verb (`rerun A1`), without one (`Phase A, once more`), or as
a command line. Reasons (`the logs still say 14 November`) are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from planctl.clock import find_stamps
from planctl.models.lexicon import NOUNS, is_past, lemma
from planctl.models.mentions import Mention, PlanWords
from planctl.models.orders import RECORDED, Deed, head_verb, is_code
from planctl.models.phrases import Part, parts
from planctl.models.requests import CHECKS
from planctl.models.wish_words import (
    AGAIN,
    ARTICLE,
    BY_RUN,
    CLOCK,
    CONTEXT,
    DEMAND,
    DERIVING,
    GERUND,
    LEADING,
    LISTING,
    MAKING,
    NEEDED,
    NEGATED_AFTER,
    NEGATION,
    OBJECT,
    PASSIVE,
    PAST,
    PRONOUN,
    REDO,
    REPORT,
    TEST,
    USES,
    WEAK,
)
from planctl.models.wished_otherwise import otherwise


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
        reader.item(item)
    return reader.found


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

    def item(self, item: Item) -> None:
        """Read one line."""
        self._mode, self._negated, self._bare = "", False, ""
        if item.code:
            self._code(item)
            return
        before = len(self.found.wishes)
        for part in parts(_quoted(_unfolded(item.text, self._words))):
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
        mention = self._words.named(_core(part.text))
        if not mention.any and (REDO.match(part.text) or BY_RUN.search(part.text)):
            mention = self._words.named(part.text)
        mode = self._judged(part, mention)
        if mode == "ask":
            self._ask(item, part.text, mention)
        elif mode == "change":
            self._change(item, part.text)
        if mention.any:
            self._last = mention
        self._mode = mode

    def _judged(self, part: Part, mention: Mention) -> str:
        if part.condition and not _is_clock(part.condition):
            return "no"
        text = part.text
        listed = part.cut in ("and", "or", "plus") and not mention.any
        carried = self._negated and (part.cut == "to" or listed)
        at = _making_verb(text, part.cut in ("and", "plus", "+"))
        before = text if at is None else text[:at]
        negations = len(NEGATION.findall(before)) + carried
        odd = negations % 2 == 1 or (at is not None and NEGATED_AFTER.search(text) is not None)
        self._negated = odd
        if odd:
            return "no"
        if mention.command:
            return "ask"
        if at is not None:
            derived = _verb_at(text, at) in DERIVING and not AGAIN.search(text)
            return "no" if derived or _REPLAY.search(text) else "ask"
        return self._verbless(part, mention)

    def _verbless(self, part: Part, mention: Mention) -> str:
        """Judge a part without a verb that makes evidence."""
        text = part.text
        head = head_verb(text, part.cut in ("and", "plus", "+"))
        first = _first_word(text)
        if mention.any and _is_demanded(text, first):
            return "ask"
        if head is not None and not _is_noun(text, head[2]):
            on = part.cut == "to" and not mention.any
            again = head[1] in _REMAKES and PRONOUN.search(head[2]) is not None
            meant = self._last if again or (on and head[1] in _MAKES) else mention
            mode = _by_verb(head, text, meant, self._words.knows(head[2]))
            if mode:
                return mode
        if head is not None and head[1] in NOUNS and lemma(first) != head[1]:
            head = None  # `we need fresh logs`
        if lemma(first) in USES or first in USES or head is not None:
            return "no"
        if not mention.any and not mention.other:
            if REDO.match(text) or (NEEDED.search(text) and not REPORT.search(text)):
                self._bare = text
                return "ask"
            return self._mode if part.cut in LISTING else "no"
        if DEMAND.search(text):
            return "ask"
        if REPORT.search(text):
            return "no"
        return self._named(part, mention, first)

    def _named(self, part: Part, mention: Mention, first: str) -> str:
        """Judge a part that only names something."""
        if part.cut in LISTING and self._mode in ("ask", "no", "change"):
            listed = self._mode == "ask" or part.cut == ":" or not _names_run(part.text)
            return self._mode if listed else "ask"
        if part.cut and part.cut not in LISTING:
            return "no"
        bare = not re.sub(r"[\W\d_]+", "", self._words.without_names(part.text))
        imperative = first not in LEADING and mention.strong is not False
        return "ask" if bare or imperative or _names_run(part.text) else "no"

    def _ask(self, item: Item, text: str, mention: Mention) -> None:
        if not mention.any and not mention.other:
            mention = self._words.named(text)
        if not mention.any and not mention.other and self._continues(text):
            mention = self._last
        at = _making_verb(text, False)
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
        at = _making_verb(text, False)
        # `the fit must be measured`: what is meant stands before the verb.
        rest = text if at is None or PASSIVE.search(text[:at]) else _after_verb(text, at)
        if mention.phases:
            among = self._words.of_phases(mention.phases)
            return self._words.by_words(rest, among) or among, False
        scope = (self._scope & self._ran or self._ran) if AGAIN.search(text) else self._scope
        return self._words.by_words(_core(rest), scope or self._scope), True

    def _change(self, item: Item, text: str) -> None:
        named = _codes(text) or _paths(text)
        self.found.changes += [(item.line, name) for name in named]
        if not named and _paths(item.text) == []:
            self.found.vague.append((item.line, item.text.strip()))


# An independent run beside the evidence; it takes nothing from it and adds a record of its own.
_REPLAY = re.compile(r"\bplanctl\s+(?:replay|verify|why|at|bisect)\b")
_REMAKES = frozenset(("rebuild", "create", "redo"))
_MAKES = _REMAKES | {"build", "make", "write"}


def _is_demanded(text: str, first: str) -> bool:
    """Tell whether a run is asked for by other words than its verb: `confirm with a new run`."""
    by_run = BY_RUN.search(text) is not None or REDO.match(text) is not None
    return by_run or (lemma(first) in WEAK and DEMAND.search(text) is not None)


def _verb_at(text: str, at: int) -> str:
    found = re.match(r"[\w-]+", text[at:])
    return lemma(found[0]) if found else ""


def _by_verb(head: tuple[Deed, str, str, bool], text: str, mention: Mention, known: bool) -> str:
    """Judge a part by a verb that makes no evidence; empty when it says nothing.

    Args:
        known: Every word after the verb is one of the plan's: `builds the table`.
    """
    deed, verb, _, past = head
    if deed is Deed.CHANGE:
        made = verb in _MAKES and (bool(mention.steps) or known)
        if (OBJECT.search(text) or made) and not _codes(text):
            # `create new logs of A1`; `delete the old logs` is no change of code either.
            return "ask" if (mention.any or known) and not past else "no"
        return "change"
    if verb in CHECKS:
        return "ask" if mention.strong and mention.steps and _names_run(text) else "check"
    return "ask" if verb in ("start", "begin", "continue") and mention.any else ""


def _unfolded(text: str, words: PlanWords) -> str:
    """Return a text whose asides stand in the open where they name something of the plan."""

    def opened(match: re.Match[str]) -> str:
        return f" {match[1]} " if words.named(match[1]).any else match[0]

    return re.sub(r"\(([^()]*)\)", opened, text)


def _after_verb(text: str, at: int) -> str:
    return re.sub(r"^[\w-]+", "", text[at:])


def _quoted(text: str) -> str:
    """Return a text whose tests are quoted, so that their colons end nothing."""
    return "`".join(
        piece if at % 2 else TEST.sub(r"`\g<0>`", piece) for at, piece in enumerate(text.split("`"))
    )


def _core(text: str) -> str:
    """Return a part without what it only rests on: `using …`, `per …`, `from …`."""
    found = CONTEXT.search(text)
    return text if found is None or found.start() == 0 else text[: found.start()]


def _making_verb(text: str, joined: bool) -> int | None:
    """Return where a part has the verb that asks for evidence, or None."""
    head = head_verb(text, joined)
    if head is not None and head[0] is Deed.PRODUCE and head[1] in MAKING:
        start = len(text) - len(head[2])
        word = re.findall(r"[\w-]+", text[:start])[-1]
        begin = text[:start].rfind(word)
        if not is_past(word) and not PAST.search(text[:begin]):
            return begin
        return begin if PASSIVE.search(text[:begin]) else None
    shown = re.sub(r"`[^`]*`", lambda match: "`" + "." * (len(match[0]) - 2) + "`", text)
    for match in re.finditer(r"[A-Za-z][\w-]*", shown):
        if lemma(match[0]) not in MAKING:
            continue
        before = text[: match.start()]
        if match[0].endswith("ing") and (GERUND.search(before) or not before.strip()):
            return match.start()
        if is_past(match[0]) and PASSIVE.search(text) and not PAST.search(before):
            return match.start()
    return None


def _is_clock(condition: str) -> bool:
    """Tell whether a condition is about times, which are no reason to run anything."""
    return bool(CLOCK.search(condition) or find_stamps(condition))


def _first_word(text: str) -> str:
    found = re.search(r"[A-Za-z][\w-]*", re.sub(r"`[^`]*`", " ", text))
    return found[0].lower() if found else ""


def _is_noun(text: str, rest: str) -> bool:
    """Tell whether what looks like a verb is a noun: `the fix is of Monday`."""
    before = text[: len(text) - len(rest)]
    word = re.findall(r"[\w-]+", before)[-1]
    return ARTICLE.search(before[: before.rfind(word)]) is not None


def _names_run(text: str) -> bool:
    return re.search(r"`[^`]*\s[^`]*`|::|\bpytest\b|\bpython\b|\bplanctl run", text) is not None


def _codes(text: str) -> list[str]:
    return [name for name in _paths(text) if is_code(name.partition("::")[0])]


_PATH = re.compile(r"[\w$./{}-]*\w\.[A-Za-z][A-Za-z0-9]{0,5}(?:::[\w.:\[\]-]+)?(?!\w)|[\w./-]+/")


def _paths(text: str) -> list[str]:
    return [match[0] for match in _PATH.finditer(text)]
