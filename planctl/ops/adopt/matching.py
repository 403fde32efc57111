"""Which noted command made which log."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from planctl._statements import Statement
from planctl.models.adoption import Source
from planctl.ops.adopt.logs import Log, rebuilt, said_by
from planctl.ops.adopt.notes import Noted

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_UNKNOWN = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^{}]*\}|\$\w+")
_WRITES = "writes this log"


@dataclass(frozen=True)
class Made:
    """How a log was made, as far as somebody wrote it down.

    Attributes:
        noted: The note the command comes from; None when the log itself says it.
        others: Notes with another command for the same log.
    """

    log: Log
    run: str
    source: Source
    noted: Noted | None = None
    others: tuple[Source, ...] = ()


def made(
    logs: Sequence[Log], noted: Sequence[Noted], kept: Mapping[str, tuple[str, Source]]
) -> dict[str, Made]:
    """Return path of a log → how it was made; a log nobody wrote about is absent.

    What the log says itself comes first; then what was kept beside it; then commands that name it
    as the place their output goes to; then a line, paragraph or section that names both and no
    other; then a pytest command that selects the tests the log names; then these tests.

    Args:
        logs: The logs.
        noted: Commands from documents, nearest document first.
        kept: Path of a log → the command in a file beside it.
    """
    bases = Counter(log.base for log in logs)
    targets = _Targets(noted)
    together = _Together(noted)
    found: dict[str, Made] = {}
    for log in logs:
        said = said_by(log) or kept.get(log.path)
        writing = targets.of(log, bases[log.base] == 1)
        answer = Made(log, *said) if said else _one(log, noted, writing, together, logs)
        if answer is not None:
            found[log.path] = answer
    return found


class _Targets:
    """Where noted commands write to, by the last part of the name."""

    def __init__(self, noted: Sequence[Noted]) -> None:
        self._by_base: dict[str, list[tuple[str, Noted]]] = {}
        for item in noted:
            for target in item.statement.targets:
                text = _opened(expanded(target, item))
                base = "*" if "*" in text else text.rsplit("/", 1)[-1]
                self._by_base.setdefault(base, []).append((text, item))

    def of(self, log: Log, unique: bool) -> list[Noted]:
        """Return the commands that write a log, in the order of the documents."""
        near = [*self._by_base.get(log.base, ()), *self._by_base.get("*", ())]
        return [item for target, item in near if _is_target(target, log, unique)]


def _one(
    log: Log,
    noted: Sequence[Noted],
    writing: Sequence[Noted],
    together: _Together,
    logs: Sequence[Log],
) -> Made | None:
    if writing:
        return _chosen(log, writing, _WRITES)
    if beside := together.beside(log, logs):
        return _chosen(log, beside, "named together with this log")
    if selecting := _selecting(log, noted):
        return _chosen(log, selecting, "selects the tests that the log names")
    again = rebuilt(log)
    return None if again is None else Made(log, *again)


def _chosen(log: Log, items: Sequence[Noted], how: str) -> Made:
    """Take the first note; name those that say something else."""
    first = items[0]
    run = command_of(first)
    others = [i for i in items[1:] if _words(command_of(i)) != _words(run)]
    sources = (Source(i.path, i.line, "another command for the same log") for i in others[:4])
    return Made(log, run, Source(first.path, first.line, how), first, tuple(sources))


def _words(text: str) -> list[str]:
    return text.replace("\\\n", " ").split()


def command_of(noted: Noted) -> str:
    """Return what has to be run: the command, with the `cd` and settings that stand before it."""
    if noted.target is not None:
        return f"make {noted.target}"
    lines = [line for line in noted.before if not _is_own(line)]
    return "\n".join([*lines, noted.statement.core])


def _is_own(line: str) -> bool:
    """Tell whether a line only sets what planctl sets, or what the plan's `env` will hold."""
    return re.match(r"(?:export\s+)?[A-Za-z_]\w*=", line) is not None


def expanded(text: str, noted: Noted) -> str:
    """Return a path with the variables replaced that its document sets."""
    for _ in range(3):
        text = _VARIABLE.sub(lambda m: noted.value(m[1] or m[2]) or m[0], text)
    return re.sub(r"^(?:\$PWD|\$\{PWD\}|\.|\$\(pwd\)|\$\(CURDIR\))/", "", text)


