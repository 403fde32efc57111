"""What logs say of themselves: their command, how many tests ran, whether a name promises more."""

from __future__ import annotations

import time

import pytest

from planctl.models.log_facts import is_log, log_facts, says_suite


@pytest.mark.parametrize(
    "line",
    [
        "$ python -m tool.run --all",
        "+ python train.py --epochs 3",
        "# command: pytest tests -q",
        "Command: make all",
        "cmd = ['python', 'x.py']",
        "CMDLINE: anything",
        "Running: python -m pytest tests/unit -vv",
        "python3.11 -u scripts/run.py",
        "OMP_NUM_THREADS=1 srun ./solve --n 4",
        "pytest tests/test_a.py::test_b -vv",
        "/usr/bin/python3 -m tool",
        "sys.argv: ['train.py', '--fast']",
        'Script started on 2026-01-01 [COMMAND="make"]',
    ],
)
def test_a_command_is_seen(line: str) -> None:
    assert log_facts(f"banner\n{line}\noutput\n").command


@pytest.mark.parametrize(
    "line",
    [
        "platform linux -- Python 3.11.13, pytest-8.4.1 -- /envs/x/bin/python3.11",
        "Python version 3.11.13",
        "Python 3.11.13",
        "rootdir: /home/x/project",
        "make sure that the data is there",
        "Running epoch 3 of 10",
        "running: 3 workers",
        ">       assert x == 1",
        "+ added line of a diff",
        "tests/test_a.py::test_b PASSED",
        "2026-01-01 02:48:00 INFO training started in /data/run",
        "",
    ],
)
def test_what_is_no_command_is_not_taken_for_one(line: str) -> None:
    assert not log_facts(f"=== test session starts ===\n{line}\n").command


def test_a_command_deep_in_the_output_does_not_count() -> None:
    assert not log_facts("line\n" * 200 + "$ python -m tool\n").command


def test_the_most_tests_of_a_log_count() -> None:
    log = "=== 3 passed in 1.00s ===\n...\n== 1 failed, 9 passed, 2 warnings in 2.00s ==\n"
    assert log_facts(log).tests == 10
    assert log_facts("nothing ran\n").tests is None


@pytest.mark.parametrize(
    ("path", "log", "suite"),
    [
        ("green/pytest_full_suite.log", True, True),
        ("green/full.log", True, True),
        ("cli/run_all.out", True, True),
        ("green/pytest.txt", True, False),
        ("green/suitable.log", True, False),
        ("analysis/fullness.json", False, False),
        ("docs/test_strategy.txt", False, False),
    ],
)
def test_names_of_logs_and_suites(path: str, log: bool, suite: bool) -> None:
    assert (is_log(path), says_suite(path)) == (log, suite)


def test_hostile_heads_take_no_time() -> None:
    start = time.process_time()
    for piece in ("A=1 ", "x/", "python ", "run run ", "-- "):
        log_facts(piece * 20_000)
        log_facts((piece * 50 + "\n") * 300)
    assert time.process_time() - start < 2
