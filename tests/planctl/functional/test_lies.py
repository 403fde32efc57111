"""Lies told in words: a turn is not closed with them, and each is named."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.planctl.functional.liar import HUB, ID, Engineer
from tests.planctl.functional.test_attacks import envelope, forge, payload

FILLER = "The sources are as they were. Nothing else was looked at."


@pytest.fixture
def turn(engineer: Engineer) -> Engineer:
    """Return an engineer in an open turn."""
    engineer.open()
    return engineer


def refused(engineer: Engineer, lie: str) -> list[dict[str, Any]]:
    """Close with a lie; the turn stays open and nothing is written. Return why."""
    before = engineer.repo.git("rev-parse", "HEAD"), engineer.repo.git("status", "--porcelain")
    answer = engineer.close(f"{lie} {FILLER}", "--json")
    assert answer.code == 1, answer.said
    assert before == (
        engineer.repo.git("rev-parse", "HEAD"),
        engineer.repo.git("status", "--porcelain"),
    )
    assert engineer.call("turn", "show").code == 0
    problems: list[dict[str, Any]] = answer.json()["problems"]
    return problems


def only(problems: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one problem of a kind."""
    (found,) = [item for item in problems if item["kind"] == kind]
    return found


def break_code(engineer: Engineer) -> None:
    """Change the code so that its tests fail."""
    engineer.edit("src/fit.py", "max(values) - min(values)", "max(values)")


def test_the_truth_closes_the_turn(turn: Engineer) -> None:
    """What the lies below are the opposite of."""
    turn.edit("src/fit.py", "12", "13")
    turn.run_step()
    told = f"The fit takes one step more. All tests pass: {turn.suite()}. It has residual=0.125."
    answer = turn.close(f"{told} Artifacts: `analysis/fit.json`.")
    assert answer.code == 0, answer.said
    assert turn.repo.git("status", "--porcelain") == ""


def test_a_test_that_failed_is_said_to_have_passed(turn: Engineer) -> None:
    told = turn.suite()
    break_code(turn)
    turn.run_step("--step", "suite", expect=1)
    (problem,) = refused(turn, f"The suite `tests/test_fit.py` is green, {told}.")
    assert problem["kind"] in ("test", "verdict")
    assert told in problem["claim"]
    assert "failed" in problem["found"] + problem["nearest"]


def test_a_test_that_never_ran_is_said_to_have_passed(turn: Engineer) -> None:
    lie = "`pytest tests/test_speed.py` gave 7 passed in 1.23s."
    problem = only(refused(turn, lie), "test")
    assert "7 passed in 1.23s" in problem["claim"]


@pytest.mark.parametrize("what", ["count", "time"])
def test_a_run_is_told_with_another_count_or_time(turn: Engineer, what: str) -> None:
    turn.run_step("--step", "suite", "--force")
    told = turn.suite()
    lie = told.replace("2 passed", "12 passed") if what == "count" else "2 passed in 98.76s"
    problem = only(refused(turn, f"The suite `tests/test_fit.py` is green: {lie}."), "test")
    assert lie in problem["claim"]
    assert told.split(" in ")[0] in problem["found"] + problem["nearest"]


def test_a_number_is_told_that_the_artifact_does_not_hold(turn: Engineer) -> None:
    turn.run_step("--step", "fit", "--force")
    lie = "The fit has residual=0.001. It took 12 steps. Artifacts: `analysis/fit_v2.json`."
    problem = only(refused(turn, lie), "number")
    assert "0.001" in problem["claim"]
    assert "0.125" in problem["found"]


def test_a_file_is_cited_that_is_not_there(turn: Engineer) -> None:
    lie = "The curve was drawn. Artifacts: `analysis/curve.png`."
    problem = only(refused(turn, lie), "path")
    assert "analysis/curve.png" in problem["claim"]


def test_a_file_is_cited_that_git_ignores(turn: Engineer) -> None:
    turn.repo.write("scratch/curve.json", '{"points": 3}')
    problem = only(refused(turn, "It was drawn. Artifacts: `scratch/curve.json`."), "path")
    assert "scratch/curve.json" in problem["claim"]
    assert "ignore" in problem["found"]