def _opened(path: str) -> str:
    """Return a path whose name holds a date or a number that was not known, with `*` there."""
    folder, slash, name = path.rpartition("/")
    opened = _UNKNOWN.sub("*", name)
    # A name of nothing but the unknown could be any.
    told = re.sub(r"\W", "", opened.partition(".")[0])
    return f"{folder}{slash}{opened}" if len(told) > 2 else path


def _is_target(target: str, log: Log, unique: bool) -> bool:
    plain = target.strip().removeprefix("./")
    if "*" in plain:
        place = log.path if "/" in plain else log.base
        return fnmatch.fnmatchcase(place, plain) or fnmatch.fnmatchcase(place, f"*/{plain}")
    if plain.startswith("$") and "/" in plain:
        # A variable nobody sets: what follows it decides, a mere name only if no other has it.
        rest = plain.split("/", 1)[1]
        return log.name == rest or ("/" not in rest and unique and log.base == rest)
    if plain.startswith(("/", "~")):
        return plain.endswith(f"/{log.path}")
    if plain in (log.path, log.name):
        return True
    if "/" not in plain:
        return unique and plain == log.base
    return unique and log.path.endswith(f"/{plain}")


class _Together:
    """What stands together: for each line, paragraph and section, its commands."""

    def __init__(self, noted: Sequence[Noted]) -> None:
        self._places: list[dict[tuple[str, str], dict[str, Noted]]] = []
        for place in ("near", "context", "section"):
            found: dict[tuple[str, str], dict[str, Noted]] = {}
            for item in noted:
                text: str = getattr(item, place)
                if text:
                    found.setdefault((item.path, text), {}).setdefault(command_of(item), item)
            self._places.append(found)

    def beside(self, log: Log, logs: Sequence[Log]) -> list[Noted]:
        """Return commands that stand with this log, no other command and no other log."""
        for place in self._places:
            found = [
                next(iter(commands.values()))
                for (_, text), commands in place.items()
                if len(commands) == 1 and _names_only(text, log, logs)
            ]
            found = [item for item in found if not item.statement.targets]
            if found:
                return found
        return []


def _names_only(text: str, log: Log, logs: Sequence[Log]) -> bool:
    if log.base not in text or not _names(text, log):
        return False
    return all(other.family == log.family or not _names(text, other) for other in logs)


@lru_cache(maxsize=200_000)
def _names(text: str, log: Log) -> bool:
    return any(
        re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None
        for name in {log.name, log.base}
        if name in text
    )


def _selecting(log: Log, noted: Sequence[Noted]) -> list[Noted]:
    """Return pytest commands whose selectors are those of the log's tests, closest first."""
    if not log.tests:
        return []
    ranked: list[tuple[int, Noted]] = []
    for item in noted:
        selectors = selectors_of(item.statement)
        if selectors and _covers(selectors, log.tests):
            ranked.append((-sum(map(len, selectors)), item))
    ranked.sort(key=lambda pair: pair[0])
    return [item for rank, item in ranked if rank == ranked[0][0]]


def selectors_of(statement: Statement) -> list[str]:
    """Return what a pytest command selects; nothing when it only collects, or filters by words."""
    words = list(statement.words)
    if not any(re.fullmatch(r"(?:.*/)?py\.?test", word) for word in words):
        return []
    if {"--collect-only", "--co", "-k", "-m"} & set(words[words.index(_program(words)) + 1 :]):
        return []
    start = words.index(_program(words)) + 1
    return [word for word in words[start:] if ".py" in word and not word.startswith("-")]


def _program(words: Sequence[str]) -> str:
    return next(word for word in words if re.fullmatch(r"(?:.*/)?py\.?test", word))


def _covers(selectors: Sequence[str], tests: Sequence[str]) -> bool:
    def holds(selector: str, test: str) -> bool:
        return test == selector or test.startswith((f"{selector}::", f"{selector}["))

    return all(any(holds(s, t) for s in selectors) for t in tests) and all(
        any(holds(s, t) for t in tests) for s in selectors
    )


def variables_in(text: str) -> Iterator[str]:
    """Yield the names of the variables that a command uses."""
    for match in _VARIABLE.finditer(text):
        yield match[1] or match[2]
