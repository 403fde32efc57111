"""Tests, numbers, commits and stamps as prose tells them."""

from __future__ import annotations

import datetime as dt

import pytest

from planctl.clock import find_stamps
from planctl.models.claims.claim import Block
from planctl.models.claims.numbers import agrees, same_digits, values_in
from planctl.models.claims.tests import fits, results_in
from planctl.models.prose.reading import parse_prose


def block(text: str) -> Block:
    (found,) = parse_prose(f"### Turn Summary\n{text}\n").blocks
    return found


@pytest.mark.parametrize(
    ("text", "counts", "seconds", "outcome"),
    [
        ("selector GREEN (1/1, 7.17s)", {"passed": 1}, "7.17", "passed"),
        ("selector (GREEN 1/1, 7.15s)", {"passed": 1}, "7.15", "passed"),
        ("ran it: 1 passed in 7.17s", {"passed": 1}, "7.17", "passed"),
        ("14 passed (0.65s)", {"passed": 14}, "0.65", "passed"),
        ("3 passed, 1 failed, 2 skipped", {"passed": 3, "failed": 1, "skipped": 2}, None, "failed"),
        ("all 5 tests PASSED", {"passed": 5}, None, "passed"),
        ("(1 PASSED, 4 SKIPPED for want of data)", {"passed": 1, "skipped": 4}, None, "passed"),
        ("`pytest tests/test_a.py -vv` (2 passed)", {"passed": 2}, None, "passed"),
        ("ALL 23/23 RUNNER TESTS PASSED (5.67s)", {"passed": 23}, "5.67", "passed"),
        ("tests 15/15 green", {"passed": 15}, None, "passed"),
        ("4 unit tests pass", {"passed": 4}, None, "passed"),
        ("12 tests in 300ms passed: 12 passed in 300 ms", {"passed": 12}, "0.3", "passed"),
        (
            "687 passed, 11 skipped in 1862.59s (0:31:02)",
            {"passed": 687, "skipped": 11},
            "1862.59",
            "passed",
        ),
        (
            "2 xfailed and 1 error, 3 passed",
            {"xfailed": 2, "error": 1, "passed": 3},
            None,
            "failed",
        ),
        ("PASSED in 0.85s", {}, "0.85", "passed"),
        ("the selector is GREEN", {}, None, "passed"),
        ("green/a.log (FAILED - no artifacts)", {}, None, "failed"),
        ("1,204 passed", {"passed": 1204}, None, "passed"),
    ],
)
def test_test_runs(text: str, counts: dict[str, int], seconds: str | None, outcome: str) -> None:
    found = block(f"Did {text} today.").tests
    assert [(dict(t.counts), t.seconds, t.outcome) for t in found] == [(counts, seconds, outcome)]


@pytest.mark.parametrize(
    "text",
    [
        "(9/9 artifacts) and 0/10 checks",
        "3 failed attempts, 2 passed gates",
        "passed the payload on to the model",
        "a green light; the red folder; 5 warnings",
        "10-epoch training in 7.5s",
    ],
)
def test_what_is_no_test_run(text: str) -> None:
    assert block(text).tests == ()


def test_two_runs_in_a_sentence_are_two_claims() -> None:
    found = block("First (2/2 passed, 6.19s), then (3/3 passed, 6.20s); 4 passed, 5 passed.").tests
    assert [(dict(t.counts), t.seconds) for t in found] == [
        ({"passed": 2}, "6.19"),
        ({"passed": 3}, "6.20"),
        ({"passed": 4}, None),
        ({"passed": 5}, None),
    ]


def test_a_run_knows_its_selector_and_its_log() -> None:
    (run,) = block("`pytest tests/test_a.py::test_b` gave 1 passed in 2s, see `green/a.log`.").tests
    assert run.selectors == ("tests/test_a.py::test_b",)
    assert run.logs == ("green/a.log",)


def test_a_remark_is_about_the_path_it_follows() -> None:
    found = block("Artifacts: a.log (2 passed), b.log (1 failed), tests/test_c.py (3 passed)").tests
    assert [t.logs for t in found] == [("a.log",), ("b.log",), ()]
    assert found[2].selectors == ("tests/test_c.py",)


def test_each_verdict_belongs_to_its_test() -> None:
    found = block("test_one PASSED; test_two FAILED with an error.").tests
    assert [(t.selectors, t.outcome) for t in found] == [
        (("test_one",), "passed"),
        (("test_two",), "failed"),
    ]


