"""`.gitignore` of a commit: the same answers as git's own."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planctl.models.ignore import Ignored, ignored_by

PIECE = st.sampled_from(["a", "b", "*", "?", ".", "[ab]", "[!a]", "c"])
PART = st.lists(PIECE, min_size=1, max_size=3).map("".join)
NAME = st.sampled_from(["a", "b", "c", "ab", "a.c", "abc", ".a"])
RULE = st.builds(
    lambda mark, parts, end: mark + "/".join(parts) + end,
    st.sampled_from(["", "", "!", "/"]),
    st.lists(st.one_of(PART, st.just("**")), min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
PATH = st.lists(NAME, min_size=1, max_size=4).map("/".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ignore")
    subprocess.run(["git", "init", "--quiet"], cwd=made, check=True)
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(RULE, min_size=1, max_size=5), st.lists(PATH, min_size=10, max_size=30))
def test_it_says_what_git_says(folder: Path, rules: list[str], paths: list[str]) -> None:
    text = "\n".join(rules) + "\n"
    (folder / ".gitignore").write_text(text)
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=folder,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    git = set(asked.stdout.split("\n"))
    files = [Ignored.read("", text)]
    assert {path for path in paths if ignored_by(files, path)} == {p for p in paths if p in git}


def test_a_deeper_file_decides_over_one_above() -> None:
    files = [Ignored.read("", "*.log\n"), Ignored.read("hub/", "!keep.log\n")]
    assert ignored_by(files, "hub/other.log")
    assert not ignored_by(files, "hub/keep.log")
    assert ignored_by(files, "keep.log")


def test_a_comment_and_a_blank_line_ignore_nothing() -> None:
    assert not ignored_by([Ignored.read("", "# a\n\n   \n")], "a")


def test_a_hostile_pattern_takes_no_time() -> None:
    files = [Ignored.read("", "a*" * 40 + "b\n" + "**/" * 40 + "x\n")]
    start = time.process_time()
    assert not ignored_by(files, "a" * 3000)
    assert time.process_time() - start < 1
