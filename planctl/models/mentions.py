"""What a piece of prose names of a plan: phases, rows, steps, tests, commands, artifacts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from planctl.models.lexicon import CHANGES, PRODUCES, RECORDS, SKIPPED, lemma, word_set, words_of
from planctl.models.plan.plan import Plan, Step
from planctl.models.requests import FOLDERS, GENERAL, akin_to_any, is_evidence, stem
from planctl.models.same_command import Command, commands, difference, within

_ROW = re.compile(
    r"(?<![\w/.-])(?P<letters>[A-Za-z]{1,4})(?P<number>\d+)(?P<rest>[a-z]?(?:\.\w+)*)"
)
_RANGE = re.compile(
    r"(?<![\w/.-])(?P<a>[A-Za-z]{1,4})(?P<m>\d{1,3})\s*(?:-|–|—|\.\.+|…|\bto\b|\bthrough\b|\bthru\b)"
    r"\s*(?P<b>[A-Za-z]{0,4})(?P<n>\d{1,3})(?!\w|\.\w)"
)
_PHASE = re.compile(
    r"\b(?i:phases?|stages?|milestones?)[\s-]*(?P<names>[A-Z0-9][\w.]*"
    r"(?:\s*(?:,|/|and|&|\+|plus|then)\s*[A-Z0-9](?:[\w.]*))*)(?![\w-])"
)
_PHASE_WORD = re.compile(r"\b(?:phase|stage|milestone)\b", re.IGNORECASE)
_NAMED = re.compile(r"\b(?i:phase|stage|milestone)s?[\s-]*(?P<name>[A-Za-z0-9][\w.-]*)")
_SELECTOR = re.compile(r"[\w./-]*\w\.py(?:::[\w:.\[\]-]+)?")
_FILE = re.compile(r"[\w$./{}-]*\w\.[A-Za-z][A-Za-z0-9]{0,5}(?![\w(])")
_QUOTED = re.compile(r"`([^`]+)`")
_STEP = re.compile(r"(?:--step[ =]|\bstep\s+)`?([\w.-]+)`?", re.IGNORECASE)
_SLASHED = re.compile(
    r"(?<![\w/.-])([A-Za-z]{1,4}\d+[a-z]?)/(?=(?:[A-Za-z]{1,4}\d+[a-z]?/?)+(?![\w/]|\.\w))"
)
_ROWS_MOST = 60
_SHORTEST_NOUN = 4
_STEPS = "steps?"
_FRESH = (
    "new|fresh|whole|full|last|current|clean|recent|second|same|first|complete|updated|latest|"
    "entire|short|quick|final|old"
)
# A command, or a script, that is quoted.
_RUNNABLE = re.compile(r"`(?=[\w./])([\w./-]+(?:\s[^`]+|\.(?:sh|bash)))`")
# What says that tests are meant, or commands, and not which.
_TESTS = word_set("selector test pytest suite")
_PROGRAMS = word_set("command cli script program baseline")
# Words of asking, which say nothing of what is asked for.
_FILLER = word_set(
    "one once more over anew afresh time pass round old stale previous must need should please we "
    "you ralph done sure last late date dated today whole everything thing rest same way place put "
    "into green recent clean own scratch zero beginning thi go back "
    "phase stage milestone everybody somebody someone be been"
)
_OWN = re.compile(r"artifact_inventory|^summary$|^input$|^blocked_")


@dataclass(frozen=True)
class Mention:
    """What a text names.

    Attributes:
        steps: Steps named by a row, an id, a test, a command or an artifact.
        phases: Phases named.
        other: What it names that the plan does not have, or asks for otherwise: in words.
        strong: `steps` are named by more than an artifact of theirs, or what they are called.
        command: `steps` are named by a command line.
    """

    steps: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()
    other: str = ""
    strong: bool = True
    command: bool = False

    @property
    def any(self) -> bool:
        """Something of the plan is named."""
        return bool(self.steps or self.phases)


@dataclass(frozen=True)
class StepWords:
    """What a step can be called by.

    Attributes:
        stems: Names of its log and artifacts, without versions.
        words: The words of its id, title, rows and artifacts.
    """

    phase: str
    step: Step
    commands: tuple[Command, ...]
    stems: frozenset[str]
    words: frozenset[str]
    flags: frozenset[str]


class PlanWords:
    """A plan by what its parts are called.

    Args:
        plan: The plan.
        rows: Row → its text in the working plan.
    """

    def __init__(self, plan: Plan, rows: Mapping[str, str]) -> None:
        self.plan = plan
        self.rows = rows

    @cached_property
    def steps(self) -> dict[str, StepWords]:
        """Step id → what it can be called by."""
        return {step.id: self._step(phase, step) for phase, step in self.plan.steps()}

    def _step(self, phase: str, step: Step) -> StepWords:
        names = [step.log, *(item.to.rstrip("/") for item in step.collect)]
        told = [step.id, step.title or "", *names, *(self.rows.get(r, "") for r in step.rows)]
        made = commands(step.run, self.plan.env)
        programs = [word for item in made for word in (item.program, *item.selectors)]
        words = {word for text in (*told, *programs) for word in words_of(text)}
        flags = {word for item in made for word in item.words if word.startswith("-")}
        stems = frozenset(stem(name) for name in names) - FOLDERS
        return StepWords(phase, step, made, stems, frozenset(words), frozenset(flags))

    def of_phases(self, phases: Iterable[str]) -> frozenset[str]:
        """Return the steps of some phases."""
        wanted = set(phases)
        return frozenset(name for name, item in self.steps.items() if item.phase in wanted)

    def named(self, text: str) -> Mention:
        """Return what a text names by name; words alone name nothing."""
        plain = expanded(text)
        phases, strange = self._phases(plain)
        # `phase A2` names a row.
        strong = self._by_row(plain) | self._by_id(plain)
        tests, odd_test = self._by_test(plain)
        runs, odd_run, run_phases = self._by_command(plain)
        strong |= tests | runs
        made = self._by_artifact(plain) | (frozenset() if strong else self._by_noun(plain))
        other = strange or odd_run or ("" if runs else odd_test)
        if phases and not strong and not made:
            return Mention(
                frozenset(), frozenset(phases | run_phases), other, True, bool(run_phases)
            )
        named = frozenset(phases | run_phases)
        return Mention(strong or made, named, other, bool(strong), bool(runs or run_phases))

    def _phases(self, text: str) -> tuple[set[str], str]:
        known = {name.lower(): name for name in self.plan.phases}
        found: set[str] = set()
        strange = ""
        for match in _PHASE.finditer(text):
            for name in re.split(r"\s*(?:,|/|\band\b|&|\+|\bplus\b|\bthen\b)\s*", match["names"]):
                name = name.strip(" .")
                if name.lower() in known:
                    found.add(known[name.lower()])
                elif name and not self._rows_of(name):
                    strange = strange or f"phase {name}"
        for match in _NAMED.finditer(text):
            if (name := match["name"].lower().rstrip(".")) in known and len(name) > 1:
                found.add(known[name])
        found |= {name for name in self.plan.phases if _as_noun(name).search(text)}
        return found, strange if not found else ""

    def _rows_of(self, name: str) -> frozenset[str]:
        wanted = name.lower()
        return frozenset(
            step
            for step, item in self.steps.items()
            if any(row.lower() == wanted for row in item.step.rows)
        )

    def _by_row(self, text: str) -> frozenset[str]:
        names = {match[0].rstrip(".") for match in _ROW.finditer(text)}
        return frozenset(step for name in names for step in self._rows_of(name))

    def _by_id(self, text: str) -> frozenset[str]:
        named = {match[1] for match in _STEP.finditer(text)}
        named |= {match[1].strip() for match in _QUOTED.finditer(text)}
        return frozenset(name for name in named if name in self.steps)

    def _by_test(self, text: str) -> tuple[frozenset[str], str]:
        found: set[str] = set()
        strange = ""
        for match in _SELECTOR.finditer(text):
            asked = match[0].removeprefix("./")
            known = [
                name
                for name, item in self.steps.items()
                if any(within(asked, other) for made in item.commands for other in made.selectors)
            ]
            found |= set(known)
            if not known and "::" in asked:
                strange = asked
        return frozenset(found), strange if not found else ""

    def _by_command(self, text: str) -> tuple[frozenset[str], str, set[str]]:
        found: set[str] = set()
        phases: set[str] = set()
        strange = ""
        for made in self._commands_in(text):
            if made.program == "planctl run-phase":
                steps, named = self._run_phase(made)
                found |= steps
                phases |= named
                continue
            told = {
                name: difference(made, known)
                for name, item in self.steps.items()
                for known in item.commands
            }
            same = {name for name, extra in told.items() if extra == ""}
            found |= same
            odd = [extra for extra in told.values() if extra]
            if odd and not same:
                strange = strange or odd[0]
        return frozenset(found), strange, phases

    def _commands_in(self, text: str) -> Iterator[Command]:
        programs = {item.program for known in self.steps.values() for item in known.commands}
        quoted = _QUOTED.findall(text)
        # A line of a fenced block, or an order that is nothing but its command.
        bare = re.sub(r"^[^\w$./]*(?:[A-Z]\w+( \w+)?:\s*)?", "", text).replace("`", "").strip()
        for script in (*quoted, bare):
            for made in commands(script, self.plan.env):
                if made.program in programs or made.program.startswith("planctl "):
                    yield made

    def _run_phase(self, made: Command) -> tuple[set[str], set[str]]:
        plain = [word for word in made.words if not word.startswith("-")]
        steps = {made.pairs[flag] for flag in ("--step",) if flag in made.pairs}
        if plain[:1] != [self.plan.id]:
            return set(), set()
        if steps:
            return steps & set(self.steps), set()
        return set(), set(plain[1:2]) & set(self.plan.phases)

    def _by_noun(self, text: str) -> frozenset[str]:
        """Return the steps that a text calls by their ids as words: `the scan`, `drift table`."""
        plain = _QUOTED.sub(" ", text)
        alone = plain.strip(" .*-").lower()
        return frozenset(
            name
            for name in self.steps
            if alone == name.lower() or _as_noun(name, _STEPS).search(plain)
        )

    def _by_artifact(self, text: str) -> frozenset[str]:
        names = {match[0] for match in _FILE.finditer(text)}
        stems = {stem(name) for name in names if is_evidence(name)} - FOLDERS
        return frozenset(name for name, item in self.steps.items() if stems & item.stems)

    def without_names(self, text: str) -> str:
        """Return a text without what can name something: rows, phases, quoted words, files."""
        text = expanded(text)
        for pattern in (_QUOTED, _PHASE, _SELECTOR, _FILE, _ROW, _PHASE_WORD):
            text = pattern.sub(" ", text)
        return re.sub(r"\b(?:rows?|and|the|steps?|of|all|run|or)\b", " ", text, flags=re.IGNORECASE)

    def strange_command(self, text: str) -> str:
        """Return a command or script that a text quotes and no step runs; empty for none."""
        found = _RUNNABLE.search(text)
        return found[1] if found is not None and not self.named(text).any else ""

    def strange_artifacts(self, text: str) -> list[str]:
        """Return the evidence a text names that no step of the plan makes."""
        known = {name for item in self.steps.values() for name in item.stems}
        names = [match[0] for match in _FILE.finditer(text)]
        return [
            name
            for name in names
            if is_evidence(name) and stem(name) not in known | FOLDERS
            if not _OWN.search(stem(name))
        ]

    def says_nothing(self, text: str) -> bool:
        """Tell whether a text has no word that tells one step from another, nor tests from runs."""
        said = set(words_of(text)) - SKIPPED - _FILLER
        return not self._own(said) and not said & (_TESTS | _PROGRAMS)

    @cached_property
    def _titles(self) -> frozenset[str]:
        """The words that name phases, and so no single step."""
        told = (f"{name} {item.title}" for name, item in self.plan.phases.items())
        return frozenset(word for text in told for word in words_of(text))

    def knows(self, text: str) -> bool:
        """Tell whether all that a text says is what the plan's steps are called by."""
        said = {word for word in words_of(_QUOTED.sub(" ", text)) if word not in SKIPPED | _FILLER}
        own = self._own(said)
        return bool(own) and all(akin_to_any(word, self._known) for word in own)

    def _own(self, said: set[str]) -> set[str]:
        """Return the words that say what, not that it is to be done."""
        deeds = PRODUCES | RECORDS | CHANGES
        known = self._known
        return {w for w in said - GENERAL if akin_to_any(w, known) or lemma(w) not in deeds}

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(
            self._titles | {word for item in self.steps.values() for word in item.words}
        )

    def by_words(self, text: str, scope: Iterable[str]) -> frozenset[str] | None:
        """Return the steps among some that a text means by its words.

        Returns:
            None when its words are about something else; all of them when they say nothing.
        """
        among = {name: self.steps[name] for name in scope}
        said = {word for word in words_of(_QUOTED.sub(" ", text)) if word not in SKIPPED | _FILLER}
        titles = self._titles
        kind = said - titles
        kinds = frozenset(
            name
            for name, item in among.items()
            if (kind & _TESTS and item.step.kind == "pytest")
            or (kind & _PROGRAMS and item.step.kind != "pytest")
        )
        own = self._own(said)
        known = titles | {word for item in among.values() for word in item.words}
        hits = {word for word in own if akin_to_any(word, known)}
        if own and len(hits) < len(own) * 0.6:
            return kinds or None if not own - hits else None
        named = frozenset(
            name
            for name, item in among.items()
            if any(akin_to_any(w, item.words) for w in hits if not akin_to_any(w, titles))
        )
        return (named & kinds) or (named | kinds) or frozenset(among)


