"""Requests for evidence, and those that ask again for what is complete.

A turn asks when its order (`Next:`, `Do Now`) tells somebody to produce evidence and to change
nothing first. It asks again when every thing it names was reported complete before, for the same
focus, and nothing that results depend on changed since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from planctl.models.lexicon import word_set, words_of
from planctl.models.orders import Clause, Deed, clauses, is_code

GENERAL = word_set(
    "selector command artifact evidence log file output result test suite pytest cli hub folder "
    "directory report inventory summary initiative bundle run rerun refresh proof data step item "
    "check pair set copy capture env var variable epoch limit flag option plan checklist tree "
    "version path docs documentation note header turn now do"
)
"""Words that mean whatever the plan says, not one thing: they ask for nothing of their own."""

CHECKS = word_set("validate revalidate verify reverify evaluate test")
"""Words of a check, which makes no evidence: `validated the fix` completes nothing."""

_NEGATIVE = re.compile(
    r"\b(?:fail(?:s|ed|ing|ure)?|blocked|crash(?:ed|es)?|oom|out of memory|aborted|incomplete|"
    r"timed out|did(?: not|n['’]t)|could(?: not|n['’]t)|not (?:yet|emitted|produced|generated|"
    r"written|captured|run)|no artifacts?|still (?:missing|lacks?|pending|running|red)|red)\b",
    re.IGNORECASE,
)
_COMPLETE = re.compile(
    r"\b(?:complete[sd]?|green|passed|success(?:ful(?:ly)?)?|finished|done|captured|archived)\b",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?:[_-](?:v\d+|rerun|refresh(?:ed)?|final|new|latest|\d+))+$", re.IGNORECASE
)
_PROSE_FILE = re.compile(r"\.(?:md|rst|txt~|adoc|tex)$", re.IGNORECASE)
FOLDERS = word_set("analysis green red cli plan logs reports receipts outputs hub")
"""Folders of a hub: places, not evidence."""

_ENOUGH = 0.6
_PREFIX = 5


@dataclass(frozen=True)
class TurnText:
    """One turn as its texts tell it.

    Attributes:
        place: Where it stands, for people: a commit, or a line.
        focus: The initiative, or empty when it cannot be told.
        orders: Line and text of each order for the next turn.
        report: What was done, in sentences.
        cited: Artifacts cited as evidence.
        touched: Files said to have changed.
        selectors: Tests said to have run.
        failed: A test claim says that something failed.
    """

    place: str
    focus: str
    orders: tuple[tuple[int, str], ...]
    report: tuple[str, ...]
    cited: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Request:
    """An order for evidence.

    Attributes:
        turn: Position of the turn in its sequence.
        satisfied: Position of the turn that had completed it, or None.
        targets: What it asks for, as spelled.
    """

    turn: int
    line: int
    text: str
    targets: tuple[str, ...]
    satisfied: int | None


@dataclass
class _Done:
    """What is complete for a focus, since the last change."""

    by: int
    targets: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)


Changed = Callable[[int, int], bool]


def requests(turns: Sequence[TurnText], changed: Changed | None = None) -> tuple[Request, ...]:
    """Find the orders for evidence and tell which ask again.

    Args:
        turns: In the order of time.
        changed: Tells whether a later turn (both by position) had other code than an earlier one,
            or does not build on it at all, where that is known. What the turns say of their own
            changes counts with it, and without it alone.

    Returns:
        Every order for evidence; those that ask again name the turn that had satisfied them.
    """
    done: dict[str, list[_Done]] = {}
    standing: dict[str, _Wanted] = {}
    found: list[Request] = []
    for position, turn in enumerate(turns):
        before = done.setdefault(turn.focus, [])
        if _changes_code(turn):
            before.clear()
        completed = _completed(turn, position)
        if completed is not None:
            before.append(completed)
        asked = _asked(turn)
        if asked is None:
            continue
        line, text, new_work, wanted = asked
        wanted = standing[turn.focus] = wanted.meant_after(standing.get(turn.focus))
        earlier = (item for item in before if item.by != position)
        held = [item for item in earlier if changed is None or not changed(item.by, position)]
        by = None if new_work else _satisfied(wanted, held)
        found.append(Request(position, line, text, tuple(sorted(wanted.things)), by))
    return tuple(found)


@dataclass(frozen=True)
class _Wanted:
    """What an order asks for: things, and words for things."""

    things: frozenset[str]
    words: frozenset[str]

    @property
    def empty(self) -> bool:
        return not self.things and not self.words

    def meant_after(self, before: _Wanted | None) -> _Wanted:
        """Return what is meant when the order before was another.

        `Run the selector and both commands` names nothing new: it means what was asked before.
        """
        if before is None or not {stem(t) for t in self.things} <= {stem(t) for t in before.things}:
            return self
        return _Wanted(self.things | before.things, self.words | before.words)


def _asked(turn: TurnText) -> tuple[int, str, bool, _Wanted] | None:
    """Return where a turn asks for evidence, whether for new work, and for what."""
    first: tuple[int, str] | None = None
    every: list[Clause] = []
    for line, text in turn.orders:
        asked = clauses(text)
        every += asked
        if first is None and any(_makes(item) for item in asked):
            first = line, text
    if first is None:
        return None
    made = [item for item in every if _makes(item)]
    words = frozenset(word for item in made for word in item.words) - GENERAL
    new_work = any(item.deed is Deed.CHANGE for item in every)
    return *first, new_work, _Wanted(frozenset(_things(made)), words)


def _makes(item: Clause) -> bool:
    return item.deed is Deed.PRODUCE and item.verb not in CHECKS


def _satisfied(wanted: _Wanted, done: Sequence[_Done]) -> int | None:
    """Return the turn with which most of what is asked for was complete, or None."""
    targets: set[str] = set()
    known: set[str] = set()
    best, by = _ENOUGH, None
    for item in done:
        targets |= item.targets
        known |= item.words
        share = _covered(wanted, targets, known)
        if share > best or (by is None and share >= best):
            best, by = share, item.by
    return by


def _covered(wanted: _Wanted, targets: set[str], known: set[str]) -> float:
    """Return which share of the words is known; 0 when a thing is not among the targets."""
    for thing in wanted.things:
        told = stem(thing) in targets or all(akin_to_any(word, known) for word in words_of(thing))
        if not told:
            return 0.0
    if not wanted.words:
        return float(bool(wanted.things))
    return sum(akin_to_any(word, known) for word in wanted.words) / len(wanted.words)


def akin_to_any(word: str, known: Collection[str]) -> bool:
    """Tell whether a word, or one of its kin (`train`, `training`), is among some."""
    return word in known or any(_akin(word, other) for other in known)


def _akin(one: str, other: str) -> bool:
    """Tell whether two words share their stem: `train` and `training`, `infer` and `inference`."""
    short = min(len(one), len(other))
    return (
        short >= 4
        and one[: max(short - 1, 4)] == other[: max(short - 1, 4)]
        and (short >= _PREFIX or one.startswith(other) or other.startswith(one))
    )


def _things(asked: Iterable[Clause]) -> set[str]:
    names = {name for item in asked for name in item.targets}
    return {name for name in names if is_evidence(name) and stem(name) not in FOLDERS}


def is_evidence(path: str) -> bool:
    """Tell whether a path can be evidence by its name: neither prose nor code."""
    return not _PROSE_FILE.search(path) and not is_code(path)


def stem(name: str) -> str:
    """Return what a thing is called whatever its version: `run_v2.log` and `$HUB/run.json`, `run`.

    Args:
        name: A path, a selector, an identifier.
    """
    last = name.rstrip("/").rsplit("/", 1)[-1].rsplit("::", 1)[-1]
    base = last.split(".", 1)[0] if not last.startswith("phase ") else last
    return _VERSION.sub("", base).lower()


def _completed(turn: TurnText, position: int) -> _Done | None:
    made = [item for item in clauses("\n".join(turn.report)) if item.past and _makes(item)]
    evidence = [name for name in turn.cited if is_evidence(name)]
    report = " ".join(turn.report)
    if not made or not evidence or turn.failed or _denied(report):
        return None
    names = [*evidence, *turn.selectors, *(name for item in made for name in item.targets)]
    words = {word for text in (report, *names) for word in words_of(text)}
    return _Done(position, {stem(name) for name in names}, words)


def _denied(report: str) -> bool:
    """Tell whether a report says nothing of success, or more of failure."""
    bad, good = len(_NEGATIVE.findall(report)), len(_COMPLETE.findall(report))
    return good == 0 or bad >= good


def _changes_code(turn: TurnText) -> bool:
    """Tell whether a turn says that it changed code; tools and plans below `plans/` are none."""
    return any(is_code(name) and not name.startswith("plans/") for name in turn.touched)
