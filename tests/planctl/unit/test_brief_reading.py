"""Briefs as people write them: sections are found by name, whatever their marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.brief.block import BriefBlock, digest_of, parted, with_block
from planctl.models.brief.reading import read_brief

FORMS = {
    "labels": "Focus: X-001\nBranch: main\nDo Now:\nRun it.\nIf Blocked: say so\n",
    "headings": "## Focus\nX-001\n\n## Branch\nmain\n## Do Now\nRun it.\n\n## If blocked\nsay so\n",
    "bold": "**Focus:** X-001\n**Branch:** main\n**Do Now**\nRun it.\n**If Blocked:** say so\n",
    "items": "- Focus: X-001\n- **Branch:** main\n- Do Now: Run it.\n- If Blocked: say so\n",
    "dashes": "Focus — X-001\nBranch: main\n\nDo Now — X-001 (hard gate)\nRun it.\n\n"
    "If Blocked: say so\n",
    "quoted": "> Focus: X-001\n> Branch: main\n> Do Now:\nRun it.\n> If Blocked: say so\n",
    "case": "FOCUS: X-001\nbranch: main\ndo now:\nRun it.\nif blocked: say so\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_sections_are_found_in_every_form(form: str) -> None:
    brief = read_brief(FORMS[form])
    values = {key: brief.first(key) for key in ("focus", "branch", "do now", "if blocked")}
    assert all(values.values()), brief
    assert [item.value for item in values.values() if item] == [
        "X-001",
        "main",
        "Run it.",
        "say so",
    ]


def test_headings_below_the_order_belong_to_it() -> None:
    brief = read_brief(
        "# Input\n\n## Do Now\n### Implement\n`a.py`\n### Run\npytest\n\n## Other\nx\n"
    )
    (order,) = brief.all("do now")
    assert order.text == "Implement:\n`a.py`\nRun:\npytest"


def test_a_step_that_begins_with_a_label_word_is_no_section() -> None:
    brief = read_brief("Do Now:\n1. Commands to run first: none\n2. Focus on the scale.\n")
    (order,) = brief.all("do now")
    assert len(order.lines) == 2


def test_fences_are_commands_and_comments_are_not_read() -> None:
    brief = read_brief("Do Now:\n```sh\nFocus: x\n```\n<!-- Focus: Y-2 -->\n")
    (order,) = brief.all("do now")
    assert order.lines == [(3, "Focus: x", True)]
    assert brief.first("focus") is None


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400))
def test_any_text_is_read_and_no_line_of_it_is_lost(text: str) -> None:
    brief = read_brief(text)
    numbers = [number for section in brief.sections for number, _, _ in section.lines]
    assert numbers == sorted(numbers)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200), st.text(max_size=40))
def test_the_block_comes_back_and_knows_whether_the_text_was_edited(text: str, why: str) -> None:
    block = BriefBlock(id="X-001", because=why)
    whole = with_block(text.replace("planctl:brief", ""), block)
    body, found = parted(whole)
    assert found is not None
    assert (found.because, found.sha256) == (why, digest_of(body))
    edited, same = parted("More.\n" + whole)
    assert same is not None
    assert same.sha256 != digest_of(edited)


@pytest.mark.parametrize("damage", ["{", '{"schema": "planctl/brief/v9", "id": "x"}', "{}"])
def test_a_block_that_cannot_be_read_is_none(damage: str) -> None:
    assert parted(f"Do Now: x\n\n<!-- planctl:brief {damage} -->\n")[1] is None