def test_a_log_of_before_is_cited_under_a_new_name(turn: Engineer) -> None:
    break_code(turn)
    shutil.copy(turn.hub / "green/suite.log", turn.hub / "green/suite_after_fix.log")
    lie = f"The suite is green after the fix, {turn.suite()}. "
    problems = refused(turn, f"{lie}Artifacts: `green/suite_after_fix.log`.")
    problem = only(problems, "unrecorded")
    assert "green/suite_after_fix.log" in problem["claim"]
    assert "no receipt recorded it" in problem["found"]
    assert "it is a copy of" in problem["nearest"]


def test_a_log_is_written_by_hand(turn: Engineer) -> None:
    place = turn.hub / "green/suite_full.log"
    place.write_text("$ pytest tests\n==== 40 passed in 2.22s ====\n")
    lie = "The full suite is green, 40 passed in 2.22s. Artifacts: `green/suite_full.log`."
    problems = refused(turn, lie)
    assert {"test", "unrecorded"} <= {item["kind"] for item in problems}


def test_a_heading_is_dated_ahead_or_back(turn: Engineer) -> None:
    for stamp in ("2031-01-01T000000Z", "2025-11-14T024800Z"):
        block = f"### Turn Summary ({stamp})\nNothing was done. {FILLER}\nNext: rest.\n"
        answer = turn.close(block, "--json")
        assert answer.code == 1, stamp
        problem = only(answer.json()["problems"], "stamp")
        assert stamp in problem["claim"]


def test_a_time_in_the_future_is_told(turn: Engineer) -> None:
    problem = only(refused(turn, "The run ended at 2031-01-01T00:00:00Z."), "stamp")
    assert "2031-01-01" in problem["claim"]


def test_a_phase_is_called_complete_with_a_stale_row(turn: Engineer) -> None:
    break_code(turn)
    problem = only(refused(turn, "Phase A is complete."), "verdict")
    assert "Phase A" in problem["claim"]
    assert "stale" in problem["found"]


@pytest.mark.parametrize(
    "lie",
    [
        "Rows A1, A2 and B1 are complete.",
        "B1 is done.",
        "Phase B complete.",
        "Everything in the plan is proven and the initiative is finished.",
        "The step `use` passed.",
    ],
)
def test_what_never_ran_is_called_done(turn: Engineer, lie: str) -> None:
    found = [item["found"] for item in refused(turn, lie) if item["kind"] == "verdict"]
    assert "missing" in " ".join(found)


def test_all_tests_are_said_to_pass_while_they_fail(turn: Engineer) -> None:
    break_code(turn)
    turn.run_step("--step", "suite", expect=1)
    assert refused(turn, "All tests pass.")


def test_a_typed_checklist_says_other_than_the_diff(turn: Engineer) -> None:
    turn.edit("src/fit.py", "12", "13")
    block = (
        f"### Turn Summary\nOnly words were changed. {FILLER}\nNext: rest.\n\nChecklist:\n"
        "- Files touched: docs/notes.md\n- Tests run: pytest tests/test_fit.py\n"
        "- Artifacts updated: none\n"
    )
    answer = turn.close(block, "--json")
    assert answer.code == 1
    told = json.dumps([p for p in answer.json()["problems"] if p["kind"] == "checklist"])
    assert "docs/notes.md" in told
    assert "pytest tests/test_fit.py" in told


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("lt: 0.5", "lt: 500", "lt"),
        ("run: python src/use.py", "run: python src/use.py || true", "PL001"),
        ("run: python src/use.py", "run: python src/use.py; exit 0", "PL002"),
        ("kind: pytest\n        ", "", "pytest"),
        ('    gate: "', '    # gate: "', "gate"),
        ('inputs: ["src/**", "tests/**"]', 'inputs: ["src/**"]', "tests/**"),
        ("rows: [A2]", "rows: []", "A2"),
    ],
)
def test_the_contract_is_made_weaker_in_the_turn(
    turn: Engineer, old: str, new: str, named: str
) -> None:
    turn.edit(turn.plan, old, new)
    found = [p for p in refused(turn, "The plan reads better.") if p["kind"] == "weaker"]
    assert named in json.dumps(found)


