"""Two branches change the ledger; git joins them with the driver, and without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planctl.cli.app import run as planctl
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Ledger, LedgerItem
from planctl.ops.ledger.driver import driver_of, install_driver, remove_driver
from planctl.ops.merge_rules import ensure_merge_rules
from planctl.workspace import LEDGER, Workspace
from tests.planctl.conftest import Repo

Change = Callable[[str], str]
ATTEMPTS = "".join(f"  - 2025-01-0{day}T00:00:00Z try {day}\n" for day in range(1, 6))


def item(name: str, status: ledger.Status = "pending") -> LedgerItem:
    return LedgerItem(id=name, title=f"About {name}", status=status, priority="medium")


def attempt(name: str, day: int, text: str) -> Change:
    note = ledger.Attempt(when=f"2025-02-{day:02}T00:00:00Z", text=text)
    return lambda old: ledger.with_attempt(old, LEDGER, name, note)


def status(name: str, value: ledger.Status) -> Change:
    return lambda old: ledger.with_status(old, LEDGER, name, value)


def archived(name: str) -> Change:
    """Return what takes the old attempts out, as archiving them does."""
    return lambda old: old.replace(ATTEMPTS, "")


class Clone:
    """A repository with a ledger of two items, and two branches that change it."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.workspace = Workspace.open(repo.root)
        ensure_merge_rules(self.workspace)
        text = ledger.with_item("# Fix plan\n\nWords above.\n", item("X-001"))
        end = "<!-- planctl:end X-001 -->"
        text = text.replace(end, ATTEMPTS + end) + "\nWords between.\n"
        text = ledger.with_item(text, item("Y-002")) + "\nWords below.\n"
        repo.write(LEDGER, text)
        repo.commit("ledger")

    @property
    def text(self) -> str:
        return (self.repo.root / LEDGER).read_text("utf-8")

    @property
    def ledger(self) -> Ledger:
        return ledger.parse(self.text, LEDGER)

    def change(self, branch: str, *changes: Change) -> None:
        self.repo.git("checkout", "--quiet", "-b", branch, "main")
        text = self.text
        for one in changes:
            text = one(text)
        self.repo.write(LEDGER, text)
        self.repo.commit(branch)

    def join(self, how: str, left: list[Change], right: list[Change]) -> bool:
        """Merge or rebase two branches; return whether git did it without a person."""
        self.change("left", *left)
        self.change("right", *right)
        words = ("merge", "--no-edit", "left") if how == "merge" else ("rebase", "left")
        self.repo.git(*words, check=False)
        return not self.repo.git("ls-files", "--unmerged")


@pytest.fixture
def plain(repo: Repo) -> Clone:
    return Clone(repo)


@pytest.fixture
def driven(repo: Repo) -> Clone:
    clone = Clone(repo)
    assert install_driver(clone.workspace).changed
    return clone


HOW = pytest.mark.parametrize("how", ["merge", "rebase"])


def told(clone: Clone, name: str) -> list[str]:
    found = clone.ledger.item(name)
    assert found is not None
    return [one.text for one in found.attempts]


@HOW
@pytest.mark.parametrize("kind", ["plain", "driven"])
def test_attempts_of_two_branches_are_both_there(
    kind: str, how: str, request: pytest.FixtureRequest
) -> None:
    clone: Clone = request.getfixturevalue(kind)
    left, right = [attempt("X-001", 2, "left")], [attempt("X-001", 1, "right")]
    assert clone.join(how, left, right)
    assert sorted(told(clone, "X-001")[-2:]) == ["left", "right"]
    assert "<<<<" not in clone.text
    if kind == "driven":
        assert told(clone, "X-001")[-2:] == ["right", "left"]  # by their stamps


