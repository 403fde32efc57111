"""Long sections are read around their new lines: what those mean must not change."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.claims.claim import PathClaim
from planctl.models.excerpt import regions, thinned
from planctl.models.prose.reading import parse_prose

LEDGER = """\
## [beam-drift] Drift
- Status: in_progress
- Goals:
  - reach the end
- Attempts History:
  - first: no artifacts
    wrapped on
  - second. Artifacts: `reports/two.log`,
    `reports/two_more.log`.
  - third:
    - Artifacts:
      - reports/three.log
      - reports/three_more.log
    - Notes: none

Artifacts:

- reports/four.log
- reports/five.log

Last words about `src/a.py:3`.
"""


def evidence(text: str, line: int) -> set[tuple[str, bool]]:
    claims: list[PathClaim] = [c for block in parse_prose(text).blocks for c in block.paths]
    return {(claim.path, claim.evidence) for claim in claims if claim.line == line}


def test_each_line_says_the_same_alone_as_in_its_section() -> None:
    lines = LEDGER.split("\n")
    for at, line in enumerate(lines):
        if line.strip():
            alone = "\n".join(thinned(lines, [at]))
            assert evidence(alone, at + 1) == evidence(LEDGER, at + 1), line


def test_what_is_not_needed_is_blank() -> None:
    lines = LEDGER.split("\n")
    kept = [line for line in thinned(lines, [7]) if line]
    assert kept == [lines[0], lines[4], lines[7], lines[8]]


def test_fences_stay_so_that_nothing_in_them_is_read() -> None:
    lines = ["## X", "```", "Artifacts: a.log", "```", "", "after"]
    assert thinned(lines, [5]) == ["## X", "```", "", "```", "", "after"]


def test_regions_go_from_heading_to_heading() -> None:
    lines = ["intro", "# A", "a", "## B", "b", "b", "# C", "c"]
    assert regions(lines, [2, 4, 5]) == [(1, 3), (3, 6)]
    assert regions(lines, [0]) == [(0, 1)]
    assert regions([*lines, "```", "# no heading", "```"], [2]) == [(0, 11)]


@settings(deadline=None)
@given(st.text("#-*1. \n`~ab\t", max_size=200), st.data())
def test_any_text_keeps_its_number_of_lines(text: str, data: st.DataObject) -> None:
    lines = text.split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    kept = thinned(lines, [at])
    assert len(kept) == len(lines)
    assert kept[at] == lines[at]
    assert all(line in ("", lines[number]) for number, line in enumerate(kept))
    ((start, end),) = regions(lines, [at])
    assert start <= at < end
