from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.errors import UsageError
from planctl.models.prose.reading import sections
from planctl.models.turn.prose import TurnProse, imitates, says_none, sentences_in

FIXTURE = Path(__file__).resolve().parents[3] / "../shared/fixtures/forward_parity_summary.md"


def test_plain_prose_is_sentences_and_what_comes_next() -> None:
    prose = TurnProse.parse("Fixed it, e.g. the span. It holds.\nWrote `a.py`.\n\nNext: use it\n")
    assert prose.sentences == ("Fixed it, e.g. the span.", "It holds.", "Wrote `a.py`.")
    assert prose.next == "use it"
    assert prose.files_touched is None


@pytest.mark.parametrize(
    "heading",
    [
        "### Turn Summary (2025-11-14T0547Z)",
        "## Turn Summary — 2025-11-14 05:47 UTC (Ralph)",
        "**Turn Summary (2025-11-14)**",
        "Turn Summary:",
        "#### Engineer loop summary",
    ],
)
def test_a_whole_block_is_taken_apart(heading: str) -> None:
    prose = TurnProse.parse(
        f"{heading}\nFixed it.\n- It holds.\nNext: use it\n"
        "Artifacts:\n- `green/a.log`\n- src/{a.py,\n  b.py}\n\n"
        "Checklist:\n- Files touched: src/a.py\n- Tests run: none\n- Artifacts updated: N/A\n"
    )
    assert prose.sentences == ("Fixed it.", "It holds.")
    assert prose.next == "use it"
    assert "green/a.log" in prose.artifacts
    assert "b.py}" in prose.artifacts
    assert (prose.files_touched, prose.tests_run) == ("src/a.py", "none")
    assert prose.artifacts_updated == "N/A"


def test_fields_of_the_authors_own_are_sentences() -> None:
    prose = TurnProse.parse("Root cause: the span was empty.\nStatus: fine.\nNext: x")
    assert prose.sentences == ("Root cause: the span was empty.", "Status: fine.")


def test_what_stands_beside_the_block_is_named() -> None:
    prose = TurnProse.parse("Here it is.\n\n### Turn Summary\nDone.\n\n## Notes\nMore.\n")
    assert prose.sentences == ("Done.",)
    assert prose.left_out == ("`Here it is.`", "`Notes`")


@pytest.mark.parametrize(
    "said",
    [
        ["I looked at phase A.", "It was nice."],
        ["The stone fell 44.1 m.", "It took 3 s.", "Wrote `a.py`."],
        ["Phase A.", "Row B.", "Done."],
        ["Reran A.", "Wrote the rest."],
        ["It took 5 ms.", "That is fast."],
        ["The answer is no.", "Nothing moved."],
        ["It took 3 sec.", "12 rows came."],
        ["Rows, logs, etc.", "Wrote them."],
        ["The idea is by J. Doe and D. E. Knuth.", "It holds."],
        ["It is as Donald E. Knuth said, see no. 5 and Fig. 3.", "It holds, e.g. X."],
        ["Asked Dr. Doe about p. 12 of Doe et al. 2020.", "No answer."],
    ],
)
def test_a_letter_or_a_unit_ends_a_sentence_and_an_initial_does_not(said: list[str]) -> None:
    assert sentences_in(" ".join(said)) == said


def test_two_summaries_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="2 turn summaries"):
        TurnProse.parse("### Turn Summary\na\n\n### Turn Summary\nb\n")


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    try:
        prose = TurnProse.parse(text)
    except UsageError:
        return
    assert all(sentence.strip() for sentence in prose.sentences)


def test_the_turns_of_the_real_history_are_read() -> None:
    if not FIXTURE.is_file():
        pytest.skip("shared/fixtures/forward_parity_summary.md is not here")
    found = [TurnProse.parse(part) for _, part in sections(FIXTURE.read_text("utf-8"))]
    assert len(found) > 10
    assert sum(bool(item.stamps) for item in found) >= len(found) - 1
    assert all(len(item.sentences) + bool(item.next) >= 3 for item in found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("One. Two.", ["One.", "Two."]),
        ("See Fig. 3 of A. Smith et al. Then go.", ["See Fig. 3 of A. Smith et al. Then go."]),
        ("v1.2.3 is out. Use `x`.", ["v1.2.3 is out.", "Use `x`."]),
        ("It is 5.5 s long! `a` holds.", ["It is 5.5 s long!", "`a` holds."]),
    ],
)
def test_sentences_end_where_they_end(text: str, wanted: list[str]) -> None:
    assert sentences_in(text) == wanted


@pytest.mark.parametrize("text", ["none", "N/A", "-", "", "  None. ", "`none`", "nothing"])
def test_none_is_said_in_many_ways(text: str) -> None:
    assert says_none(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Turn: 00034 01M8", True),
        ("> **Receipt:** x", True),
        ("SUPERVISOR AUTO (iter=1): x", True),
        ("Accepted-Unsupported: x", True),
        ("Turned the knob.", False),
        ("The receipt: it is fine.", False),
        ("AUTO is a mode.", False),
    ],
)
def test_imitations_are_told(text: str, is_one: bool) -> None:
    assert imitates(text) == is_one