@HOW
@pytest.mark.parametrize("kind", ["plain", "driven"])
def test_new_items_of_two_branches_are_two_items(
    kind: str, how: str, request: pytest.FixtureRequest
) -> None:
    clone: Clone = request.getfixturevalue(kind)

    def added(name: str) -> list[Change]:
        return [lambda old: ledger.with_item(old, item(name)), attempt(name, 1, f"of {name}")]

    assert clone.join(how, added("L-003"), added("R-004"))
    assert {one.id for one in clone.ledger.items} == {"X-001", "Y-002", "L-003", "R-004"}
    assert told(clone, "L-003") == ["of L-003"]
    assert told(clone, "R-004") == ["of R-004"]
    assert clone.text.count("Words below.") == 1


@HOW
def test_what_was_archived_on_one_branch_does_not_come_back(driven: Clone, how: str) -> None:
    assert driven.join(how, [archived("X-001")], [attempt("X-001", 1, "right")])
    assert told(driven, "X-001") == ["right"]


def test_without_the_driver_archived_attempts_come_back(plain: Clone) -> None:
    """What `merge=union` gets wrong, and why there is a driver; nothing is lost by it."""
    assert plain.join("merge", [archived("X-001")], [attempt("X-001", 1, "right")])
    assert len(told(plain, "X-001")) == 6


@HOW
@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("in_progress", "pending", "in_progress"),
        ("done", "blocked", "blocked"),
        ("done", "in_progress", "in_progress"),
        ("done", "done", "done"),
    ],
)
def test_of_two_statuses_the_changed_one_or_the_cautious_one_holds(
    driven: Clone, how: str, left: ledger.Status, right: ledger.Status, expected: str
) -> None:
    assert driven.join(how, [status("X-001", left)], [status("X-001", right)])
    found = driven.ledger.item("X-001")
    assert found is not None
    assert found.status == expected
    assert driven.text.count("- Status:") == 2


def test_fields_are_joined_each_by_its_own_rule(driven: Clone) -> None:
    def field(name: ledger.FieldName, value: str) -> Change:
        return lambda old: ledger.with_field(old, LEDGER, "Y-002", name, value)

    left = [field("Priority", "critical"), field("Depends on", "X-001, A-1")]
    right = [field("Priority", "low"), field("Depends on", "X-001, B-2")]
    assert driven.join("merge", left, right)
    found = driven.ledger.item("Y-002")
    assert found is not None
    assert found.priority == "critical"
    assert sorted(found.depends_on) == ["A-1", "B-2", "X-001"]


def test_the_same_item_made_on_both_branches_is_one(driven: Clone) -> None:
    def made(note: str, day: int, priority: str) -> list[Change]:
        new = item("N-009").model_copy(update={"priority": priority})
        return [
            lambda old: ledger.with_item(old, new),
            attempt("N-009", day, note),
            lambda old: old.replace("- Attempts of N-009:", f"Of {note}.\n- Attempts of N-009:"),
        ]

    assert driven.join("merge", made("left", 1, "low"), made("right", 2, "high"))
    (found,) = [one for one in driven.ledger.items if one.id == "N-009"]
    assert found.priority == "high"
    assert told(driven, "N-009") == ["left", "right"]
    assert driven.text.count("planctl:item N-009") == 1
    assert "Of left." in driven.text
    assert "Of right." in driven.text


def test_the_same_attempt_on_both_branches_is_one(driven: Clone) -> None:
    both = attempt("X-001", 1, "picked")
    assert driven.join("merge", [both], [both, attempt("X-001", 2, "more")])
    assert told(driven, "X-001")[-2:] == ["picked", "more"]
    assert told(driven, "X-001").count("picked") == 1


@HOW
def test_free_text_is_joined_as_git_does_and_items_beside_it_too(driven: Clone, how: str) -> None:
    left = [lambda old: old.replace("Words above.", "Left above."), attempt("X-001", 1, "left")]
    right = [lambda old: old.replace("Words below.", "Right below."), attempt("X-001", 2, "right")]
    assert driven.join(how, left, right)
    assert "Left above." in driven.text
    assert "Right below." in driven.text
    assert told(driven, "X-001")[-2:] == ["left", "right"]


