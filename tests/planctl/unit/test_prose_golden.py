"""Every claim of a real summary of 31 turns, as it was checked by hand, block by block.

The golden file holds what was extracted (paths, numbers, lines), not the text. Its evidence lists
were compared with what bash expands; the claims of running text were counted by eye.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planctl.models.claims.claim import Block
from planctl.models.prose.reading import parse_prose, sections

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "forward_parity_claims.json"
SAMPLE = Path(__file__).resolve().parents[4] / "shared/fixtures/forward_parity_summary.md"


@pytest.fixture(scope="module")
def text() -> str:
    if not SAMPLE.is_file():
        pytest.skip("the sample lies beside the repository, and is not here")
    return SAMPLE.read_text("utf-8")


def plain(block: Block) -> dict[str, Any]:
    """Return a block's claims, without any sentence of it."""
    paths: dict[str, list[str]] = {}
    for item in block.paths:
        ranges = "".join(f":{a}-{b}" for a, b in item.lines)
        selector = f"::{item.selector}" if item.selector else ""
        mark = " *" if item.evidence else ""
        paths.setdefault(str(item.line), []).append(f"{item.path}{ranges}{selector}{mark}")
    return {
        "lines": [block.line, block.end_line],
        "turn": block.turn,
        "stamps": [item.text for item in block.stamps],
        "fields": [f"{item.line} {item.key}" for item in block.fields if item.parent == ""],
        "checklist": [f"{item.line} {item.key}" for item in block.fields if item.parent],
        "paths": paths,
        "tests": [
            f"{t.line} {t.text} {dict(t.counts)} {t.seconds} {t.outcome}" for t in block.tests
        ],
        "numbers": [f"{n.line} {n.name}{n.op}{n.text}" for n in block.numbers],
        "commits": [f"{c.line} {c.first} {list(c.touched)} {c.only}" for c in block.commits],
        "times": [f"{s.line} {s.where} {s.text}" for s in block.times],
    }


def test_every_claim_of_the_sample_is_recognised(text: str) -> None:
    prose = parse_prose(text)
    assert prose.unreadable == ()
    assert [plain(block) for block in prose.blocks] == json.loads(GOLDEN.read_text("utf-8"))


def test_each_section_alone_reads_as_in_the_whole(text: str) -> None:
    parts = [block for first, part in sections(text) for block in parse_prose(part, first).blocks]
    assert tuple(parts) == parse_prose(text).blocks
