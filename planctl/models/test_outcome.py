"""How a test run ended, read from the closing lines of its output."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PYTEST = re.compile(r"((?:\d+ [a-z]+, )*\d+ [a-z]+) in \d[\d.]*s(?: \([\d:, a-z]+\))?")
_PYTEST_NONE = re.compile(r"no tests (?:ran|collected)(?: \([^)]*\))? in \d[\d.]*s")
_UNITTEST = re.compile(r"Ran (\d+) tests? in \d[\d.]*s")
_COUNT = re.compile(r"(\d+) ([a-z]+)")
_NAMES = {"error": "errors", "warning": "warnings", "rerun": "rerun"}
_RAN = ("passed", "failed", "errors", "xpassed")
_PUT_ASIDE = ("skipped", "xfailed", "deselected")


@dataclass(frozen=True)
class TestOutcome:
    """The counts of a test run.

    Attributes:
        line: The closing line as printed.
        counts: Outcome → number (`passed`, `failed`, `errors`, `skipped`, `xfailed` …).
    """

    __test__ = False

    line: str
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ran(self) -> int:
        """Tests that ran to an outcome that says something."""
        return sum(self.counts.get(name, 0) for name in _RAN)

    @property
    def put_aside(self) -> int:
        """Tests that were collected, and skipped, deselected or expected to fail."""
        return sum(self.counts.get(name, 0) for name in _PUT_ASIDE)

    @property
    def bad(self) -> int:
        """Tests that failed or could not run."""
        return self.counts.get("failed", 0) + self.counts.get("errors", 0)

    def without_warnings(self) -> dict[str, int]:
        """Return the counts of tests alone."""
        return {name: number for name, number in self.counts.items() if name != "warnings"}


def read_outcome(text: str) -> TestOutcome | None:
    """Return the last outcome that pytest or unittest printed, or None.

    Args:
        text: The output of a command.
    """
    for line in reversed(text.splitlines()):
        bare = line.strip("= \t\r")
        if match := _PYTEST.fullmatch(bare):
            pairs = ((_NAMES.get(word, word), int(n)) for n, word in _COUNT.findall(match[1]))
            return TestOutcome(bare, dict(pairs))
        if _PYTEST_NONE.fullmatch(bare):
            return TestOutcome(bare)
        if match := _UNITTEST.fullmatch(bare):
            return TestOutcome(bare, _unittest(text, int(match[1])))
    return None


def _unittest(text: str, total: int) -> dict[str, int]:
    """Read `FAILED (failures=1, errors=2)` or `OK (skipped=3)` beside the total."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word in ("OK", "FAILED"):
            counts = {name: int(n) for name, n in re.findall(r"([a-z]+)=(\d+)", rest)}
    found = {
        "failed": counts.get("failures", 0),
        "errors": counts.get("errors", 0),
        "skipped": counts.get("skipped", 0),
    }
    passed = max(total - sum(found.values()), 0)
    return {name: number for name, number in ({"passed": passed} | found).items() if number}