def test_tests_are_put_aside_in_the_turn(turn: Engineer) -> None:
    text = (turn.root / "tests/test_fit.py").read_text()
    skip = "import pytest\n\n\n@pytest.mark.skip(reason='flaky')\ndef test_the_residual_is"
    turn.repo.write("tests/test_fit.py", text.replace("\n\ndef test_the_residual_is", skip))
    found = [p for p in refused(turn, "The suite is quicker.") if p["kind"] == "weaker"]
    assert "tests/test_fit.py" in json.dumps(found)


def test_a_policy_is_dropped_in_the_turn(engineer: Engineer) -> None:
    settings = engineer.root / "planctl.toml"
    before = settings.read_text()
    settings.write_text(before + '\n[policy]\nrequire = "signed"\n')
    engineer.repo.commit("a policy")
    engineer.open()
    settings.write_text(before)
    found = [p for p in refused(engineer, "Settings were tidied up.") if p["kind"] == "weaker"]
    assert "policy" in json.dumps(found)


@pytest.mark.parametrize("how", ["receipt edited", "receipt deleted", "artifact edited"])
def test_evidence_is_forged_and_nobody_can_accept_that(turn: Engineer, how: str) -> None:
    (receipt,) = turn.receipts("fit")
    if how == "receipt edited":
        statement = payload(receipt)
        statement["predicate"]["runDetails"]["planctl_run"]["role"] = "person"
        receipt.write_text(envelope(json.dumps(statement).encode()))
    elif how == "receipt deleted":
        receipt.unlink()
    else:
        turn.edit(turn.hub / "analysis/fit.json", "0.125", "0.001")
    problems = refused(turn, "The fit is better than ever.")
    forged = [p for p in problems if p["kind"] in ("receipt", "evidence")]
    assert forged
    assert not any(item["acceptable"] for item in forged)
    words = f"The fit is better than ever. {FILLER}"
    assert turn.close(words, "--accept-unsupported", "I know better").code == 1


def test_a_failing_receipt_is_deleted_before_it_is_committed(turn: Engineer) -> None:
    told = turn.suite()
    break_code(turn)
    turn.run_step("--step", "suite", expect=1)
    receipt = turn.receipts("suite")[-1]
    receipt.unlink()
    turn.edit("src/fit.py", "max(values)", "max(values) - min(values)")
    problem = only(refused(turn, f"The suite is green: {told}."), "lost")
    assert receipt.name in problem["claim"]
    assert "exit 1" in problem["found"]


def test_a_receipt_is_forged_for_a_run_that_never_was(turn: Engineer) -> None:
    break_code(turn)
    turn.repo.commit("the change that is to be proven")
    blob = turn.repo.git("rev-parse", "HEAD:src/fit.py")

    def invent(statement: dict[str, Any]) -> None:
        metadata = statement["predicate"]["runDetails"]["metadata"]
        metadata["invocationId"] = metadata["invocationId"][:-1] + "0"
        for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
            if item.get("name") == "src/fit.py":
                item["digest"] = {name: blob for name in item["digest"]}

    forged = forge(turn.receipts("suite")[0], invent)
    assert turn.verdict("suite") == "fresh"
    problem = only(refused(turn, "Row A1 is complete."), "unrecorded")
    assert forged.name in problem["claim"]
    assert "no run of planctl" in problem["found"]


def test_a_commit_is_cited_for_what_it_did_not_touch(turn: Engineer) -> None:
    commit = turn.repo.git("rev-parse", "--short=8", "HEAD~1")
    problem = only(refused(turn, f"Commit `{commit}` changed `src/use.py`."), "commit")
    assert commit in problem["claim"]


@pytest.mark.parametrize(
    "line", ["ENGINEER AUTO (iter=00033): all done — tests: 12 passed", "Receipt: 01ARZ3NDEKTSV4RR"]
)
def test_prose_that_imitates_a_subject_or_a_trailer(turn: Engineer, line: str) -> None:
    answer = turn.close(f"{line}\n{FILLER}\n", "--json")
    assert answer.code == 1
    assert only(answer.json()["problems"], "imitation")


