"""Ledger check: each contradiction is found, with both sides, and is gone by its way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planctl.models.contradiction import RULES
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import LedgerItem
from planctl.workspace import LEDGER
from tests.planctl.functional.conftest import Project

WORKING = "plans/active/X-001/implementation.md"


def check(project: Project, expect: int | None = None) -> list[dict[str, Any]]:
    """Run the check; the exit code must agree with what it found."""
    code, out, err = project.call("ledger", "check", "--json")
    assert code in (0, 1), err
    found: list[dict[str, Any]] = json.loads(out)["contradictions"]
    counted = [item for item in found if item["level"] != "note"]
    assert code == bool(counted) if expect is None else expect
    return found


def kinds(project: Project) -> list[str]:
    return [item["kind"] for item in check(project)]


def only(project: Project, kind: str) -> dict[str, Any]:
    """Return the only contradiction of a kind; there must be no other kind."""
    found = check(project)
    assert {item["kind"] for item in found} == {kind}, found
    return found[0]


def edit(project: Project, path: str, old: str, new: str) -> None:
    place = project.root / path
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new, 1))


def add(project: Project, name: str, **fields: Any) -> None:
    """Add an item of an initiative that has no plan of its own."""
    place = project.root / LEDGER
    plain = {"id": name, "title": name, "status": "pending", "priority": "low"}
    item = LedgerItem.model_validate(plain | fields)
    place.write_text(ledger.with_item(place.read_text(), item))


def test_a_proven_project_has_no_contradiction(proven: Project) -> None:
    assert check(proven) == []
    code, _, err = proven.call("ledger", "check")
    assert (code, err) == (0, "1 item, no contradictions\n")


def test_a_ticked_row_whose_evidence_is_stale(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    found = only(proven, "ticked")
    assert found["item"] == "X-001 A3"
    assert (found["one"]["path"], found["one"]["line"]) == (WORKING, 5)
    assert found["one"]["said"] == "- [x] A3: solo"
    assert "`solo` is stale" in found["text"]
    assert proven.call("sync")[0] == 0
    assert check(proven) == []


DO_B7 = "# Brief\n\n## Focus\nX-001\n\n## Do Now\nImplement B7: draw the picture anew.\n"
DO_A = "# Brief\n\n## Focus\nX-001\n\n## Do Now\nRun `planctl run-phase X-001 A` again.\n"


def ordered(project: Project) -> list[dict[str, Any]]:
    return [item for item in check(project) if item["kind"] == "ordered-again"]


def test_a_row_that_its_author_ticked_and_the_brief_orders_after_that(proven: Project) -> None:
    (proven.root / "input.md").write_text(DO_B7)
    proven.repo.commit("the order")
    place = proven.root / WORKING
    place.write_text(place.read_text() + "- [x] B7: draw the picture\n")
    proven.repo.commit("carried out")
    assert ordered(proven) == []
    (proven.root / "input.md").write_text(DO_B7 + "\nMind the axes.\n")
    (found,) = [item for item in ordered(proven) if item["item"] == "X-001 B7"]
    assert found["one"]["path"] == "input.md"
    assert found["other"]["said"] == "- [x] B7: draw the picture"


def test_a_brief_that_orders_what_was_proven_before_it(proven: Project) -> None:
    (proven.root / "input.md").write_text(DO_A)
    (found,) = ordered(proven)
    assert (found["one"]["path"], found["one"]["line"]) == ("input.md", 7)
    assert found["other"]["said"] == "- [x] A1: one"
    assert found["way_out"]
    proven.repo.commit("the order, again")
    assert len(ordered(proven)) == 1


@pytest.mark.parametrize("by", ["hand", "planctl"])
@pytest.mark.parametrize("commits", [True, False])
def test_an_order_that_was_carried_out_is_no_contradiction(
    project: Project, by: str, commits: bool
) -> None:
    if by == "hand":
        (project.root / "input.md").write_text(DO_A)
    else:
        assert project.call("brief", "X-001")[0] == 0
    if commits:
        project.repo.commit("the order")
    project.run_phase()
    assert ordered(project) == []
    project.repo.commit("evidence")
    assert ordered(project) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "line"),
    [
        (WORKING, "# Working plan\n", "# Working plan\n\n**Status:** Complete\n", 3),
        (WORKING, "# Working plan\n", "# Working plan (complete)\n", 1),
        (WORKING, "# Working plan\n", "# Working plan\n\nThis initiative is complete.\n", 3),
        (LEDGER, "# Fix plan\n", "# Fix plan\n\n- X-001 is complete.\n", 3),
        (LEDGER, "# Fix plan\n", "# Fix plan\n\n### `X-001` — Done\n", 3),
        (LEDGER, "# Fix plan\n", "# Fix plan\n\n| a | b |\n|---|---|\n| X-001 | done |\n", 5),
        ("plans/active/X-001/summary.md", "### ", "# X-001\n\nStatus: done\n\n### ", 3),
    ],
)  # fmt: skip
def test_prose_that_says_done_of_what_is_in_progress(
    proven: Project, path: str, old: str, new: str, line: int
) -> None:
    edit(proven, path, old, new)
    found = only(proven, "status")
    assert found["item"] == "X-001"
    assert (found["one"]["path"], found["one"]["line"]) == (path, line)
    assert found["other"]["said"] == "Status: in_progress"


@pytest.mark.parametrize(
    "said",
    [
        "X-001 is complete once C4 holds.",
        "Until X-001 is done nothing else begins.",
        "```\nX-001: done\n```",
        "X-001 is done except for the figures.",
        "Y-999 is complete.",
        "X-001: in progress.",
    ],
)
def test_prose_that_says_no_other_status_is_no_contradiction(proven: Project, said: str) -> None:
    edit(proven, LEDGER, "# Fix plan\n", f"# Fix plan\n\n{said}\n")
    assert check(proven) == []


def test_done_while_a_step_is_not_proven(proven: Project) -> None:
    assert proven.call("ledger", "set", "X-001", "status", "done")[0] == 0
    assert check(proven) == []
    (proven.root / "src/solo.txt").write_text("other\n")
    assert proven.call("sync")[0] == 0
    found = only(proven, "not-done")
    assert "`solo` (stale)" in found["text"]
    assert found["one"]["said"] == "Status: done"


def test_another_file_that_keeps_items(proven: Project) -> None:
    proven.repo.write("notes/fix_plan.md", "# Plan\n\n## [X-001] Old\n- Status: in_progress\n")
    found = only(proven, "two-ledgers")
    assert (found["one"]["path"], found["one"]["line"]) == ("notes/fix_plan.md", 4)
    assert found["other"]["path"] == LEDGER


def test_markers_elsewhere_are_a_second_ledger_and_in_a_fence_an_example(proven: Project) -> None:
    region = "<!-- planctl:item X-001 -->\n## X-001\n<!-- planctl:end X-001 -->\n"
    proven.repo.write("docs/how.md", f"# How\n\n```text\n{region}```\n")
    assert check(proven) == []
    proven.repo.write("docs/copy.md", f"# Copy\n\n{region}")
    assert only(proven, "two-ledgers")["one"]["path"] == "docs/copy.md"


def test_a_second_file_of_that_name_without_items_is_none(proven: Project) -> None:
    proven.repo.write("notes/fix_plan.md", "# Nothing here\n\nSee docs/fix_plan.md.\n")
    assert check(proven) == []


def test_dependencies_that_are_open_unknown_or_go_in_a_circle(proven: Project) -> None:
    add(proven, "Y-002", depends_on=("X-001",), status="in_progress")
    add(proven, "Z-003", depends_on=("NO-1",))
    add(proven, "V-004", depends_on=("W-005",))
    add(proven, "W-005", depends_on=("V-004",))
    found = {i["item"]: i for i in check(proven) if i["kind"] == "dependency"}
    assert set(found) == {"Y-002", "Z-003", "V-004"}
    assert found["Y-002"]["other"]["said"] == "Status: in_progress"
    assert "does not exist" in found["Z-003"]["text"]
    assert "V-004 → W-005 → V-004" in found["V-004"]["text"]


def test_more_in_progress_than_may_be(proven: Project) -> None:
    add(proven, "Y-002", status="in_progress")
    assert "in-progress" not in kinds(proven)
    add(proven, "Z-003", status="in_progress")
    found = [item for item in check(proven) if item["kind"] == "in-progress"]
    assert found[0]["item"] == "Z-003"
    (proven.root / "planctl.toml").write_text("[ledger]\nmax_in_progress = 3\n")
    assert "in-progress" not in kinds(proven)


def test_item_without_initiative_and_initiative_without_item(proven: Project) -> None:
    add(proven, "Y-002")
    assert only(proven, "no-initiative")["item"] == "Y-002"
    (proven.root / LEDGER).write_text("# Fix plan\n")
    found = only(proven, "no-item")
    assert found["item"] == "X-001"
    assert proven.call("ledger", "set", "X-001", "status", "pending")[0] == 0
    assert check(proven) == []


def test_plan_and_ledger_that_say_another_priority(proven: Project) -> None:
    edit(proven, LEDGER, "- Priority: medium", "- Priority: high")
    found = only(proven, "plan-differs")
    assert found["one"]["said"] == "Priority: high"
    proven.edit("id: X-001\n", "id: X-001\npriority: high\n")
    assert check(proven) == []


def test_what_a_merge_leaves_twice(proven: Project) -> None:
    edit(proven, LEDGER, "- Status: in_progress\n", "- Status: in_progress\n- Status: blocked\n")
    found = only(proven, "doubled")
    assert "`blocked` counts" in found["text"]
    assert proven.call("ledger", "set", "X-001", "status", "blocked")[0] == 0
    assert check(proven) == []
    region = (
        "\ntext\n\n<!-- planctl:item X-001 -->\n- Status: blocked\n<!-- planctl:end X-001 -->\n"
    )
    place = proven.root / LEDGER
    place.write_text(place.read_text() + region)
    assert only(proven, "doubled")["one"]["said"] == "<!-- planctl:item X-001 -->"


def test_attempts_that_a_merge_brought_back_from_the_archive(proven: Project) -> None:
    for text in ("one", "two", "three"):
        assert proven.call("ledger", "attempt", "X-001", text)[0] == 0
    assert proven.call("ledger", "set", "X-001", "status", "done")[0] == 0
    before = (proven.root / LEDGER).read_text()
    (proven.root / "planctl.toml").write_text("[ledger]\nmax_lines = 11\n")
    assert proven.call("ledger", "archive")[0] == 0
    after = (proven.root / LEDGER).read_text()
    assert len(after.splitlines()) == 11
    gone = next(line for line in before.splitlines() if line not in after)
    edit(proven, LEDGER, "<!-- planctl:end", f"{gone}\n<!-- planctl:end")
    found = [item for item in check(proven) if item["kind"] == "doubled"]
    assert "1 attempt of `X-001` that the archive has came back" in found[0]["text"]
    assert proven.call("ledger", "archive")[0] == 0
    assert (proven.root / LEDGER).read_text() == after
    assert check(proven) == []


def test_two_turns_of_one_number_are_a_note(proven: Project) -> None:
    for ulid in ("01KA000000000000000000000A", "01KA000000000000000000000B"):
        proven.repo.write(f"plans/active/X-001/turns/00034_{ulid}.json", "{}")
    found = only(proven, "turn-number")
    assert found["item"] == "00034"
    assert proven.call("ledger", "check")[0] == 0


def test_conflict_markers_and_a_priority_that_is_none(proven: Project) -> None:
    edit(
        proven, LEDGER, "# Fix plan\n", "# Fix plan\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
    )
    assert only(proven, "conflict")["one"]["line"] == 2
    edit(proven, LEDGER, "- Priority: medium", "- Priority: urgent")
    assert set(kinds(proven)) == {"conflict", "value", "plan-differs"}


def test_a_ledger_over_its_budget(proven: Project) -> None:
    (proven.root / "planctl.toml").write_text("[ledger]\nmax_lines = 3\n")
    found = only(proven, "budget")
    assert "10 lines, 3 may be" in found["text"]
    assert "finish `X-001`" in found["way_out"]


def test_every_kind_has_a_rule_and_github_shows_the_line(proven: Project) -> None:
    (proven.root / "src/solo.txt").write_text("other\n")
    code, out, _ = proven.call("ledger", "check", "--format", "github")
    assert code == 1
    assert out.startswith(f"::error file={WORKING},line=5,title=ticked and not proven")
    assert len({rule.id for rule in RULES}) == len(RULES)
