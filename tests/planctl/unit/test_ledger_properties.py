"""What planctl did not mark stays byte for byte, and no attempt is ever lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.models.ledger import archive as ledger_archive
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Attempt, LedgerItem, Status
from planctl.models.ledger.regions import plain_of, regions

PATH = "docs/fix_plan.md"
IDS = ("X-001", "Y-002.F1", "lower-case")
END = {name: f"<!-- planctl:end {name} -->" for name in IDS}
STATUSES: tuple[Status, ...] = ("pending", "in_progress", "blocked", "done")

# Pieces of free text as people, editors and merges leave them: fences with fake markers, nested
# lists, headings and statuses of others, bytes that are no UTF-8 (as surrogates), odd line ends.
_LINES = st.sampled_from(
    [
        "",
        "Plain words.",
        "## Another heading",
        "- Status: done",
        "- Attempts:",
        "  - 2025-01-01T00:00:00Z not planctl's",
        "    - nested deeper",
        "\ttabbed",
        "1. one\n   - two\n     - three",
        "```\n<!-- planctl:item X-001 -->\n## X-001 — quoted\n- Status: done\n"
        "<!-- planctl:end X-001 -->\n```",
        "~~~~ md\n<!-- planctl:end Y-002.F1 -->\n~~~\n~~~~",
        "> <!-- planctl:item X-001 -->",
        "    <!-- planctl:end X-001 -->",
        "text <!-- planctl:item X-001 --> in a line",
        "``` one line ```",
        "| a | b |\n|---|---|",
        "<!-- a comment -->",
        "éß 漢字 \U0001f600 \u2028 \x0b \x85",
        "\udcff\udcfe bytes",
        "trailing blanks   ",
        "<<<<<<< ours\n=======\n>>>>>>> theirs",
    ]
)
NEWLINE = st.sampled_from(["\n", "\r\n"])
FREE = st.lists(_LINES, max_size=6)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a ledger with three items, and the pieces of free text around them."""
    newline = draw(NEWLINE)
    parts = [_joined(draw(FREE), newline)]
    for name in IDS:
        item = LedgerItem(id=name, title="Try", status=draw(st.sampled_from(STATUSES)),
                          priority="low")  # fmt: skip
        region = ledger.with_item("", item)
        for number in range(draw(st.integers(0, 3))):
            day = draw(st.integers(1, 28))
            note = Attempt(when=f"202{number}-01-{day:02}T00:00:00Z", text=f"try {number}")
            region = ledger.with_attempt(region, PATH, name, note)
        parts += [region.replace("\n", newline), _joined(draw(FREE), newline)]
    if draw(st.booleans()):
        parts[-1] = parts[-1].rstrip("\r\n") or draw(st.sampled_from(["", "no line end"]))
    return "".join(parts), parts[::2]


def _joined(lines: list[str], newline: str) -> str:
    return "".join(f"{line}\n".replace("\n", newline) for line in lines)


def around(text: str) -> list[str]:
    """Return the free text around the regions, markers left out."""
    found, done = [], 0
    for region in regions(plain_of(text), PATH):
        found.append(text[done : region.begin])
        done = region.after
    return [*found, text[done:]]


def attempts(text: str) -> Counter[tuple[str, str]]:
    return Counter((one.item, one.text) for one in ledger_archive.entries(text, PATH))


