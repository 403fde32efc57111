"""What a log says of itself: how its tests ended, and whether it tells its command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planctl.models.claim_tests import TestResult, results_in

_HEAD_LINES = 60
_LOG = re.compile(
    r"\.(?:log|out|err)(?:\.txt)?$|(?:^|[/_])(?:pytest|unittest|test)[\w.-]*\.txt$", re.I
)
_PROGRAM = (
    r"(?:python[\d.]*|pytest|bash|sh|make|mpirun|mpiexec|srun|sbatch|uv|poetry|conda|docker|nox|tox|"
    r"npm|node|cargo|go|julia|Rscript|planctl|git|coverage|torchrun|accelerate|\./\S+)"
)
_COMMAND = re.compile(
    r"^\W{0,4}(?:"
    r"(?:\$|\+|❯|➜|>>>?)\s+\S"  # a prompt, or bash's -x
    r"|(?:command(?: line)?|cmd(?:line)?|invocation|argv|args|running|executing|exec|run|cwd\$)"
    r"\W{0,3}[:=]\s*\S"
    r"|(?:running|executing|invoking)\s+`?" + _PROGRAM + r"\b"
    r"|(?:env\s+)?(?:[A-Z_][A-Z0-9_]*=\S*\s+)*" + _PROGRAM + r"\s+[\w./-]"
    r"|Script started on .*COMMAND="
    r")",
    re.IGNORECASE,
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