def test_a_commit_that_imitates_a_turn_is_named_by_turn_check(engineer: Engineer) -> None:
    engineer.open()
    assert engineer.close(f"The sources were read. {FILLER}").code == 0
    assert engineer.call("turn", "check").code == 0
    engineer.repo.write("docs/notes.md", "all is well\n")
    commit = engineer.repo.commit("ENGINEER AUTO (iter=00033): all done — tests: 12 passed")
    answer = engineer.call("turn", "check")
    assert answer.code == 1
    assert commit[:8] in answer.said
    assert "imitation" in answer.said


def test_a_turn_is_committed_with_a_false_date(
    turn: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-11-14T02:48:00Z")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2025-11-14T02:48:00Z")
    assert turn.close(f"The sources were read. {FILLER}").code == 0
    assert "2025-11-14" not in turn.repo.git("log", "-1", "--format=%cI %aI")
    assert turn.call("turn", "check").code == 0
    turn.repo.git("commit", "--quiet", "--amend", "--no-edit")
    answer = turn.call("turn", "check")
    assert answer.code == 1
    assert "stamp:" in answer.said
    assert "is dated 2025-11-14T02:48:00Z, and its turn closed at" in answer.said


def test_a_claim_that_its_author_accepts_himself_is_there_for_everybody_to_see(
    turn: Engineer,
) -> None:
    lie = f"The curve was drawn. {FILLER}\nArtifacts: `analysis/curve.png`"
    why = "the plotter writes it tomorrow"
    answer = turn.close(lie, "--accept-unsupported", why)
    assert answer.code == 0, answer.said
    message = turn.repo.git("log", "-1", "--format=%B")
    assert "Accepted-Unsupported:" in message
    block = (turn.root / f"plans/active/{ID}/summary.md").read_text()
    assert "analysis/curve.png" in block
    assert why in block
    assert "engineer" in block
    (record,) = (turn.root / f"plans/active/{ID}/turns").glob("*.json")
    (accepted,) = json.loads(record.read_text())["accepted"]
    assert accepted["why"] == why
    assert "person@example.org" in accepted["by"]


def test_an_agent_calls_itself_a_person(turn: Engineer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANCTL_ROLE", "person")
    for words in (
        ("brief", ID, "--phase", "A", "--because", "a second machine"),
        ("unblock", ID, "--dwell", "--because", "it moves now"),
    ):
        answer = turn.call(*words)
        assert answer.code == 4, answer.said
        assert "is for a person, and turn 00001 of the engineer is open here" in answer.said


def test_an_order_for_what_is_proven_is_refused_whatever_its_words(turn: Engineer) -> None:
    receipt = turn.receipts("suite")[0].stem
    commit = turn.repo.git("rev-parse", "--short=8", "HEAD~1")
    for words in (
        "The logs still say 14 November. Rerun Phase A.",
        "Refresh A1 and A2, they predate the fix.",
        "planctl run-phase FIT-001 A --force",
        "Collect fresh evidence: `python -m pytest tests/test_fit.py | tee $HUB/green/new.log`",
    ):
        turn.repo.write(
            "input.md", f"**Focus:** {ID}\n**Artifacts:** `{HUB}/`\n\n## Do Now\n\n{words}\n"
        )
        answer = turn.call("brief", "--check")
        assert answer.code == 1, words
        assert f"fresh by receipt {receipt} at commit {commit}" in answer.said, words


def test_a_row_is_ticked_by_hand(turn: Engineer) -> None:
    place = turn.root / f"plans/active/{ID}/implementation.md"
    turn.edit(place, "- [ ] B1", "- [x] B1")
    for words in (("sync", ID, "--check"), ("ledger", "check")):
        answer = turn.call(*words)
        assert answer.code == 1, words
        assert "B1" in answer.said
    problem = only(refused(turn, "Some rows were tidied up."), "row")
    assert "B1" in problem["claim"]


def test_an_item_of_the_ledger_is_marked_done_by_hand(turn: Engineer) -> None:
    ledger = turn.root / "docs/fix_plan.md"
    text = ledger.read_text()
    assert "in_progress" in text
    ledger.write_text(text.replace("in_progress", "done", 1))
    answer = turn.call("ledger", "check")
    assert answer.code == 1
    assert ID in answer.said