@lru_cache(maxsize=512)
def _as_noun(name: str, kind: str = "phases?|stages?|milestones?") -> re.Pattern[str]:
    """Return what finds a name used as a word: `the scan`, `scan step`, `drift table`."""
    words = [word for word in re.split(r"[-_. ]", name) if word]
    said = r"[-_ ]".join(map(re.escape, words))
    if len(words) > 1:
        return re.compile(rf"(?<![\w/.-]){said}(?![\w/-]|\.\w)", re.IGNORECASE)
    general = kind == _STEPS and set(words_of(name)) & (GENERAL | _TESTS | _PROGRAMS)
    if len(name) < _SHORTEST_NOUN or general:
        return re.compile(r"(?!)")
    article = rf"(?:the|an?|this|that|our|its|another|one|all|every|each)\s+(?:(?:{_FRESH})\s+)?"
    return re.compile(
        rf"(?<![\w/.-])(?:{article}{said}(?![\w/-]|\.\w)|{said}\s+(?:{kind})\b)", re.IGNORECASE
    )


def expanded(text: str) -> str:
    """Return a text with its ranges of rows spelled out: `A0–A2` is `A0 A1 A2`."""

    def spelled(match: re.Match[str]) -> str:
        first, last = int(match["m"]), int(match["n"])
        same = match["b"] in ("", match["a"])
        if not same or not first <= last <= first + _ROWS_MOST:
            return match[0]
        return " ".join(f"{match['a']}{number}" for number in range(first, last + 1))

    return _RANGE.sub(spelled, _SLASHED.sub(r"\1 ", text.replace('"', " ")))
