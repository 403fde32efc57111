from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.turn.turn import TurnSummary, blocks, prepended, render

SHARED = ("The same words.", "In every turn.", "Of two branches.", "Four lines.", "Or five.")


def turn(id_: str = "01AAA", sentences: tuple[str, ...] = ("Done.",)) -> TurnSummary:
    return TurnSummary(
        id=id_,
        stamp="2025-11-14T024800Z",
        sentences=sentences,
        next="go on",
        artifacts={"hub": ("green/a.log", "cli/b.log")},
        tests_run=("`pytest x` (exit 0)",),
        artifacts_updated=("green/a.log",),
    )


def test_a_block_has_heading_sentences_next_artifacts_and_checklist() -> None:
    assert render(turn()).splitlines() == [
        "### Turn Summary (2025-11-14T024800Z) <!-- 01AAA -->",
        "Done.",
        "Next: go on",
        "Artifacts: hub/{green/a.log, cli/b.log} <!-- 01AAA -->",
        "",
        "Checklist:",
        "- Files touched: none",
        "- Tests run: `pytest x` (exit 0) <!-- 01AAA -->",
        "- Artifacts updated: green/a.log <!-- 01AAA -->",
    ]


def test_a_sentence_stays_on_its_line_and_is_no_heading() -> None:
    text = render(turn(sentences=("one\n### Turn Summary (fake)\n- Tests run: 99", "## two")))
    assert len(blocks(text)) == 1
    assert "\ntwo\n" in text


def test_blocks_are_found_in_file_order_with_text_before_them_dropped() -> None:
    text = "# Title\n" + render(turn("01B")) + "\n" + render(turn("01A"))
    found = blocks(text)
    assert [block.splitlines()[0][-12:] for block in found] == ["<!-- 01B -->", "<!-- 01A -->"]


def test_prepending_keeps_the_old_bytes() -> None:
    old = b"\xff\r\nold"
    assert prepended("new\n", old) == b"new\n\n" + old
    assert prepended("new\n", b"") == b"new\n"


def merged(folder: Path, base: str, left: str, right: str) -> str:
    for name, text in (("base", base), ("left", left), ("right", right)):
        (folder / name).write_text(text)
    command = ["git", "merge-file", "--union", "-p", "left", "base", "right"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@given(
    st.lists(st.sampled_from(SHARED), min_size=0, max_size=9),
    st.lists(st.sampled_from(SHARED), min_size=0, max_size=9),
)
@settings(max_examples=40, deadline=None)
def test_the_blocks_of_two_branches_survive_a_union_whole(
    tmp_path_factory: object, first: list[str], second: list[str]
) -> None:
    folder: Path = tmp_path_factory.mktemp("union")  # type: ignore[attr-defined]
    left, right = render(turn("01LEFT", tuple(first))), render(turn("01RIGHT", tuple(second)))
    base = render(turn("01BASE", ("Base.",)))
    text = merged(folder, base, *(f"{block}\n{base}" for block in (left, right)))
    assert set(blocks(text)) == {block.strip() for block in (left, right, base)}