@pytest.mark.parametrize(
    ("text", "name", "shown", "value", "op"),
    [
        ("(var_zero_mean=6.09e-05)", "var_zero_mean", "6.09e-05", 6.09e-05, "="),
        ("name = 1.2×10⁻⁵ here", "name", "1.2×10⁻⁵", 1.2e-5, "="),
        ("name = 1.2 x 10^-5 here", "name", "1.2 x 10^-5", 1.2e-5, "="),
        ("an R of 0.1 here", "R", "0.1", 0.1, "="),
        ("`loss`: 0.25 now", "loss", "0.25", 0.25, "="),
        ("`train.loss` = 0.25", "train.loss", "0.25", 0.25, "="),
        ("var~3.3e-05", "var", "3.3e-05", 3.3e-05, "~"),
        ("loss≈1.78e-1", "loss", "1.78e-1", 0.178, "~"),
        ("median ≥ 0.2", "median", "0.2", 0.2, ">="),
        ("total=3,988,776.25 counts", "total", "3,988,776.25", 3988776.25, "="),
        ("mean=−0.5", "mean", "−0.5", -0.5, "="),
        ("coverage of 58% now", "coverage", "58", 58.0, "="),
        ("loss=nan", "loss", "nan", float("nan"), "="),
        ("`Loaded scale from bundle: 1.000000`", "Loaded scale from bundle", "1.000000", 1.0, "="),
        ("batch=4", "batch", "4", 4.0, "="),
    ],
)
def test_numbers(text: str, name: str, shown: str, value: float, op: str) -> None:
    (found,) = block(f"It gave {text}.").numbers
    assert (found.name, found.text, found.op) == (name, shown, op)
    assert found.value == pytest.approx(value, nan_ok=True)


def test_a_percentage_without_a_name_is_a_number_without_a_name() -> None:
    (found,) = block("Some 58% were left.").numbers
    assert (found.name, found.value, found.unit) == ("", 58.0, "%")


@pytest.mark.parametrize(
    "text",
    [
        "see src/a.py:12 and x=y",
        "--limit=2",
        "at 12:30",
        "object_big=True",
        "sha1: 01c1a83a",
        "a total of 3.5",
        "batch: 4",
        "the count is 5",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert block(text).numbers == ()


@pytest.mark.parametrize(
    ("text", "first", "last", "touched", "only"),
    [
        ("commit `abc1234` landed", "abc1234", "", (), False),
        ("after 876eeb12 nothing", "876eeb12", "", (), False),
        ("commit:e1fc732f in a list", "e1fc732f", "", (), False),
        ("post-dc5415ba evidence", "dc5415ba", "", (), False),
        ("range 1a2b3c4..5d6e7f8 holds", "1a2b3c4", "5d6e7f8", (), False),
        ("commit 1234567 is all digits", "1234567", "", (), False),
        ("commit abc1234 touched only src/a.py", "abc1234", "", ("src/a.py",), True),
        (
            "1a2b3c4 only refreshed `out/` + `b.log` and that was all",
            "1a2b3c4",
            "",
            ("out/", "b.log"),
            True,
        ),
        (
            "commit abc1234 changed src/a.py, leaving c.md alone",
            "abc1234",
            "",
            ("src/a.py",),
            False,
        ),
    ],
)
def test_commits(text: str, first: str, last: str, touched: tuple[str, ...], only: bool) -> None:
    (found,) = block(f"It said {text}.").commits
    assert (found.first, found.last, found.touched, found.only) == (first, last, touched, only)


@pytest.mark.parametrize(
    "text",
    [
        "20251114 and 1234567 and 6e05123",
        "defaced facade",
        "sha1: 01c1a83a, job 5b21ef77",
        "550e8400-e29b-41d4-a716-446655440000",
        "red/blocked_1a2b3c4.md",
    ],
)
def test_what_is_no_commit(text: str) -> None:
    assert block(text).commits == ()


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "when", "until", "zone", "precision"),
    [
        ("2025-11-14T0547Z", utc(2025, 11, 14, 5, 47), None, True, "minute"),
        ("2025-11-14T050250Z", utc(2025, 11, 14, 5, 2, 50), None, True, "second"),
        ("20251114T050250Z", utc(2025, 11, 14, 5, 2, 50), None, True, "second"),
        ("2025-11-14T05:02:50.123+01:00", utc(2025, 11, 14, 4, 2, 50), None, True, "second"),
        ("2025-11-14 04:35", utc(2025, 11, 14, 4, 35), None, False, "minute"),
        (
            "2025-11-14 04:35-04:36",
            utc(2025, 11, 14, 4, 35),
            utc(2025, 11, 14, 4, 36),
            False,
            "minute",
        ),
        (
            "2025-11-14 04:30-05:00",
            utc(2025, 11, 14, 4, 30),
            utc(2025, 11, 14, 5, 0),
            False,
            "minute",
        ),
        ("2025-11-14T04:30-05:00", utc(2025, 11, 14, 9, 30), None, True, "minute"),
        ("2025-11-16/17", utc(2025, 11, 16), utc(2025, 11, 17), False, "day"),
        ("2025-11-13", utc(2025, 11, 13), None, False, "day"),
        ("14 Nov 2025", utc(2025, 11, 14), None, False, "day"),
        ("November 14, 2025", utc(2025, 11, 14), None, False, "day"),
        ("Nov-14", None, None, False, "day"),
        ("2025-11-14_02-48-00", utc(2025, 11, 14, 2, 48), None, False, "second"),
        ("2025-02-30", None, None, False, "second"),
        ("2025-11-14T2548Z", None, None, False, "second"),
    ],
)
def test_stamps_in_every_spelling(
    text: str, when: dt.datetime | None, until: dt.datetime | None, zone: bool, precision: str
) -> None:
    (found,) = find_stamps(f"at {text}, they say")
    assert found.text == text
    assert (found.when, found.until, found.zone_known) == (when, until, zone)
    assert found.precision == precision


