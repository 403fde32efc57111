from __future__ import annotations

import pytest

from planctl.models.paths import matches, relative_path


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "src", False),
        ("src/**", "srcs/a.py", False),
        ("src/*.py", "src/a/b.py", False),
        ("src/*.py", "src/a.py", True),
        ("**/test_*.py", "test_a.py", True),
        ("**/test_*.py", "x/y/test_a.py", True),
        ("src", "src/a/b.py", True),
        ("src", "src", True),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("[!a]b", "cb", True),
        ("[!a]b", "ab", False),
        ("a+b(1).py", "a+b(1).py", True),
        ("a+b(1).py", "aab1.py", False),
        ("src/**", "src/line\nbreak", True),
    ],
)
def test_a_glob_means_these_paths(glob: str, path: str, expected: bool) -> None:
    assert matches(path, (glob,)) is expected


def test_the_last_matching_glob_wins() -> None:
    globs = ("src/**", "!src/gen/**", "src/gen/keep.py")
    assert matches("src/a.py", globs)
    assert not matches("src/gen/a.py", globs)
    assert matches("src/gen/keep.py", globs)


@pytest.mark.parametrize("bad", ["/etc/passwd", "a/../b", "..", "", " a", "~x", "a\0b", "C:\\x"])
def test_paths_that_leave_the_repository_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"absolute|climbs|empty|does not print"):
        relative_path(bad)


@pytest.mark.parametrize("good", ["a", "a/b.c", "$OUT/x.json", "a..b/c", ".hidden"])
def test_ordinary_paths_pass(good: str) -> None:
    assert relative_path(good) == good
