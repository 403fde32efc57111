"""What a log says of itself: how its tests ended, and whether it tells its command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planctl.models.claims.tests import TestResult, results_in

_HEAD_LINES = 60
_LOG = re.compile(r"\.(?:log|out|err)(?:\.txt)?$|(?:^|[/_])(?:pytest|unittest)[\w.-]*\.txt$", re.I)
# A program and a word that can only be its argument: `Python version 3.11` is no command.
_PROGRAM = (
    r"(?:\S*/)?(?:python[\d.]*|pytest|bash|sh|mpirun|mpiexec|srun|sbatch|uv|poetry|conda|docker|nox|"
    r"tox|npm|cargo|julia|Rscript|planctl|coverage|torchrun|accelerate|make|git|\./[\w.-]+)"
)
_ARGUMENT = (
    r"(?:\s+[\w.:=-]+){0,2}?\s+(?:--?\w|[^\s:]*/\S|\S+\.(?:py|sh|jl|R|ipynb|ya?ml|toml|json|npz)\b)"
)
_CALL = rf"`?(?:env\s+)?(?:[A-Z_][A-Z0-9_]*=\S*\s+){{0,20}}{_PROGRAM}{_ARGUMENT}"
_COMMAND = re.compile(
    r"\W{0,4}(?:"
    r"(?:\$|❯|➜)\s+\S"  # a prompt
    r"|(?i:command(?: line)?|cmd(?:line)?|invocation|(?:sys\.)?argv)\W{0,3}[:=]\s*\S"
    r"|Script started on .*COMMAND="
    rf"|(?:\+\s+|(?i:running|executing|invoking|run|exec)\W{{0,3}}\s)?{_CALL}"
    r")"
)
_SUITE = re.compile(r"(?:^|[_\-.])(?:suite|full|all|everything|regression)(?:$|[_\-.])", re.I)
_COUNTED = ("passed", "failed", "error", "errors", "skipped", "xfailed", "xpassed")


@dataclass(frozen=True)
class LogFacts:
    """What one log says.

    Attributes:
        results: Closing lines of test runs.
        command: The log tells the command it came from, within its first lines.
    """

    results: tuple[TestResult, ...]
    command: bool

    @property
    def tests(self) -> int | None:
        """The most tests that one run of the log tells of; None without a test run."""
        return max((_number(item) for item in self.results), default=None)


def log_facts(text: str) -> LogFacts:
    """Read a log."""
    head = text[:16_384].split("\n", _HEAD_LINES)[:_HEAD_LINES]
    return LogFacts(tuple(results_in(text)), any(_COMMAND.match(line.strip()) for line in head))


def is_log(path: str) -> bool:
    """Tell whether a path is a log, by its name."""
    return _LOG.search(path) is not None


def says_suite(path: str) -> bool:
    """Tell whether a log's name says that it holds more than one test."""
    return _SUITE.search(path.rsplit("/", 1)[-1]) is not None


def _number(result: TestResult) -> int:
    return sum(number for name, number in dict(result.counts).items() if name in _COUNTED)
