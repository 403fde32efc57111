"""Logs that planctl did not write: what they say of the command that made them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from planctl._files import open_plain
from planctl._statements import after_prompt, statements
from planctl.models.adoption import Source
from planctl.ops.adopt.notes import is_command
from planctl.ops.adopt.places import LOG_SUFFIXES
from planctl.workspace import Workspace

_HEAD_BYTES = 512_000
_HEAD_LINES = 60
_TEXT_FOLDERS = frozenset({"green", "cli", "log", "logs"})
NOTES = ("command.txt", "cmd.txt", "command.sh", "cmd.sh", "command", "cmd", "run.sh")
"""Files that hold the command of the log beside them."""
_NOT_LOGS = frozenset({"red", "receipts", "plan"})
_VERSION = re.compile(r"(?:[_.-](?:v\d+|rerun\d*|retry\d*|attempt\d+))+$", re.IGNORECASE)
_LABELLED = re.compile(
    r"(?:^|[\]|#>:-]|\b(?:INFO|DEBUG|NOTICE))\s*"
    r"(?P<label>command(?: line)?|cmd|command run|invocation|invoked as|"
    r"running(?: command)?|executing|exec|run|(?:sys\.)?argv)\s*[:=]\s*(?P<rest>\S.*)$",
    re.IGNORECASE,
)
_SURE = ("command", "command line", "cmd", "command run", "invocation", "invoked as")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WORKFLOW = re.compile(r"##\[group\]Run (\S.*)$")
_SCRIPT_HEAD = re.compile(r'^Script started on .*?\bCOMMAND="((?:[^"\\]|\\.)*)"')
_NODE = re.compile(
    r"^(\S[^\n]*?\.py::[^\n]+?) (?:PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)\b", re.MULTILINE
)
_DOTS = re.compile(r"^(\S+\.py) [.FEsxX]+\s*(?:\[\s*\d+%\])?\s*$", re.MULTILINE)
_FEW = 12


@dataclass(frozen=True)
class Log:
    """A log, relative to its folder of evidence.

    Attributes:
        folder: The folder of evidence.
        name: Relative to it.
        head: Its first lines.
    """

    folder: str
    name: str
    head: str

    @property
    def path(self) -> str:
        """Repository-relative path."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def base(self) -> str:
        """File name alone."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def family(self) -> str:
        """Its name without what says that it is another version: `_v2`, `_rerun`."""
        stem, dot, suffix = self.name.rpartition(".")
        stem, suffix = (stem, dot + suffix) if dot else (self.name, "")
        return _VERSION.sub("", stem) + suffix

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """The tests that a pytest log names, or their files."""
        if "= test session starts =" not in self.head:
            return ()
        found = _NODE.findall(self.head) or _DOTS.findall(self.head)
        return tuple(dict.fromkeys(found))


def is_log(folder: str, path: str) -> bool:
    """Tell whether a file of a folder of evidence is the log of a command."""
    *between, name = path[len(folder) :].strip("/").lower().split("/")
    if set(between) & _NOT_LOGS or name in NOTES or name.endswith(".cmd.txt"):
        return False
    text = name.endswith((".txt", ".typescript")) and bool(set(between) & _TEXT_FOLDERS)
    return name.endswith(LOG_SUFFIXES) or text


def read_log(workspace: Workspace, folder: str, path: str) -> Log:
    """Read the head of a log; what is no text has none."""
    with open_plain(workspace.root / path) as stream:
        data = stream.read(_HEAD_BYTES)
    head = "" if b"\0" in data[:4096] else data.decode("utf-8", "replace")
    name = path[len(folder) :].strip("/")
    return Log(folder, name, head.replace("\r\n", "\n"))


def said_by(log: Log) -> tuple[str, Source] | None:
    """Return the command that a log itself names in its first lines."""
    for number, line in enumerate(log.head.split("\n", _HEAD_LINES)[:_HEAD_LINES], 1):
        for command, how in _said(_ANSI.sub("", line[:4000]).rstrip("\r")):
            return command, Source(log.path, number, how)
    return None


def _said(line: str) -> Iterator[tuple[str, str]]:
    typed = after_prompt(line)
    traced = line[2:] if re.match(r"\+ \S", line) else None
    script, workflow = _SCRIPT_HEAD.match(line), _WORKFLOW.search(line)
    if typed is not None and _runs(typed):
        yield _core(typed), "typed after a prompt in the log"
    elif traced is not None and _runs(traced):
        yield _core(traced), "traced by the shell in the log"
    elif script is not None and _runs(script[1]):
        yield _core(script[1].replace('\\"', '"')), "head that script(1) wrote"
    elif workflow is not None and _runs(workflow[1]):
        yield _core(workflow[1]), "step of a workflow, in its log"
    elif (match := _LABELLED.search(line)) is not None:
        yield from _labelled(match["label"].lower(), match["rest"].strip())


def _labelled(label: str, rest: str) -> Iterator[tuple[str, str]]:
    if rest.startswith("["):
        words = _listed(rest)
        if words:
            front = ["python"] if "argv" in label and words[0].endswith(".py") else []
            yield shlex.join([*front, *words]), f"`{label}` in the log"
        return
    text = rest.strip("`")
    found = statements(text)
    whole = len(found) == 1 and bool(found[0].words) and not found[0].template
    if whole and (label in _SURE or is_command(found[0])) and _looks_typed(found[0].words):
        yield found[0].core, f"`{label}` in the log"


def _looks_typed(words: Sequence[str]) -> bool:
    """Tell a command from a sentence: its first word is a program's name."""
    return re.fullmatch(r"[\w./+-]+", words[0]) is not None and not words[0][:1].isupper()


def _listed(text: str) -> list[str]:
    """Read a command that was printed as a list of words."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    good = isinstance(value, list) and value and all(isinstance(word, str) for word in value)
    return list(value) if good else []


def _runs(text: str) -> bool:
    found = statements(text)
    return len(found) == 1 and is_command(found[0])


def _core(text: str) -> str:
    return statements(text)[0].core


def rebuilt(log: Log) -> tuple[str, Source] | None:
    """Return the pytest command that runs the tests a log names; options are not known."""
    files = tuple(dict.fromkeys(test.split("::", 1)[0] for test in log.tests))
    tests = log.tests if len(log.tests) <= _FEW else files
    if not tests or len(tests) > _FEW:
        return None
    line = 1 + log.head[: log.head.index(log.tests[0])].count("\n")
    how = f"rebuilt from the {len(log.tests)} tests that the log names; its options are not known"
    return f"python -m pytest {shlex.join(tests)}", Source(log.path, line, how)