@given(
    documents(),
    st.lists(
        st.tuples(
            st.sampled_from(IDS),
            st.sampled_from(["attempt", "status", "priority", "depends", "title", "archive"]),
            st.sampled_from(STATUSES),
        ),
        max_size=8,
    ),
)
def test_free_text_stays_byte_for_byte_after_every_operation(
    made: tuple[str, list[str]], operations: list[tuple[str, str, Status]]
) -> None:
    text, free = made
    assert around(text) == free
    for name, what, status in operations:
        if what == "attempt":
            new = Attempt(when="2026-02-03T04:05:06Z", text="again\nand <!-- planctl:end X-001 -->")
            text = ledger.with_attempt(text, PATH, name, new)
        elif what == "status":
            text = ledger.with_status(text, PATH, name, status)
            found = ledger.parse(text, PATH).item(name)
            assert found is not None
            assert found.status == status
        elif what == "priority":
            text = ledger.with_field(text, PATH, name, "Priority", "high")
        elif what == "depends":
            text = ledger.with_field(text, PATH, name, "Depends on", "X-001, Y-002.F1")
        elif what == "title":
            text = ledger.with_title(text, PATH, name, "Another —\n title")
        else:
            gone = list(ledger_archive.entries(text, PATH, [name]))
            text = ledger_archive.without(text, gone)
        assert around(text) == free


@given(documents(), st.integers(0, 40), st.integers(0, 900))
def test_ledger_and_archive_together_hold_what_the_ledger_held(
    made: tuple[str, list[str]], lines: int, size: int
) -> None:
    text, free = made
    before = attempts(text)
    known = ledger.parse(text, PATH)
    gone = ledger_archive.oldest(list(ledger_archive.entries(text, PATH)), lines, size)
    shorter, archive = ledger_archive.without(text, gone), ""
    for item in known.items:
        mine = [entry for entry in gone if entry.item == item.id]
        if mine:
            archive = ledger_archive.with_entries(archive, PATH, item, mine)
            shorter = ledger_archive.with_pointer(shorter, PATH, item, "docs/archive/a.md")
            # Again, as after a planctl that was killed between the two files: nothing doubles.
            assert ledger_archive.with_entries(archive, PATH, item, mine) == archive
    assert attempts(shorter) + attempts(archive) == before
    assert around(shorter) == free


@given(documents(), st.sampled_from(IDS))
def test_a_whole_item_in_the_archive_has_every_byte_it_had(
    made: tuple[str, list[str]], name: str
) -> None:
    text, free = made
    item = ledger.parse(text, PATH).item(name)
    assert item is not None
    shorter, gone = ledger_archive.emptied(text, PATH, item)
    archive = ledger_archive.with_content("", PATH, item, gone)
    assert gone in archive
    assert attempts(shorter) + attempts(archive) == attempts(text)
    assert around(shorter) == free
    left = ledger.parse(shorter, PATH).item(name)
    assert left is not None
    assert left.status == "archived"


def test_what_is_indented_below_an_attempt_goes_with_it() -> None:
    item = LedgerItem(id="X-001", title="t", status="done", priority="low")
    text = ledger.with_item("", item)
    for number in (1, 2):
        note = Attempt(when=f"2025-01-0{number}T00:00:00Z", text=f"try {number}")
        text = ledger.with_attempt(text, PATH, "X-001", note)
    text = text.replace("try 1\n", "try 1\n    - more\n\n    and more\n\n")
    (first, second) = ledger_archive.entries(text, PATH)
    assert first.text == "  - 2025-01-01T00:00:00Z try 1\n    - more\n\n    and more\n"
    assert ledger_archive.oldest([second, first], 1, 0) == [first]


@pytest.mark.parametrize("fence", ["```", "~~~", "   ````"])
def test_a_marker_in_a_fence_is_no_item(fence: str) -> None:
    item = LedgerItem(id="X-001", title="t", status="pending", priority="low")
    quoted = f"{fence}\n{ledger.with_item('', item)}{fence}\n"
    assert ledger.parse(quoted, PATH).items == ()
    both = ledger.with_item(quoted, item)
    assert [one.id for one in ledger.parse(both, PATH).items] == ["X-001"]
    changed = ledger.with_status(both, PATH, "X-001", "done")
    assert changed.startswith(quoted)


def test_a_fence_that_nothing_closes_hides_nothing() -> None:
    item = LedgerItem(id="X-001", title="t", status="pending", priority="low")
    text = ledger.with_item("```\nbegun\n", item)
    assert [one.id for one in ledger.parse(text, PATH).items] == ["X-001"]