@pytest.mark.parametrize("text", ["may 5 times", "1.20251114", "Marching 5", "10:30", "2025"])
def test_what_is_no_stamp(text: str) -> None:
    assert find_stamps(text) == []


def test_a_stamp_in_a_name_is_found_there() -> None:
    (found,) = block("Read red/blocked_20251114T014035Z_cuda.md.").times
    assert (found.where, found.when) == ("name", utc(2025, 11, 14, 1, 40, 35))


@pytest.mark.parametrize(
    ("shown", "value", "same"),
    [
        ("6.09e-05", 6.0888e-05, True),
        ("6.09e-05", 6.10e-05, False),
        ("0.987", 0.9879, True),
        ("0.987", 0.9865, True),
        ("0.987", 0.9861, False),
        ("5.19e+06", 5188888.0, True),
        ("3,988,776.25", 3988776.25, True),
        ("1.2×10⁻⁵", 1.23e-5, True),
        ("1", 1.4, True),
        ("-0.5", 0.5, False),
        ("1e999999999", 1.0, False),
        ("nan", float("nan"), True),
        ("1.0", float("inf"), False),
    ],
)
def test_numbers_are_compared_to_the_digits_shown(shown: str, value: float, same: bool) -> None:
    assert same_digits(shown, value) is same


def test_values_are_found_by_name_in_json_and_in_logs() -> None:
    data = b'{"runs": [{"loss": 0.5}, {"loss": "0.25"}], "train": {"loss": 1, "ok": true}}'
    assert [v.value for v in values_in("loss", "a.json", data)] == [0.5, 0.25, 1.0]
    assert [v.place for v in values_in("train.loss", "a.json", data)] == ["$.train.loss"]
    log = b"x\nepoch 1 val_loss=0.5\nLoaded scale from bundle: 9.88\n"
    assert [(v.value, v.place) for v in values_in("val_loss", "a.log", log)] == [(0.5, "line 2")]
    assert values_in("loss", "a.log", log) == []
    assert [v.value for v in values_in("Loaded scale from bundle", "a.log", log)] == [9.88]


def test_a_percentage_may_be_recorded_as_a_fraction() -> None:
    (claim,) = block("coverage of 58% now").numbers
    assert agrees(claim, 0.58)
    assert agrees(claim, 58.0)
    assert not agrees(claim, 0.62)


LOG = "x\n\x1b[32m===== \x1b[1m14 passed\x1b[0m, 2 skipped in 65.30s (0:01:05) =====\n"


@pytest.mark.parametrize(
    ("told", "fit"),
    [
        ("14 passed in 65.30s", True),
        ("14 passed, 2 skipped in 65.3s", True),
        ("GREEN (14/14, 65s)", True),
        ("GREEN (14/16, 65.30s)", True),
        ("13 passed in 65.30s", False),
        ("14 passed in 65.31s", False),
        ("14 passed, 1 failed in 65.30s", False),
        ("GREEN (14/15, 65.30s)", False),
        ("tests FAILED in 65.30s", False),
    ],
)
def test_a_claim_fits_a_log_by_count_and_time(told: str, fit: bool) -> None:
    (claim,) = block(f"pytest {told}.").tests
    (result,) = results_in(LOG)
    assert (fits(claim, result) is None) is fit


def test_closing_lines_of_unittest_and_of_empty_runs() -> None:
    text = "Ran 3 tests in 0.003s\n\nFAILED (failures=1, skipped=1)\n== no tests ran in 0.01s =="
    first, second = results_in(text)
    assert dict(first.counts) == {"passed": 1, "failed": 1, "skipped": 1}
    assert second.counts == ()


def test_the_word_commit_stands_for_a_whole_list_and_at_the_start_of_a_sentence() -> None:
    text = (
        "### Turn Summary (2026-01-01)\nCommit 1234567 fixed it. In commits 2234567 and 3234567, "
        "`abc1234` too; 7654321 patterns were read.\n"
    )
    found = [claim.first for block in parse_prose(text).blocks for claim in block.commits]
    assert found == ["1234567", "2234567", "3234567", "abc1234"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.json show fall_m: 99", [("fall_m", "99")]),
        ("`fall_m`: 99 now", [("fall_m", "99")]),
        ("fall_m rose to 99 m", [("fall_m", "99")]),
        ("the loss dropped to 0.08", [("loss", "0.08")]),
        ("Phase A: 3 runs. Note: 5 files were read, epoch of 3", []),
    ],
)
def test_names_with_an_underscore_may_have_whole_numbers(
    text: str, found: list[tuple[str, str]]
) -> None:
    prose = parse_prose(f"### Turn Summary (2026-01-01)\n{text}.\n")
    assert [(n.name, n.text) for block in prose.blocks for n in block.numbers] == found
