"""Facts about guards: what counts as weaker, and what beside it does not."""

from __future__ import annotations

from typing import Any

import pytest

from planctl.models.weakening import guards, is_test_file, weaker_checks, weaker_tests

TEST = """\
import pytest

def test_one():
    assert f() == pytest.approx(1, rel=1e-6)
    assert g() < 0.1


class TestTwo:
    @pytest.mark.parametrize("x", [1, 2, 3])
    def test_inner(self, x):
        with pytest.raises(ValueError):
            h(x)
        self.assertAlmostEqual(a, b, places=7)
"""


def facts(new: str | None, old: str = TEST, path: str = "tests/test_a.py") -> list[str]:
    """Return what is weaker in another text of the file; None when it is gone."""
    before, after = guards(old), None if new is None else guards(new)
    assert before is not None
    return weaker_tests({path: before}, {} if after is None else {path: after})


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("    assert g() < 0.1\n", "", "test_one` lost 1 assertion"),
        ("    assert g() < 0.1\n", "    print(g())\n", "test_one` lost 1 assertion"),
        ("with pytest.raises(ValueError):", "if True:", "TestTwo::test_inner` lost 1 assertion"),
        ("def test_one", "def untested", "test_one` is gone"),
        ("def test_one():", "@pytest.mark.skip\ndef test_one():", "test_one` is skipped"),
        ("def test_one():", "@pytest.mark.xfail(strict=True)\ndef test_one():", "is skipped or"),
        ("    assert f()", "    pytest.skip('later')\n    assert f()", "test_one` is skipped"),
        (
            "class TestTwo",
            "@pytest.mark.skipif(True, reason='')\nclass TestTwo",
            "test_inner` is skip",
        ),
        ("import pytest\n", "import pytest\npytestmark = pytest.mark.skip\n", "test_one` is skip"),
        ("import pytest\n", "import pytest\npytest.importorskip('x')\n", "test_one` is skipped"),
        ("[1, 2, 3]", "[1, 2]", "test_inner` lost 1 case"),
        ("rel=1e-6", "rel=1e-2", "tolerates more: rel 1e-06 → 0.01"),
        ("< 0.1", "< 0.5", "tolerates more: < 0.1 → 0.5"),
        ("places=7", "places=2", "tolerates more: places 7 → 2"),
    ],
)
def test_what_makes_a_test_weaker(old: str, new: str, fact: str) -> None:
    assert old in TEST
    assert any(fact in text for text in facts(TEST.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import pytest", "import pytest  # a remark"),
        ("rel=1e-6", "rel=1e-9"),
        ("< 0.1", "< 0.01"),
        ("[1, 2, 3]", "[1, 2, 3, 4]"),
        ("    assert g() < 0.1\n", "    assert g() < 0.1\n    assert i()\n"),
        ("places=7", "places=8"),
        ("def test_one", "def test_zero():\n    assert z()\n\ndef test_one"),
    ],
)
def test_what_makes_no_test_weaker(old: str, new: str) -> None:
    assert old in TEST
    assert facts(TEST.replace(old, new, 1)) == []


def test_a_file_that_is_gone_and_a_test_that_moved() -> None:
    assert len(facts(None)) == 2
    tests = guards(TEST)
    assert tests is not None
    assert weaker_tests({"tests/test_a.py": tests}, {"tests/test_b.py": tests}) == []


def test_a_new_test_that_is_put_aside_is_named() -> None:
    added = TEST + "\n\n@pytest.mark.skip\ndef test_new():\n    assert f()\n"
    assert facts(added) == ["`tests/test_a.py::test_new` is new and put aside"]


def test_what_is_no_python_is_not_compared() -> None:
    assert guards("def test_(:\n") is None
    assert guards("\0") is None
    assert guards("(" * 5000) is None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tests/test_a.py", True),
        ("src/a_test.py", True),
        ("tests/helpers/data.py", True),
        ("conftest.py", True),
        ("src/attest.py", False),
        ("tests/data.json", False),
        ("src/test/data.json", False),
    ],
)
def test_which_files_are_tests(path: str, found: bool) -> None:
    assert is_test_file(path) == found


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ({"json": "a", "path": "x", "gt": 5}, {"json": "a", "path": "x", "gt": 4}, "gt 5 → 4"),
        ({"json": "a", "path": "x", "le": 5}, {"json": "a", "path": "x", "le": 6}, "le 5 → 6"),
        ({"json": "a", "path": "x", "gt": 5}, {"json": "a", "path": "x", "lt": 9}, "lost `gt`"),
        ({"json": "a", "path": "x", "eq": 5}, {"json": "a", "path": "x", "gt": 0}, "lost `eq`"),
        ({"json": "a", "path": "x", "gt": 5}, {"json": "a", "path": "y", "gt": 5}, "is gone"),
        ({"tests": "l", "passed": 5}, {"tests": "l", "passed": 1}, "passed 5 → 1"),
        (
            {"tests": "l", "skipped": 0, "passed": 1},
            {"tests": "l", "skipped": 9, "passed": 1},
            "0 → 9",
        ),
        ({"log": "l", "not_matches": "nan"}, {"log": "l", "matches": "x"}, "lost `not_matches`"),
        ({"file": "f", "min_bytes": 9}, {"file": "f", "min_bytes": 1}, "min_bytes 9 → 1"),
        ({"same": ["a", "b"]}, {"file": "a"}, "`same` ['a', 'b'] is gone"),
        ({"json": "a", "path": "x", "gt": 5}, {"json": "a", "path": "x", "gt": 6}, None),
        ({"json": "a", "path": "x", "gt": 5}, {"json": "a", "path": "x", "gt": 5, "lt": 9}, None),
        ({"image": "p", "not_flat": True}, {"image": "p", "not_flat": True}, None),
    ],
)
def test_what_makes_a_check_weaker(
    old: dict[str, Any], new: dict[str, Any], fact: str | None
) -> None:
    found = weaker_checks({"checks": [old]}, {"checks": [new]})
    assert len(found) == bool(fact)
    assert all(fact in text for text in found if fact)


def test_a_bound_may_move_to_a_check_of_its_own() -> None:
    both = {"json": "a", "path": "x", "gt": 1, "lt": 9}
    apart = [{"json": "a", "path": "x", "gt": 1}, {"json": "a", "path": "x", "lt": 9}]
    assert weaker_checks({"checks": [both]}, {"checks": apart}) == []
    assert weaker_checks({"kind": "pytest"}, {"kind": "command"}) != []
