"""Rows of working plans: planctl writes ticks and remarks, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.models.plan.working import (
    RowLine,
    RowMark,
    agrees,
    checklist_rows,
    row_lines,
    with_marks,
    without_marks,
)

REMARK = "stale since 1a2b3c4d (src/model.py): planctl run-phase X-001 A --step train"
LINES = st.sampled_from(
    [
        "# Plan",
        "",
        "- [ ] A1: first",
        "- [x] A1: again",
        "* [X] **B2** bold   ",
        "  + [ ] `C3.a` nested\twith a tab",
        "- [x] A1: first <!-- planctl: stale since 1a2b3c4d (a): planctl run-phase X A -->",
        "- [ ] B2: note <!-- the author's -->",
        "- [ ] Z9: the author's own",
        "- [x] no row",
        "```\n- [ ] A1: quoted\n```",
        "~~~\n- [x] B2: quoted <!-- planctl: stale (a): b -->\n~~~",
        "- nested\n  - deeper\n    - [ ] A1: deep",
        "<!-- planctl: stale (x): not in a row -->",
        "\udcff\udcfe éß 漢字 \u2028\x0b\x85",
        "- [ ] A1",
        "<!-- planctl:item X -->",
    ]
)
MARKS = st.one_of(
    st.just(RowMark(ticked=True)),
    st.just(RowMark(ticked=False)),
    st.just(RowMark(False, REMARK)),
    st.just(RowMark(False, "dirty since this change (b): planctl next-green X")),
)


@st.composite
def plans(draw: st.DrawFn) -> str:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(f"{line}\n" for line in draw(st.lists(LINES, max_size=12)))
    text = text.replace("\n", newline)
    return text if draw(st.booleans()) else text.rstrip("\r\n")


def marked(text: str, marks: dict[str, RowMark]) -> str:
    return with_marks(text, lambda found: marks.get(found.row))


def author(text: str, rows: set[str]) -> list[str]:
    """Return a text as pieces without what planctl owns: the ticks and remarks of some rows."""
    pieces, done = [], 0
    for found in row_lines(text):
        if found.row in rows:
            line = text[found.tick + 1 : found.end]
            pieces += [text[done : found.tick], line.split(" <!-- planctl: ")[0]]
            done = found.end
    return [*pieces, text[done:]]


@given(plans(), st.dictionaries(st.sampled_from(["A1", "B2", "C3.a"]), MARKS))
def test_every_byte_but_ticks_and_remarks_of_its_rows_stays(
    text: str, marks: dict[str, RowMark]
) -> None:
    new = marked(text, marks)
    assert author(new, set(marks)) == author(text, set(marks))
    for found in row_lines(new):
        assert found.row not in marks or agrees(found.mark, marks[found.row])
    assert marked(new, marks) == new
    assert without_marks(new) == without_marks(text)


@given(plans(), st.sampled_from(["A1", "B2", "C3.a"]))
def test_a_remark_that_goes_leaves_the_line_as_it_was(text: str, row: str) -> None:
    clean = marked(text, {row: RowMark(ticked=False)})
    assert marked(marked(clean, {row: RowMark(False, REMARK)}), {row: RowMark(False)}) == clean
    assert (
        marked(marked(clean, {row: RowMark(True)}), {row: RowMark(False)}).lower() == clean.lower()
    )


def test_since_when_is_told_once_and_stays() -> None:
    told = f"- [ ] A1: x <!-- planctl: {REMARK} -->\n"
    other = REMARK.replace("1a2b3c4d", "99999999")
    assert marked(told, {"A1": RowMark(False, other)}) == told
    now = REMARK.replace("since 1a2b3c4d", "since this change")
    assert marked(told, {"A1": RowMark(False, now)}) == told
    elsewhere = REMARK.replace("src/model.py", "src/loss.py")
    assert elsewhere in marked(told, {"A1": RowMark(False, elsewhere)})


def test_lines_are_counted_and_rows_in_fences_are_none() -> None:
    text = "# P\n\n- [ ] A1: x\n```\n- [x] B2: y\n```\n- [x] C3: z\n"
    found = [(one.row, one.mark.ticked, one.line) for one in row_lines(text)]
    assert found == [("A1", False, 3), ("C3", True, 7)]
    assert checklist_rows(text) == {"A1": False, "C3": True}


@pytest.mark.parametrize(
    "line", ["- [ ] A1: x <!-- planctl: stale (a): b", "- [ ] A1: planctl: stale"]
)
def test_what_is_no_remark_of_planctl_stays(line: str) -> None:
    (found,) = row_lines(line)
    assert found == RowLine("A1", RowMark(False), 0, len(line), 3, 1)
