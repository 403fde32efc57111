"""What a turn may say: every claim against receipts, logs, values and git."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.planctl.functional.liar import HUB, ID, Engineer

START = "Looked at the fit once more.\nChanged the helper of it.\n"
END = "Next: use it in phase B.\n"


def refused(engineer: Engineer, said: str, *words: str) -> list[dict[str, Any]]:
    """Close with a sentence; it must be refused and leave nothing written."""
    before = engineer.repo.git("status", "--short"), engineer.repo.git("rev-parse", "HEAD")
    answer = engineer.close(f"{START}{said}\n{END}", "--json", *words)
    assert answer.code == 1, answer.said
    result = answer.json()
    assert result["ok"] is False
    assert result["error"]["slug"] == "turn-refused"
    after = engineer.repo.git("status", "--short"), engineer.repo.git("rev-parse", "HEAD")
    assert after == before
    assert engineer.call("turn", "show").code == 0
    found: list[dict[str, Any]] = result["problems"]
    return found


def closed(engineer: Engineer, said: str, *words: str) -> dict[str, Any]:
    answer = engineer.close(f"{START}{said}\n{END}", "--json", *words)
    assert answer.code == 0, answer.said
    return answer.json()


def only(problems: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    assert [item["kind"] for item in problems] == [kind], problems
    return problems[0]


@pytest.mark.parametrize(
    ("said", "found", "nearest"),
    [
        ("See `src/fitt.py` for it.", "not there", "src/fit.py"),
        ("See src/fitt.py for it.", "not there", "src/fit.py"),
        ("The file `src/absent_missing.rs` was written.", "not there", ""),
        ("The cause is `src/fit.py:400`.", "has 12 lines, cited is line 400", "src/fit.py"),
        ("Evidence lies in `green/suite_v7.log`.", "not there", f"{HUB}/green/suite.log"),
        ("Wrote `analysis/{fit.json, fit_v9.json}`.", "not there", f"{HUB}/analysis/fit.json"),
    ],
)
def test_a_path_that_is_not_there_is_refused(
    engineer: Engineer, said: str, found: str, nearest: str
) -> None:
    engineer.open()
    problem = only(refused(engineer, said), "path")
    assert found in problem["found"]
    assert problem["nearest"] == nearest
    assert problem["way_out"]
    assert problem["sentence"] == 2


@pytest.mark.parametrize(
    "said",
    [
        "See `src/fit.py:1-5` and `analysis/fit.json`.",
        "Removed `src/old_fit.py` long ago.",
        "`src/future.py` will hold the next step.",
        "The fit has residual=0.125 as before.",
        "It ran on numbers such as 0.25 and 3.",
        "Neither src/* nor $HUB changed.",
    ],
)
def test_what_is_true_or_not_claimed_closes(engineer: Engineer, said: str) -> None:
    engineer.open()
    closed(engineer, said)


def test_a_file_the_turn_removed_may_be_named(engineer: Engineer) -> None:
    engineer.open()
    (engineer.root / "src/use.py").unlink()
    closed(engineer, "`src/use.py` is what nobody needs.")


def test_counts_of_tests_are_those_of_a_recorded_run(engineer: Engineer) -> None:
    engineer.open()
    problem = only(refused(engineer, "The suite ended with 12 passed in 3.1s."), "test")
    assert problem["answer"] in ("unsupported", "contradicted")
    assert engineer.suite() in problem["nearest"] + problem["found"]
    closed(engineer, f"The suite ended with {engineer.suite()}.")


def test_a_log_that_nobody_recorded_supports_no_count(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write(f"{HUB}/green/mine.log", "===== 12 passed in 3.10s =====\n")
    problems = refused(engineer, "The suite: 12 passed in 3.10s (`green/mine.log`).")
    assert {item["kind"] for item in problems} == {"test", "unrecorded"}
    assert "no receipt recorded" in problems[0]["found"] + problems[1]["found"]


def test_a_copied_log_is_named_as_a_copy(engineer: Engineer) -> None:
    engineer.open()
    shutil.copy(engineer.hub / "green/suite.log", engineer.hub / "green/suite_v2.log")
    problem = only(refused(engineer, "Ran it again: `green/suite_v2.log`."), "unrecorded")
    assert problem["nearest"] == f"it is a copy of {HUB}/green/suite.log"


def test_numbers_are_those_of_the_artifact_to_the_digits_shown(engineer: Engineer) -> None:
    engineer.open()
    wrong = only(refused(engineer, "It has residual=0.001 (`analysis/fit.json`)."), "number")
    assert "0.125" in wrong["nearest"] + wrong["found"]
    invented = only(refused(engineer, "It has psnr_db=41.2 now."), "number")
    assert "no artifact" in invented["found"]
    closed(engineer, "It has residual=0.13 and steps=12.")


def test_a_number_of_the_code_that_changed_is_no_invention(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/settings.py", "timeout_s = 45\n")
    refused(engineer, "Set timeout_s=30 for it.")
    closed(engineer, "Set timeout_s=45 for it.")


def test_a_number_that_only_prose_has_is_not_supported(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write(f"plans/active/{ID}/notes.md", "ssim=0.97\n")
    only(refused(engineer, "It reaches ssim=0.97 now."), "number")


def test_commits_exist_and_touched_what_is_said(engineer: Engineer) -> None:
    head = engineer.repo.git("rev-parse", "--short=8", "HEAD")
    engineer.open()
    problem = only(refused(engineer, "Commit deadbee1 did it."), "commit")
    assert "no commit deadbee1" in problem["found"]
    only(refused(engineer, f"Commit {head} touched src/use.py only."), "commit")
    closed(engineer, f"Commit {head} has the evidence.")


@pytest.mark.parametrize("said", ["Phase B is complete.", "B1 is done.", "Step `use` passed."])
def test_what_is_not_proven_cannot_be_called_complete(engineer: Engineer, said: str) -> None:
    engineer.open()
    problem = only(refused(engineer, said), "verdict")
    assert "`use` is missing" in problem["found"]
    assert f"planctl run-phase {ID} B" in problem["way_out"]
    engineer.run_step(phase="B")
    closed(engineer, said)


def test_all_tests_pass_only_while_the_run_of_tests_is_fresh(engineer: Engineer) -> None:
    engineer.open()
    engineer.edit("src/fit.py", "max(values)", "max(values) + 0")
    said = f"All tests pass: {engineer.suite()}."
    problems = refused(engineer, said)
    assert {item["kind"] for item in problems} == {"verdict"}
    assert any("`suite`, which is stale" in item["found"] for item in problems)
    engineer.run_step()
    closed(engineer, "All tests pass.")


def test_a_run_on_changes_that_the_turn_commits_counts_as_proven(engineer: Engineer) -> None:
    engineer.open()
    engineer.edit("src/use.py", "used", "used")
    engineer.repo.write("src/use.py", "print('used')\n")
    engineer.run_step()
    engineer.run_step(phase="B")
    result = closed(engineer, "Phases A and B are complete.")
    assert result["commit"]
    assert engineer.verify().code == 0
    assert engineer.call("sync", "--check").code == 0
    assert "- [x] B1" in engineer.repo.git("show", f"HEAD:plans/active/{ID}/implementation.md")


def test_a_run_on_somebodys_own_uncommitted_changes_does_not(engineer: Engineer) -> None:
    engineer.repo.write("src/use.py", "print('used')\n")
    engineer.open()
    engineer.run_step(phase="B")
    problem = only(refused(engineer, "Phase B is complete."), "verdict")
    assert "dirty" in problem["found"]
    closed(engineer, "Phase B is complete.", "--include", "src/use.py")


def test_a_hand_written_block_is_taken_apart_and_compared(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    block = (
        "### Turn Summary (2020-01-01T000000Z)\n"
        "Added a helper.\nIt is small.\n"
        "Next: use it.\n"
        "Artifacts: src/extra.py\n\n"
        "Checklist:\n"
        "- Files touched: src/extra.py, src/other.py\n"
        "- Tests run: pytest tests/test_fit.py (2 passed)\n"
        "- Artifacts updated: analysis/fit.json\n"
    )
    answer = engineer.close(block, "--json")
    assert answer.code == 1
    found = {(item["kind"], item["claim"]) for item in answer.json()["problems"]}
    assert found == {
        ("stamp", "2020-01-01T000000Z"),
        ("checklist", "Files touched: src/other.py"),
        ("checklist", "Tests run: pytest tests/test_fit.py (2 passed)"),
        ("checklist", "Artifacts updated: analysis/fit.json"),
    }
    engineer.run_step("--force", "--step", "suite")
    good = (
        "**Turn Summary**\n"
        "Added a helper.\nIt is small.\n"
        "Next: use it.\n"
        "Artifacts: `src/extra.py`\n\n"
        "Checklist:\n"
        "- Files touched: src/extra.py\n"
        "- Tests run: python -m pytest tests/test_fit.py (2 passed)\n"
        "- Artifacts updated: green/suite_v2.log\n"
    )
    answer = engineer.close(good, "--json")
    assert answer.code == 0, answer.said
    text = answer.json()["block"]
    assert text.count("Turn Summary") == 1
    assert "Artifacts: " in text
    assert "src/extra.py" in next(x for x in text.splitlines() if x.startswith("Artifacts:"))


def test_a_checklist_that_says_none_where_there_is_something_is_refused(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    problem = only(
        refused(engineer, "It is small.\n\nChecklist:\n- Files touched: none\n"), "checklist"
    )
    assert "`src/extra.py`" in problem["found"]


@pytest.mark.parametrize(
    ("prose", "told"),
    [
        ("Done.\n", "1 sentence"),
        ("", "0 sentences"),
        ("One. Two. Three. Four. Five. Six.\nNext: x\n", "6 sentences"),
        (f"Turn: 00001 {'0' * 26}.\nTwo.\nNext: x\n", "Turn:"),
        ("ENGINEER AUTO (iter=1): all is well.\nTwo.\nNext: x\n", "ENGINEER AUTO"),
        ("> **Receipt: 01M8.**\n\nTwo.\nNext: x\n", "Receipt"),
    ],
)
def test_form_and_imitations_are_refused_and_cannot_be_accepted(
    engineer: Engineer, prose: str, told: str
) -> None:
    engineer.open()
    answer = engineer.close(prose, "--json", "--accept-unsupported", "because")
    assert answer.code == 1, answer.said
    problems = answer.json()["problems"]
    assert told in problems[0]["claim"]
    assert "1 sentences" not in problems[0]["claim"]
    assert not problems[0]["acceptable"]


def test_what_comes_next_may_be_left_out_as_the_refusal_says(engineer: Engineer) -> None:
    engineer.open()
    short = engineer.close("Looked at the fit.\n", "--json").json()["problems"][0]
    assert short["found"] == "a turn is told in 3 to 5 sentences; `Next:` may be one of them"
    said = "Looked at phase A. It fell 44.1 m. It took 3 s."
    assert engineer.close(f"{said}\n", "--dry-run").code == 0


def test_accepting_records_who_and_why_and_shows_it(engineer: Engineer) -> None:
    engineer.open()
    result = closed(
        engineer, "It reaches ssim=0.97 on the beamline.", "--accept-unsupported", "seen there"
    )
    (accepted,) = result["record"]["accepted"]
    assert accepted["claim"] == "ssim=0.97"
    assert accepted["by"] == "engineer, Test Person <person@example.org>"
    assert accepted["why"] == "seen there"
    line = next(x for x in result["block"].splitlines() if x.startswith("Accepted unsupported:"))
    assert "ssim=0.97" in line
    assert "Test Person" in line
    assert "seen there" in line
    trailer = engineer.repo.git("log", "-1", "--format=%(trailers:key=Accepted-Unsupported)")
    assert "ssim=0.97" in trailer


def test_an_edited_receipt_is_never_accepted(engineer: Engineer) -> None:
    engineer.open()
    engineer.run_step(phase="B")
    (receipt,) = engineer.receipts("use")
    receipt.write_text(
        receipt.read_text().replace("payload", "payload", 1).replace("eyJ", "eyK", 1)
    )
    problems = refused(engineer, "It runs.", "--accept-unsupported", "trust me")
    assert {item["kind"] for item in problems} == {"receipt"}
    assert not problems[0]["acceptable"]


def test_a_recorded_log_that_was_edited_or_removed_is_never_accepted(engineer: Engineer) -> None:
    engineer.open()
    log = engineer.hub / "green/suite.log"
    text = log.read_text()
    log.write_text(text.replace("2 passed", "9 passed"))
    problem = only(refused(engineer, "It runs.", "--accept-unsupported", "x"), "evidence")
    assert problem["claim"] == f"{HUB}/green/suite.log"
    log.unlink()
    problem = only(refused(engineer, "It runs."), "evidence")
    assert "gone" in problem["found"]
    log.write_text(text)
    closed(engineer, "It runs.")


def test_a_deleted_receipt_is_named(engineer: Engineer) -> None:
    engineer.open()
    engineer.receipts("suite")[0].unlink()
    problems = refused(engineer, "It runs.")
    assert "receipt" in {item["kind"] for item in problems}


def test_a_failed_run_that_was_deleted_in_the_turn_is_named(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/use.py", "raise SystemExit(3)\n")
    engineer.run_step(phase="B", expect=1)
    engineer.repo.git("checkout", "--", "src/use.py")
    failed = engineer.receipts("use")
    engineer.run_step(phase="B")
    for place in failed:
        place.unlink()
    problems = refused(engineer, "It runs.")
    assert any("names it as the run before" in item["found"] for item in problems)


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        ("plan", "lt: 0.5", "lt: 5", "looser: lt 0.5 → 5"),
        ("plan", ", gt: 0, lt: 0.5", ", gt: 0", "lost `lt`"),
        ("plan", "run: python src/use.py", "run: python src/use.py || true", "PL001"),
        ("plan", "        rows: [A2]\n", "        rows: []\n", "no longer proves `A2`"),
        ("tests/test_fit.py", "assert residual([1, 3]) == 2", "pass", "lost 1 assertion"),
    ],
)
def test_guards_that_became_weaker_are_named(
    engineer: Engineer, path: str, old: str, new: str, told: str
) -> None:
    engineer.open()
    engineer.edit(engineer.plan if path == "plan" else path, old, new)
    problem = only(refused(engineer, "It is tidier."), "weaker")
    assert told in problem["found"]
    result = closed(engineer, "It is tidier.", "--accept-unsupported", "the bound was wrong")
    assert result["record"]["accepted"][0]["why"] == "the bound was wrong"


def test_a_gate_that_is_gone_a_step_that_is_gone_and_a_policy_are_named(
    engineer: Engineer,
) -> None:
    engineer.repo.write("planctl.toml", '[policy]\nrequire = "recorded"\nroles = ["ci"]\n')
    engineer.repo.commit("policy")
    engineer.open()
    text = engineer.plan.read_text()
    gate = next(line for line in text.splitlines() if "gate:" in line)
    engineer.edit(engineer.plan, gate + "\n", "")
    start = engineer.plan.read_text().index("  B:")
    engineer.plan.write_text(
        engineer.plan.read_text()[:start]
        + '  B:\n    title: x\n    steps:\n      - { id: other, run: "true", log: cli/o.log }\n'
    )
    engineer.repo.write("planctl.toml", '[policy]\nrequire = "recorded"\n')
    found = " ".join(item["claim"] + item["found"] for item in refused(engineer, "It is tidier."))
    assert "its gate was" in found
    assert "step `use`" in found
    assert "[policy]" in found


def test_a_row_ticked_by_hand_is_named(engineer: Engineer) -> None:
    engineer.open()
    engineer.edit(f"plans/active/{ID}/implementation.md", "- [ ] B1", "- [x] B1")
    problem = only(refused(engineer, "It is tidier."), "row")
    assert "`use` is missing" in problem["found"]


def test_a_run_that_is_told_has_a_receipt_of_the_turn(engineer: Engineer) -> None:
    engineer.open()
    problem = only(refused(engineer, "Reran Phase A on it."), "run")
    assert engineer.receipts("fit")[0].name[:26] in problem["nearest"]
    only(refused(engineer, "Ran the tests again."), "run")
    only(refused(engineer, "Phase A was run again today."), "run")
    only(refused(engineer, "All tests were executed again."), "run")
    engineer.run_step("--force", "--step", "suite")
    closed(engineer, "Reran Phase A, and all tests were executed again.")


def test_a_number_of_a_run_that_was_replaced_must_name_its_file(engineer: Engineer) -> None:
    engineer.open()
    engineer.edit("src/fit.py", "[0.25, 0.375]", "[0.25, 0.5]")
    engineer.run_step()
    problem = only(refused(engineer, "The fit has residual=0.125."), "number")
    assert "analysis/fit_v2.json $.residual is 0.25" in problem["nearest"] + problem["found"]
    closed(engineer, "The fit had residual=0.125 in `analysis/fit.json`, and has residual=0.25.")


def test_ids_of_receipts_exist(engineer: Engineer) -> None:
    engineer.open()
    only(refused(engineer, "See receipt 01K9ZK3Q6V1M0Q8T3J1YB5T6RC."), "path")
    closed(engineer, f"See receipt {engineer.receipts('fit')[0].name[:26]}.")


def test_a_time_beside_a_commit_is_that_of_git(engineer: Engineer) -> None:
    head = engineer.repo.git("rev-parse", "--short=10", "HEAD")
    when = engineer.repo.git("log", "-1", "--format=%cd", "--date=format:%Y-%m-%dT%H:%M:%SZ")
    engineer.open()
    problem = only(refused(engineer, f"Commit {head} (2025-11-14T02:30:00Z) has it."), "stamp")
    assert problem["nearest"] == when
    closed(engineer, f"Commit {head} ({when}) has it.")


def test_an_order_that_asks_again_for_what_is_proven_is_refused(engineer: Engineer) -> None:
    engineer.open("supervisor")
    words = f"{START}Looked at the hub.\nNext: rerun Phase A and collect fresh evidence.\n"
    answer = engineer.close(words, "--json")
    assert answer.code == 1, answer.said
    problem = only(answer.json()["problems"], "already-proven")
    assert engineer.receipts("suite")[0].name[:26] in problem["found"]
    again = "rerun Phase A and collect fresh evidence"
    assert engineer.close(words.replace(again, "run Phase B")).code == 0


def test_citing_what_is_not_committed_is_refused(engineer: Engineer) -> None:
    engineer.repo.write("planctl.toml", "[evidence]\nmax_file_bytes = 30000\n")
    engineer.repo.commit("settings")
    engineer.open()
    engineer.repo.write("data/big.csv", "1,2\n" * 10_000)
    problem = only(refused(engineer, "The data lies in `data/big.csv`."), "path")
    assert "it is not committed: too large" in problem["found"]


def test_striking_leaves_sentences_out_and_says_so(engineer: Engineer) -> None:
    from planctl.models.turn.prose import TurnProse
    from planctl.ops.turn import close_turn
    from planctl.workspace import Workspace

    engineer.open()
    prose = TurnProse.parse("The suite: 99 passed in 1s. Phase B is complete. Looked at it.")
    result = close_turn(Workspace.open(), prose, strike=True, outcome="crashed")
    assert result.record.sentences == ("Looked at it.",)
    assert {item.claim for item in result.record.refused} >= {"Phase B is complete."} or {
        item.claim for item in result.record.refused
    } >= {"Phase B is complete"}
    assert "Struck out: " in result.block
    assert "99 passed" not in result.block.split("Struck out", 1)[0]
    assert result.record.outcome == "crashed"


def test_striking_takes_out_an_order_for_what_is_proven(engineer: Engineer) -> None:
    from planctl.models.turn.prose import TurnProse
    from planctl.ops.turn import close_turn
    from planctl.workspace import Workspace

    engineer.open("supervisor")
    prose = TurnProse.parse("Looked at it.\nNext: rerun Phase A and collect fresh evidence.\n")
    result = close_turn(Workspace.open(), prose, strike=True)
    assert result.record.next == ""
    assert "collect fresh evidence" not in result.block.split("Struck out")[0]
    assert result.record.refused


def test_striking_everything_still_closes(engineer: Engineer) -> None:
    from planctl.models.turn.prose import TurnProse
    from planctl.ops.turn import close_turn
    from planctl.workspace import Workspace

    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    result = close_turn(Workspace.open(), TurnProse.parse(""), strike=True, outcome="timed_out")
    assert result.commit is not None
    assert result.record.sentences == ()
    assert "timed_out" in json.dumps(result.as_dict())
