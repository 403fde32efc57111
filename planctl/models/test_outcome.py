"""How the test runs of a log ended, taken together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from planctl.models.claims.tests import TestResult, results_in

_RAN = ("passed", "failed", "error", "xpassed")
_PUT_ASIDE = ("skipped", "xfailed", "deselected")


@dataclass(frozen=True)
class TestOutcome:
    """What a log says of its tests.

    Attributes:
        runs: Each closing line of pytest or unittest, in order.
    """

    __test__ = False

    runs: tuple[TestResult, ...]

    @property
    def line(self) -> str:
        """The closing lines."""
        return "; ".join(run.text for run in self.runs)

    @property
    def counts(self) -> Counter[str]:
        """Outcome → how many tests of all runs; warnings are no tests."""
        total: Counter[str] = Counter()
        for run in self.runs:
            total.update(dict(run.counts))
        del total["warnings"]
        return +total

    @property
    def ran(self) -> int:
        """Tests that ran to an outcome that says something."""
        return sum(self.counts[name] for name in _RAN)

    @property
    def bad(self) -> int:
        """Tests that failed or could not run."""
        return self.counts["failed"] + self.counts["error"]

    def empty(self) -> TestResult | None:
        """Return a run in which no test ran, or None."""
        for run in self.runs:
            if not any(run.count(name) for name in _RAN):
                return run
        return None


def put_aside(run: TestResult) -> int:
    """Return how many tests of a run were skipped, deselected or expected to fail."""
    return sum(run.count(name) for name in _PUT_ASIDE)


def read_outcome(text: str) -> TestOutcome | None:
    """Return how the test runs of a log ended; None when it tells of none.

    Args:
        text: The output of a command.
    """
    try:
        runs = results_in(text)
    except ValueError:
        return None  # a number of thousands of digits: no test runner wrote that
    return TestOutcome(runs) if runs else None
