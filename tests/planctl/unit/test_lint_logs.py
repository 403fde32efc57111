"""Rules of lint about logs: each found where it is broken, and not beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from planctl.models.lint import Finding
from planctl.ops.lint.logs import loose_log_findings
from planctl.ops.run_log import END, OUTPUT, TITLE

TESTS = {
    "test_solo": frozenset({"tests/test_solo.py"}),
    "test_other": frozenset({"tests/test_other.py"}),
    "test_one": frozenset({"tests/test_solo.py"}),
    "test_two": frozenset({"tests/test_solo.py"}),
}


def said(
    root: Path, name: str, output: str, command: str | None = None, code: int = 0
) -> list[Finding]:
    """Write a log, one of planctl when a command is given, and return what is found in it."""
    text = output + "\n"
    if command is not None:
        head = f"{TITLE}\n# env:\n# step: X A/s\n# command: {command}\n{OUTPUT}\n"
        text = f"{head}{text}{END}\n# exit: {code}\n"
    place = root / "hub" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return list(loose_log_findings(root, "hub", [name], "X", TESTS))


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("==== no tests ran in 0.01s ====", True),
        ("\x1b[33m==== no tests ran in 0.01s ====\x1b[0m", True),
        ("==== 3 skipped, 1 xfailed in 0.10s ====", True),
        ("2 deselected in 0.02s", True),
        ("Ran 0 tests in 0.000s\n\nOK", True),
        ("5 passed in 0.1s\n==== no tests ran in 0.01s ====", True),
        ("==== 1 passed, 3 skipped in 0.10s ====", False),
        ("1 failed in 0.1s", False),
        ("no tests ran, he said", False),
        ("3 tests collected in 0.02s", False),
    ],
)
def test_a_log_in_which_no_test_ran(tmp_path: Path, output: str, found: bool) -> None:
    rules = [item.rule for item in said(tmp_path, "cli/solo.log", output)]
    assert rules == (["PL020"] if found else [])


@pytest.mark.parametrize(
    ("log", "output", "says"),
    [
        ("green/full_suite.log", "==== 1 passed in 0.10s ====", "is called `full`"),
        ("green/full_suite.log", "==== 14 passed in 0.10s ====", None),
        ("green/one.log", "==== 1 passed in 0.10s ====", None),
        ("green/fully.log", "==== 1 passed in 0.10s ====", None),
        ("green/pytest_solo.log", "all is well", "no closing line"),
        ("green/pytest_collect.log", "3 tests collected in 0.02s", None),
        ("cli/notes.log", "all is well", None),
        ("green/solo.log", "==== 1 failed, 2 passed in 0.10s ====", "lies in `green/`"),
        ("green/solo.log", "==== 2 passed, 1 error in 0.10s ====", "lies in `green/`"),
        ("cli/solo.log", "==== 1 failed, 2 passed in 0.10s ====", None),
        ("green/solo.log", "work\nexit code: 3", "its command ended with 3"),
        ("green/solo.log", "work\nexit code: 0", None),
    ],
)
def test_a_log_that_is_not_what_its_name_says(
    tmp_path: Path, log: str, output: str, says: str | None
) -> None:
    texts = [item.message for item in said(tmp_path, log, output) if item.rule == "PL021"]
    assert len(texts) == bool(says)
    assert all(says in text for text in texts if says)


@pytest.mark.parametrize(
    ("log", "selector", "other"),
    [
        ("green/pytest_two.log", "tests/test_solo.py::test_one", "test_two"),
        ("green/pytest_test_two.log", "tests/test_solo.py::test_one", "test_two"),
        ("green/pytest_two.log", "tests/test_solo.py::test_two", None),
        ("green/pytest_two_v2.log", "tests/test_solo.py::TestIt::test_two[3]", None),
        ("green/pytest_two.log", "tests/test_solo.py", None),
        ("green/pytest_two.log", "'tests/test_solo.py'; echo", None),
        ("green/pytest_solo.log", "tests/test_other.py", "test_solo"),
        ("green/pytest_solo.log", "tests", None),
        ("green/pytest_solo.log", "", None),
        ("green/pytest_solo.log", "-k solo", None),
        ("green/pytest_nightly.log", "tests/test_solo.py::test_one", None),
        ("green/pytest.log", "tests/test_solo.py::test_one", None),
    ],
)
def test_a_log_named_after_a_test_that_did_not_run(
    tmp_path: Path, log: str, selector: str, other: str | None
) -> None:
    found = said(tmp_path, log, "2 passed in 0.10s", f"python -m pytest {selector}")
    assert [item.rule for item in found] == (["PL021"] if other else [])
    assert all(f"names `{other}`" in item.message for item in found)


def test_the_trailer_of_a_log_of_planctl_says_how_it_ended(tmp_path: Path) -> None:
    (finding,) = said(tmp_path, "green/solo.log", "exit code: 0", "work", code=2)
    assert "its command ended with 2" in finding.message
    assert said(tmp_path, "green/solo.log", "exit code: 2", "work", code=0) == []


def test_what_is_no_plain_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "hub/green").mkdir(parents=True)
    (tmp_path / "hub/green/solo.log").symlink_to("/dev/zero")
    assert list(loose_log_findings(tmp_path, "hub", ["green/solo.log", "green/no"], "X", {})) == []
