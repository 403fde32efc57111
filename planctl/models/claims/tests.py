"""Test claims against logs: the closing lines of pytest and unittest, and whether a claim fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from planctl.models.claims.claim import TestClaim
from planctl.models.claims.numbers import same_digits

_WORDS = "passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|rerun"
_PYTEST = re.compile(
    rf"^(?:=+ )?(?P<counts>\d+ (?:{_WORDS})(?:, \d+ (?:{_WORDS}))*|no tests ran|no tests collected"
    r"(?: \(\d+ deselected\))?) in (?P<time>\d+(?:\.\d+)?)s?(?: seconds)?(?: \([^)\n]*\))?"
    r"(?: =+)?[ \t\r]*$",
    re.MULTILINE,
)
_UNITTEST = re.compile(
    r"^Ran (?P<n>\d+) tests? in (?P<time>\d+(?:\.\d+)?)s\s{1,6}(?:OK|FAILED)"
    r"(?: \((?P<rest>[^)\n]*)\))?",
    re.MULTILINE,
)
_COUNT = re.compile(r"(\d+) ([a-z]+)")
_PART = re.compile(r"(failures|errors|skipped|expected failures)=(\d+)")
_SINGULAR = {"errors": "error", "warning": "warnings", "failures": "failed"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class TestResult:
    """How a test run ended, by its log.

    Attributes:
        counts: Outcome → how many.
        seconds: The duration as the log spells it.
        line: Line of the log.
        text: The line.
    """

    __test__ = False
    counts: tuple[tuple[str, int], ...]
    seconds: str
    line: int
    text: str

    def count(self, outcome: str) -> int:
        """Return how many tests ended so."""
        return dict(self.counts).get(outcome, 0)

    @property
    def ran(self) -> int:
        """How many tests ran to an end."""
        return sum(self.count(word) for word in ("passed", "failed", "error", "xfailed", "xpassed"))


def results_in(text: str) -> tuple[TestResult, ...]:
    """Return every closing line of a test run in a log, in order.

    Args:
        text: The log, or its head and tail.
    """
    plain = _COLOUR.sub("", text)
    found = [*_of_pytest(plain), *_of_unittest(plain)]
    return tuple(sorted(found, key=lambda item: item.line))


def _of_pytest(text: str) -> Iterator[TestResult]:
    for match in _PYTEST.finditer(text):
        pairs = _COUNT.findall(match["counts"]) if match["counts"][0].isdigit() else []
        counts = tuple((_SINGULAR.get(word, word), int(number)) for number, word in pairs)
        yield _result(text, match, counts)


def _of_unittest(text: str) -> Iterator[TestResult]:
    for match in _UNITTEST.finditer(text):
        parts = {
            _SINGULAR.get(word, word): int(n) for word, n in _PART.findall(match["rest"] or "")
        }
        bad = sum(parts.get(word, 0) for word in ("failed", "error", "skipped"))
        counts = (("passed", int(match["n"]) - bad), *parts.items())
        yield _result(text, match, counts)


def _result(text: str, match: re.Match[str], counts: tuple[tuple[str, int], ...]) -> TestResult:
    line = text.count("\n", 0, match.start()) + 1
    return TestResult(counts, match["time"], line, " ".join(match[0].strip("= \n").split()))


def fits(claim: TestClaim, result: TestResult) -> str | None:
    """Compare a claim with a run on count and time.

    Returns:
        None when it fits; else what the log says instead. A claim without any number never fits
        nor contradicts: ask `told` first.
    """
    counts = dict(claim.counts)
    for outcome, number in counts.items():
        actual = result.ran if outcome == "collected" else result.count(outcome)
        if actual != number:
            return f"the log says `{result.text}`"
    if claim.total is not None and claim.total != result.ran:
        skipped = result.ran + result.count("skipped")
        if claim.total != skipped:
            return f"the log says `{result.text}`, {result.ran} tests in all"
    if claim.seconds is not None and not same_digits(claim.seconds, float(result.seconds)):
        return f"the log says `{result.text}`"
    bad = result.count("failed") + result.count("error")
    if claim.outcome == "passed" and not counts and (bad or not result.ran):
        return f"the log says `{result.text}`"
    if claim.outcome == "failed" and not bad:
        return f"the log says `{result.text}`"
    return None


def told(claim: TestClaim) -> bool:
    """Tell whether a claim has a number or an outcome that a log can confirm."""
    return bool(claim.counts or claim.seconds or claim.outcome)
