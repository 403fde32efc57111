"""Whether a command line asks for what another one did: by program and arguments, not by spelling.

What only shows or places the output (`-vv`, `--tb`, `--output_dir`, `| tee log`) makes no
difference; nor does the interpreter's name, a wrapper (`timeout 60`), or what is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from planctl._statements import statements, without_prompts

_PYTHON = re.compile(r"python[\d.]*$|pypy[\d.]*$")
_WRAPPERS = frozenset(
    ("env", "time", "nohup", "timeout", "srun", "nice", "ionice", "stdbuf", "sudo", "xvfb-run",
     "uv", "poetry", "pipenv", "conda", "hatch", "pdm", "exec", "command", "coverage")
)  # fmt: skip
_SHOWING = re.compile(
    r"-(?:v+|q+|s|x|l|r[a-zA-Z]*)$|--(?:verbose|quiet|tb|no-header|no-summary|durations|color|"
    r"colour|capture|maxfail|showlocals|progress|no-progress|exitfirst|cache-clear|junitxml)$"
)
_PLACING = re.compile(
    r"--?(?:.*[-_])?(?:o|out|output|dest|destination|prefix|suffix|tag|run[-_]?name)"
    r"(?:[-_](?:dir|path|file|folder|name))?$|--?log[-_](?:dir|file|path|level)$"
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TEST = re.compile(r"(?P<file>[\w./-]+\.py)(?:::(?P<node>[\w:.\[\]-]+))?$")


@dataclass(frozen=True)
class Command:
    """One command, freed of what does not matter.

    Attributes:
        program: `pytest`, `python ptycho_torch/train.py`, `planctl run-phase`.
        words: What follows.
    """

    program: str
    words: tuple[str, ...]

    @property
    def selectors(self) -> tuple[str, ...]:
        """The test files and tests that a pytest command names."""
        if self.program != "pytest":
            return ()
        return tuple(word for word in self.words if _TEST.match(word))

    @property
    def pairs(self) -> dict[str, str]:
        """Flag → the word after it, where that is no flag."""
        return {
            one: other
            for one, other in zip(self.words, self.words[1:], strict=False)
            if one.startswith("-") and not other.startswith("-")
        }


def commands(script: str, env: Mapping[str, str] | None = None) -> tuple[Command, ...]:
    """Return the commands of a script, or of a line somebody wrote down.

    Args:
        script: For a POSIX shell; what is no command of it gives none.
        env: Values of variables.
    """
    found: list[Command] = []
    for item in statements(without_prompts(script)):
        words = [_expanded(word, env or {}) for word in item.words]
        made = _command([part for word in words for part in _halves(word)])
        if made is not None:
            found.append(made)
    return tuple(found)


def _halves(word: str) -> Iterator[str]:
    flag, sign, value = word.partition("=")
    if word.startswith("--") and sign:
        yield from (flag, value)
    else:
        yield word


def _expanded(word: str, env: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: env.get(m[1] or m[2], m[0]), word).removeprefix("./")


def _command(words: list[str]) -> Command | None:
    words = _unwrapped(words)
    if not words:
        return None
    name = words[0].rsplit("/", 1)[-1]
    if _PYTHON.match(name):
        rest = words[1:]
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
            rest = rest[1:]
        if rest[:1] == ["-m"]:
            return _named(rest[1:])
        name = " ".join(["python", *rest[:1]])
        return Command(name, tuple(rest[1:]))
    if name == "planctl" and words[1:2] == ["run"] and "--" in words:
        return _command(words[words.index("--") + 1 :])
    if name == "run-phase":
        return Command("planctl run-phase", tuple(words[1:]))
    if name == "planctl":
        return Command(" ".join([name, *words[1:2]]), tuple(words[2:]))
    return _named([name, *words[1:]])


def _named(words: list[str]) -> Command | None:
    if not words:
        return None
    name = "pytest" if words[0] in ("pytest", "py.test") else words[0]
    return Command(name, tuple(words[1:]))


def _unwrapped(words: list[str]) -> list[str]:
    while words and words[0].rsplit("/", 1)[-1] in _WRAPPERS:
        words = words[1:]
        while words and (words[0].startswith("-") or re.fullmatch(r"run|\d+[smh]?", words[0])):
            words = words[1:]
    return words


def difference(asked: Command, known: Command) -> str | None:
    """Compare what is asked for with what is known.

    Returns:
        What is asked for beyond what is known: empty when nothing is. None for another program.
    """
    if asked.program != known.program:
        return None
    if asked.program == "pytest" and asked.selectors and not covered(asked, known):
        return " ".join(asked.selectors)
    skipped = _unimportant(asked.words) | set(asked.selectors)
    extra = [word for at, word in enumerate(asked.words) if at not in skipped]
    extra = [word for word in extra if word not in known.words and word not in asked.selectors]
    before = known.pairs
    for flag, value in asked.pairs.items():
        other = before.get(flag, value)
        if other != value and not only_shows(flag):
            extra.append(f"{flag} {value}")
    return " ".join(dict.fromkeys(extra))


def only_shows(flag: str) -> bool:
    """Tell whether a flag only shows or places what a command gives."""
    return bool(_SHOWING.match(flag) or _PLACING.match(flag))


def _unimportant(words: tuple[str, ...]) -> set[int | str]:
    found: set[int | str] = set()
    for at, word in enumerate(words):
        if word == "-p" or _PLACING.match(word) or word in ("--tb", "--durations", "--maxfail"):
            found |= {at, at + 1}
        elif _SHOWING.match(word):
            found.add(at)
    return found


def covered(asked: Command, known: Command) -> bool:
    """Tell whether every test that one command names is among those of another."""
    return all(any(within(one, other) for other in known.selectors) for one in asked.selectors)


def within(one: str, other: str) -> bool:
    """Tell whether a selector is another, or a part of it: `a.py::T::x` of `a.py::T`."""
    return one == other or one.startswith((f"{other}::", f"{other}["))
