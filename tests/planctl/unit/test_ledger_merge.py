"""Any changes of items on two branches are joined, whatever they are and in whichever order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.models.ledger import archive as ledger_archive
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Attempt, LedgerItem, Status
from planctl.ops.ledger.merge import merge

PATH = "docs/fix_plan.md"
IDS = ("X-001", "Y-002", "Z-003")
STATUSES: tuple[Status, ...] = ("pending", "in_progress", "blocked", "done")


@dataclass(frozen=True)
class Branch:
    """What a branch does.

    Attributes:
        attempts: Item, day, text of new attempts.
        statuses: Item → its new status.
        archived: Item → how many of its old attempts go.
        items: New items.
        words: Which of the free texts it rewrites.
    """

    name: str
    attempts: list[tuple[str, int, str]] = field(default_factory=list)
    statuses: dict[str, Status] = field(default_factory=dict)
    archived: dict[str, int] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)
    words: int | None = None

    def of(self, text: str) -> str:
        for name, gone in self.archived.items():
            old = list(ledger_archive.entries(text, PATH, [name]))
            text = ledger_archive.without(text, ledger_archive.oldest(old, gone, 0))
        for name, status in self.statuses.items():
            text = ledger.with_status(text, PATH, name, status)
        for name in self.items:
            new = LedgerItem(id=name, title=name, status="pending", priority="low")
            text = ledger.with_item(text, new)
        for name, day, said in self.attempts:
            text = ledger.with_attempt(text, PATH, name, self.attempt(day, said))
        if self.words is not None:
            newline = "\r\n" if "\r\n" in text else "\n"
            words = f"{self.name} wrote.{newline}Two lines."
            text = text.replace(f"Words {self.words}.", words)
        return text

    def attempt(self, day: int, said: str) -> Attempt:
        return Attempt(when=f"2025-03-{day:02}T00:00:00Z", text=said)


@st.composite
def branches(draw: st.DrawFn, name: str) -> Branch:
    items = draw(st.lists(st.sampled_from([f"{name}-1", f"{name}-2", "BOTH-9"]), unique=True))
    where = st.sampled_from([*IDS, *items])
    attempts = draw(st.lists(st.tuples(where, st.integers(1, 28), st.text("abc", max_size=3)),
                             max_size=4))  # fmt: skip
    return Branch(
        name,
        [
            (item, day, f"{name} {number} {said}")
            for number, (item, day, said) in enumerate(attempts)
        ],
        draw(st.dictionaries(st.sampled_from(IDS), st.sampled_from(STATUSES), max_size=2)),
        draw(st.dictionaries(st.sampled_from(IDS), st.integers(1, 3), max_size=2)),
        items,
        draw(st.none() | st.integers(0, 1) if name == "left" else st.none() | st.integers(2, 3)),
    )


def base(newline: str) -> str:
    text = "# Plan\n\nWords 0.\n"
    for number, name in enumerate(IDS, 1):
        new = LedgerItem(id=name, title=name, status="in_progress", priority="medium")
        text = ledger.with_item(text, new)
        for day in range(1, 4):
            note = Attempt(when=f"2025-01-0{day}T00:00:00Z", text=f"old {day}")
            text = ledger.with_attempt(text, PATH, name, note)
        text += f"\nWords {number}.\n"
    return text.replace("\n", newline)


def joined(old: str, ours: str, theirs: str) -> tuple[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        base_file, our_file, their_file = (Path(folder, name) for name in ("o", "a", "b"))
        for place, text in ((base_file, old), (our_file, ours), (their_file, theirs)):
            place.write_bytes(text.encode())
        result = merge(base_file, our_file, their_file, PATH)
        assert result.plain == ""
        return our_file.read_bytes().decode(), result.conflicts


def attempts(text: str) -> dict[str, list[str]]:
    return {
        item.id: sorted(f"{one.when} {one.text}" for one in item.attempts)
        for item in ledger.parse(text, PATH).items
    }


def expected(old: str, *sides: str) -> dict[str, list[str]]:
    """Return what is kept by both of what there was, and what either added."""
    before = attempts(old)
    after = [attempts(side) for side in sides]
    found: dict[str, list[str]] = {}
    for name in {name for side in after for name in side}:
        told = [set(side.get(name, [])) for side in after]
        was = set(before.get(name, []))
        found[name] = sorted((told[0] & told[1] & was) | ((told[0] | told[1]) - was))
    return found


@settings(max_examples=25)
@given(branches("left"), branches("right"), st.sampled_from(["\n", "\r\n"]))
def test_two_branches_are_joined_without_loss(left: Branch, right: Branch, newline: str) -> None:
    old = base(newline)
    ours, theirs = left.of(old), right.of(old)
    wanted = expected(old, ours, theirs)
    for one, other in ((ours, theirs), (theirs, ours)):
        text, conflicts = joined(old, one, other)
        assert conflicts == 0
        assert attempts(text) == wanted
        found = ledger.parse(text, PATH)
        assert len({item.id for item in found.items}) == text.count("<!-- planctl:item ")
        for name in IDS:
            item = found.item(name)
            assert item is not None
            told = {side.statuses[name] for side in (left, right) if name in side.statuses}
            changed = told - {"in_progress"}
            assert item.status == (ledger.cautious(changed or {"in_progress"}))
        for number in range(4):
            side = left if number < 2 else right
            assert (f"Words {number}." in text) == (side.words != number)
        assert text.count("\n") == text.count("\r\n") or newline == "\n"


@settings(max_examples=10)
@given(branches("left"))
def test_what_only_one_branch_changed_is_as_it_wrote_it(left: Branch) -> None:
    old = base("\n")
    new = left.of(old)
    assert joined(old, new, old) == (new, 0)
    assert joined(old, old, new) == (new, 0)
    assert joined(old, new, new) == (new, 0)
