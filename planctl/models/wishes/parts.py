"""One part of an order looked at: its verb, what it names, what it rests on."""

from __future__ import annotations

import re

from planctl.clock import find_stamps
from planctl.models.lexicon import is_past, lemma
from planctl.models.mentions import Mention, PlanWords
from planctl.models.orders import Deed, head_verb, is_code
from planctl.models.requests import CHECKS
from planctl.models.wishes.words import (
    ARTICLE,
    BY_RUN,
    CLOCK,
    CONTEXT,
    DEMAND,
    GERUND,
    MAKING,
    OBJECT,
    PASSIVE,
    PAST,
    REDO,
    WEAK,
)

# An independent run beside the evidence; it takes nothing from it and adds a record of its own.
REPLAY = re.compile(r"\bplanctl\s+(?:replay|verify|why|at|bisect)\b")
REMAKES = frozenset(("rebuild", "create", "redo"))
_NAMED_FILE = re.compile(
    r"(?<![\w./$-])[\w./$-]*\w\.py::[\w:.\[\]-]*[\w\]]"
    r"|(?<![\w./$-])(?:[\w.$-]+/)+[\w.-]*\w\.[a-z]\w{0,5}(?![\w/])"
    r"|(?<![\w./$-])[\w-]+\.(?:py|sh)(?!\w)"
)
MAKES = REMAKES | {"build", "make", "write"}


def is_demanded(text: str, first: str) -> bool:
    """Tell whether a run is asked for by other words than its verb: `confirm with a new run`."""
    by_run = BY_RUN.search(text) is not None or REDO.match(text) is not None
    return by_run or (lemma(first) in WEAK and DEMAND.search(text) is not None)


def verb_at(text: str, at: int) -> str:
    """Return the verb, in its basic form, that stands at a place."""
    found = re.match(r"[\w-]+", text[at:])
    return lemma(found[0]) if found else ""


def by_verb(head: tuple[Deed, str, str, bool], text: str, mention: Mention, known: bool) -> str:
    """Judge a part by a verb that makes no evidence; empty when it says nothing.

    Args:
        known: Every word after the verb is one of the plan's: `builds the table`.
    """
    deed, verb, _, past = head
    if deed is Deed.CHANGE:
        made = verb in MAKES and (bool(mention.steps) or known)
        if (OBJECT.search(text) or made) and not codes(text):
            # `create new logs of A1`; `delete the old logs` is no change of code either.
            return "ask" if (mention.any or known) and not past else "no"
        return "change"
    if verb in CHECKS:
        return "ask" if mention.strong and mention.steps and names_run(text) else "check"
    return "ask" if verb in ("start", "begin", "continue") and mention.any else ""


def unfolded(text: str, words: PlanWords) -> str:
    """Return a text whose asides stand in the open where they name something of the plan."""

    def opened(match: re.Match[str]) -> str:
        return f" {match[1]} " if words.named(match[1]).any else match[0]

    return re.sub(r"\(([^()]*)\)", opened, text)


def after_verb(text: str, at: int) -> str:
    """Return what follows the verb at a place."""
    return re.sub(r"^[\w-]+", "", text[at:])


def quoted(text: str) -> str:
    """Return a text whose tests and files are quoted: no colon or verb in them ends or means."""
    pieces = text.split("`")
    pieces[::2] = [_NAMED_FILE.sub(r"`\g<0>`", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def core(text: str) -> str:
    """Return a part without what it only rests on: `using …`, `per …`, `from …`."""
    found = CONTEXT.search(text)
    return text if found is None or found.start() == 0 else text[: found.start()]


def making_verb(text: str, joined: bool) -> int | None:
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


def is_clock(condition: str) -> bool:
    """Tell whether a condition is about times, which are no reason to run anything."""
    return bool(CLOCK.search(condition) or find_stamps(condition))


def first_word(text: str) -> str:
    """Return the first word that is not quoted."""
    found = re.search(r"[A-Za-z][\w-]*", re.sub(r"`[^`]*`", " ", text))
    return found[0].lower() if found else ""


def is_noun(text: str, rest: str) -> bool:
    """Tell whether what looks like a verb is a noun: `the fix is of Monday`."""
    before = text[: len(text) - len(rest)]
    word = re.findall(r"[\w-]+", before)[-1]
    return ARTICLE.search(before[: before.rfind(word)]) is not None


def names_run(text: str) -> bool:
    """Tell whether a part spells a command or a test."""
    return re.search(r"`[^`]*\s[^`]*`|::|\bpytest\b|\bpython\b|\bplanctl run", text) is not None


def codes(text: str) -> list[str]:
    """Return the files of code that a part names."""
    return [name for name in paths(text) if is_code(name.partition("::")[0])]


_PATH = re.compile(r"[\w$./{}-]*\w\.[A-Za-z][A-Za-z0-9]{0,5}(?:::[\w.:\[\]-]+)?(?!\w)|[\w./-]+/")


def paths(text: str) -> list[str]:
    """Return the files and folders that a part names."""
    return [match[0] for match in _PATH.finditer(text)]