def test_a_conflict_in_free_text_is_left_to_a_person_and_items_are_joined(driven: Clone) -> None:
    left = [lambda old: old.replace("Words between.", "Left."), attempt("X-001", 1, "left")]
    right = [lambda old: old.replace("Words between.", "Right."), attempt("X-001", 2, "right")]
    assert not driven.join("merge", left, right)
    assert driven.text.count("<<<<<<< ") == 1
    assert "\nLeft.\n" in driven.text
    assert "\nRight.\n" in driven.text
    assert told(driven, "X-001")[-2:] == ["left", "right"]


def test_an_item_taken_out_here_and_changed_there_is_left_to_a_person(driven: Clone) -> None:
    def gone(old: str) -> str:
        start = old.index("<!-- planctl:item Y-002")
        end = old.index("<!-- planctl:end Y-002 -->\n")
        return old[:start] + old[end + len("<!-- planctl:end Y-002 -->\n") :]

    assert not driven.join("merge", [gone], [attempt("Y-002", 1, "more")])
    assert "more" in driven.text


def test_what_is_no_ledger_is_joined_line_by_line_and_keeps_both_sides(driven: Clone) -> None:
    broken: Change = lambda old: old.replace("<!-- planctl:end X-001 -->\n", "")  # noqa: E731
    assert driven.join("merge", [broken], [attempt("Y-002", 1, "right")])
    assert "right" in driven.text
    assert driven.text.count("planctl:end X-001") == 0


def test_bytes_that_are_no_utf8_come_through(driven: Clone) -> None:
    place = driven.repo.root / LEDGER
    place.write_bytes(place.read_bytes().replace(b"Words above", b"W\xf6rds \xff above"))
    driven.repo.commit("latin")

    def raw(day: int) -> None:
        note = f"  - 2025-02-0{day}T00:00:00Z {day}\n".encode()
        end = b"<!-- planctl:end X-001 -->"
        place.write_bytes(place.read_bytes().replace(end, note + end))
        driven.repo.commit("bytes")

    driven.repo.git("checkout", "--quiet", "-b", "left")
    raw(1)
    driven.repo.git("checkout", "--quiet", "-b", "right", "main")
    raw(2)
    driven.repo.git("merge", "--no-edit", "left")
    assert b"W\xf6rds \xff above" in place.read_bytes()
    assert place.read_bytes().count(b"T00:00:00Z") == 7


def test_the_driver_is_put_in_once_and_taken_out_again(repo: Repo) -> None:
    repo.write(".git/info/attributes", "*.x diff=x\n")
    workspace = Workspace.open(repo.root)
    assert not driver_of(workspace).installed
    assert install_driver(workspace).changed
    assert not install_driver(workspace).changed
    assert driver_of(workspace).installed
    assert "merge: planctl-ledger" in repo.git("check-attr", "merge", LEDGER)
    assert remove_driver(workspace).changed
    assert not driver_of(workspace).installed
    assert (repo.root / ".git/info/attributes").read_text() == "*.x diff=x\n"
    assert "planctl" not in repo.git("config", "--list", "--local")


def test_a_clone_whose_planctl_is_gone_joins_by_union(driven: Clone) -> None:
    command = driven.repo.git("config", "merge.planctl-ledger.driver")
    without = command.split(" in ")[0] + " in /nowhere/planctl; " + command.partition("; ")[2]
    driven.repo.git("config", "merge.planctl-ledger.driver", without)
    assert driven.join("merge", [attempt("X-001", 1, "left")], [attempt("X-001", 2, "right")])
    assert sorted(told(driven, "X-001")[-2:]) == ["left", "right"]


def test_merge_prints_what_is_left_and_exits_with_1(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ledger.with_item("Words.\n", item("X-001"))
    for name, word in (("o", "Words"), ("a", "A"), ("b", "B")):
        repo.write(name, base.replace("Words", word))
    assert planctl(["ledger", "merge", "o", "a", "b", LEDGER]) == 1
    assert "docs/fix_plan.md: 1 conflicts are left" in capsys.readouterr().err
    assert (repo.root / "a").read_text().startswith("<<<<<<< ours\nA.\n=======\nB.\n>>>>>>> theirs")
