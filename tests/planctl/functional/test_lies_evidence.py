"""Lies told with files: an engineer who forges evidence is found out, and the lie has a name."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.functional.liar import ID, Engineer
from tests.planctl.functional.test_attacks import envelope, forge, payload

DAY_S = 86_400


def break_code(engineer: Engineer) -> None:
    """Change the code so that its tests fail, and commit that."""
    engineer.edit("src/fit.py", "max(values) - min(values)", "max(values)")
    engineer.repo.commit("a change that breaks the fit")


def test_a_log_of_before_is_copied_to_a_new_name(engineer: Engineer) -> None:
    break_code(engineer)
    shutil.copy(engineer.hub / "green/suite.log", engineer.hub / "green/suite_v2.log")
    engineer.repo.commit("fresh evidence")
    answer = engineer.verify()
    assert answer.code == 1
    assert engineer.verdict("suite") == "stale"
    assert "src/fit.py" in answer.out
    assert "green/suite_v2.log" in engineer.verify("--json").out


def test_touched_files_are_not_younger_evidence(engineer: Engineer) -> None:
    break_code(engineer)
    later = time.time() + DAY_S
    for path in engineer.hub.rglob("*"):
        os.utime(path, (later, later))
    assert engineer.verdict("suite") == "stale"
    assert "src/fit.py" in engineer.verify().out


def test_a_change_whose_time_is_set_back_is_still_a_change(engineer: Engineer) -> None:
    code = engineer.root / "src/fit.py"
    before = code.stat()
    time.sleep(1.1)  # within the second of git's last look: docs/reference/limits.md
    engineer.edit("src/fit.py", "0.375", "0.376")
    os.utime(code, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert engineer.verdict("fit") == "stale"
    assert "src/fit.py" in engineer.verify().out


def test_an_artifact_edited_after_the_run_is_modified(engineer: Engineer) -> None:
    engineer.edit(engineer.hub / "analysis/fit.json", "0.125", "0.001")
    engineer.repo.commit("nicer numbers")
    assert engineer.verdict("fit") == "modified"
    assert "analysis/fit.json" in engineer.verify().out


def test_a_receipt_made_to_pass_with_its_name_and_log_is_not_intact(engineer: Engineer) -> None:
    break_code(engineer)
    engineer.run_step("--step", "suite", expect=1)
    engineer.repo.commit("a failure, told as it was")
    (_, failure) = engineer.receipts("suite")

    def pass_(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["planctl_run"]["exitCode"] = 0

    forge(failure, pass_)
    failure.unlink()
    engineer.repo.commit("it passed after all")
    assert engineer.verdict("suite") == "failed"
    answer = engineer.verify()
    assert f"receipts/{failure.name}: gone; commit" in answer.out


def test_an_edited_receipt_under_its_old_name_is_not_intact(engineer: Engineer) -> None:
    (real,) = engineer.receipts("fit")
    statement = payload(real)
    statement["predicate"]["runDetails"]["planctl_run"]["role"] = "person"
    real.write_text(envelope(json.dumps(statement).encode()))
    engineer.repo.commit("somebody else ran it")
    assert "not intact" in engineer.verify("--json").out or engineer.verdict("fit") != "fresh"
    assert real.name in engineer.verify("--json").out


def test_a_failure_that_is_deleted_counts_as_it_was(engineer: Engineer) -> None:
    break_code(engineer)
    engineer.run_step("--step", "suite", expect=1)
    engineer.repo.commit("a failure")
    (_, failure) = engineer.receipts("suite")
    failure.unlink()
    (engineer.hub / "green/suite_v2.log").unlink()
    engineer.repo.commit("tidy up")
    assert engineer.verdict("suite") == "failed"
    assert failure.name in engineer.verify("--json").out


def test_a_weaker_check_makes_its_evidence_stale_and_is_named(engineer: Engineer) -> None:
    engineer.edit(engineer.plan, "lt: 0.5", "lt: 500")
    assert engineer.verdict("fit") == "stale"
    assert "checks" in engineer.verify().out


def test_a_check_made_weaker_with_the_code_is_named_by_lint(engineer: Engineer) -> None:
    engineer.edit(engineer.plan, "lt: 0.5", "lt: 500")
    engineer.edit("src/fit.py", "0.375", "99")
    engineer.repo.commit("a better fit")
    engineer.run_step("--step", "fit")
    engineer.repo.commit("evidence")
    assert engineer.verdict("fit") == "fresh"
    answer = engineer.call("lint", ID)
    assert answer.code == 1
    assert "weaker" in answer.said


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        ("|| true", "PL001"),
        ("; exit 0", "PL00"),
        ("; true", "PL00"),
        ("|| echo fine", "PL001"),
        ("&", "PL001"),
    ],
)
def test_a_command_that_cannot_fail_is_named_by_lint(
    engineer: Engineer, ending: str, name: str
) -> None:
    engineer.edit("src/fit.py", "json.dump", "raise SystemExit(3)\n        json.dump")
    engineer.edit(engineer.plan, "run: python src/use.py", f"run: 'python src/use.py {ending}'")
    engineer.repo.commit("a sturdier command")
    answer = engineer.call("lint", ID)
    assert answer.code == 1
    assert name in answer.out
    assert "steps.use.run" in answer.out


@pytest.mark.parametrize("how", ["marker", "module", "conftest"])
def test_a_suite_in_which_no_test_ran_is_no_proof(engineer: Engineer, how: str) -> None:
    if how == "marker":
        text = (engineer.root / "tests/test_fit.py").read_text()
        text = "import pytest\n\npytestmark = pytest.mark.skip(reason='later')\n" + text
        engineer.repo.write("tests/test_fit.py", text)
    elif how == "module":
        engineer.repo.write("tests/test_fit.py", "")
    else:
        hook = "def pytest_collection_modifyitems(items):\n    items.clear()\n"
        engineer.repo.write("tests/conftest.py", hook)
    engineer.repo.commit("faster tests")
    engineer.run_step("--step", "suite", expect=1)
    assert engineer.verdict("suite") == "failed"
    assert "the command ended with" in engineer.verify().out or "passed" in engineer.verify().out


def test_a_script_that_prints_how_a_suite_ends_is_named_by_lint(engineer: Engineer) -> None:
    engineer.edit(
        engineer.plan,
        "run: python -m pytest tests/test_fit.py -p no:cacheprovider",
        "run: \"echo '==== 12 passed in 0.34s ===='\"",
    )
    engineer.repo.commit("a faster suite")
    engineer.run_step("--step", "suite")
    answer = engineer.call("lint", ID)
    assert answer.code == 1
    assert "PL005" in answer.out
    assert "steps.suite.run" in answer.out


@pytest.mark.parametrize("how", ["gone", "older"])
def test_a_gate_taken_out_or_moved_back_after_the_run_is_named(
    engineer: Engineer, how: str
) -> None:
    text = engineer.plan.read_text()
    line = next(line for line in text.splitlines() if "gate:" in line)
    gate = line.split('"')[1]
    new = f'    gate: "{engineer.repo.git("rev-parse", "HEAD~1")}"'
    engineer.plan.write_text(text.replace(line, new))
    engineer.run_step("--force")
    assert "gate:" not in engineer.verify().out
    first = engineer.repo.git("rev-list", "--max-parents=0", "HEAD")
    assert first == gate
    back = text if how == "older" else text.replace(f"{line}\n", "")
    engineer.plan.write_text(back)
    told = "names the older" if how == "older" else "names none any more"
    assert told in engineer.verify().said
    assert told in engineer.call("why", "A1").said


def test_a_program_of_the_same_name_ahead_in_the_path_is_not_run(
    engineer: Engineer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_code(engineer)
    for name in ("python", "pytest"):
        fake = tmp_path / "bin" / name
        fake.parent.mkdir(exist_ok=True)
        fake.write_text("#!/bin/sh\necho '==== 2 passed in 0.02s ===='\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    engineer.run_step("--step", "suite", expect=1)
    assert engineer.verdict("suite") == "failed"


def test_a_role_from_the_environment_is_a_word_and_meets_no_policy(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = engineer.root / "planctl.toml"
    settings.write_text(settings.read_text() + '\n[policy]\nrequire = "other-role"\n')
    monkeypatch.setenv("PLANCTL_ROLE", "person")
    engineer.run_step("--step", "suite", "--force")
    answer = engineer.verify()
    assert answer.code == 1
    assert engineer.verdict("suite") == "unproven"
    assert "signature:" in answer.out


def test_a_hub_under_an_earlier_stamp_does_not_take_its_receipts_along(
    engineer: Engineer,
) -> None:
    (engineer.hub.parents[1] / "2025-11-01T000000Z").mkdir()
    shutil.move(engineer.hub, engineer.hub.parents[1] / "2025-11-01T000000Z" / "fit")
    engineer.edit(engineer.plan, "2025-11-13T000000Z", "2025-11-01T000000Z")
    engineer.repo.commit("it was there long before")
    assert engineer.verdict("suite") == "modified"
    assert "does not count here" in engineer.verify().out


def test_a_commit_dated_back_takes_no_part_in_a_verdict(engineer: Engineer) -> None:
    break_code(engineer)
    shutil.copy(engineer.hub / "green/suite.log", engineer.hub / "green/suite_final.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", "2031-01-01T00:00:00Z")
        patch.setenv("GIT_AUTHOR_DATE", "2031-01-01T00:00:00Z")
        engineer.repo.commit("evidence of the future")
    assert engineer.verdict("suite") == "stale"
    assert "no receipt names it" in engineer.verify().out


def test_the_limits_are_true_a_receipt_of_a_run_that_never_was_needs_a_policy(
    engineer: Engineer,
) -> None:
    """Said in `docs/reference/limits.md`: unsigned it is believed, and says no more."""
    break_code(engineer)
    blob = engineer.repo.git("rev-parse", "HEAD:src/fit.py")

    def invent(statement: dict[str, Any]) -> None:
        for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
            if item.get("name") == "src/fit.py":
                item["digest"] = {name: blob for name in item["digest"]}

    forge(engineer.receipts("fit")[0], invent)
    engineer.repo.commit("evidence")
    assert engineer.verdict("fit") == "fresh"
    assert "recorded: 2 artifacts" in engineer.verify().out
    settings = engineer.root / "planctl.toml"
    settings.write_text(settings.read_text() + '\n[policy]\nrequire = "signed"\n')
    assert engineer.verdict("fit") == "unproven"
    assert "signature:" in engineer.verify().out


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pytest.py", "print('==== 2 passed in 0.02s ====')\n"),
        ("conftest.py", "def pytest_pyfunc_call(pyfuncitem):\n    return True\n"),
    ],
)
def test_a_file_that_takes_the_place_of_a_test_run_is_named_by_lint(
    engineer: Engineer, path: str, text: str
) -> None:
    break_code(engineer)
    engineer.repo.write(path, text)
    engineer.repo.commit("something for the tests")
    engineer.run_step("--step", "suite")
    assert engineer.verdict("suite") == "fresh"
    answer = engineer.call("lint", ID)
    assert answer.code == 1
    assert f"PL017 loads what is no input: loads `{path}`" in answer.said


def test_a_plan_whose_inputs_have_all_that_its_commands_name_has_no_finding(
    engineer: Engineer,
) -> None:
    assert engineer.call("lint", ID).code == 0
    engineer.edit(engineer.plan, '["src/**", "tests/**"]', '["tests/**"]')
    engineer.edit(engineer.plan, 'inputs: ["src/**"]', 'inputs: ["src/*.py", "!src/use.py"]')
    answer = engineer.call("lint", ID)
    assert answer.code == 1
    assert "steps.use.inputs" in answer.out
    assert "`src/use.py`" in answer.out
    assert "steps.fit" not in answer.out
