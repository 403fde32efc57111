"""A repository without an initiative: every command that looks for one names the way."""

from __future__ import annotations

import json

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project


@pytest.fixture
def fresh(
    repo: Repo, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Return a repository after `planctl init`, with everything committed."""
    monkeypatch.chdir(repo.root)
    project = Project(repo, capture)
    assert project.call("init")[0] == 0
    repo.commit("planctl")
    return project


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ledger", "next"), 1),
        (("turn", "open"), 4),
        (("brief",), 4),
        (("loop", "-n", "1", "--engineer", "true"), 1),
    ],
)
def test_without_an_initiative_the_way_to_the_first_is_named(
    fresh: Project, words: tuple[str, ...], expected: int
) -> None:
    code, out, err = fresh.call(*words)
    assert code == expected, out + err
    assert "there is no initiative yet" in out + err
    assert "planctl new ID" in out + err
    assert "done: " not in out + err


def test_ledger_next_names_the_way_to_the_first_as_its_command(fresh: Project) -> None:
    code, out, _ = fresh.call("ledger", "next", "--json")
    assert code == 1
    assert json.loads(out)["command"] == "planctl new ID"


def test_an_attempt_without_words_is_refused(project: Project) -> None:
    code, _, err = project.call("ledger", "attempt", ID, " ")
    assert code == 2
    assert "an attempt needs words" in err


def test_a_focus_that_is_not_blocked_is_named_once(project: Project) -> None:
    _, out, _ = project.call("unblock", ID)
    assert out.count(ID) == 1, out


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
@pytest.mark.parametrize("words", [("brief", "--check", "no.md"), ("turn", "close", "no.md")])
def test_a_file_that_cannot_be_read_comes_with_the_way_out(
    project: Project, words: tuple[str, ...], content: bytes | None
) -> None:
    if content is not None:
        (project.root / "no.md").write_bytes(content)
    project.call("turn", "open", ID)
    code, _, err = project.call(*words)
    assert code == 4
    assert "no.md" in err
    assert "hint:" in err


def test_a_hook_in_another_language_comes_with_what_to_do(project: Project) -> None:
    hook = project.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/usr/bin/env python3\nprint('mine')\n")
    hook.chmod(0o755)
    code, out, _ = project.call("hooks", "install")
    assert code == 1
    assert "let it run what the line below runs" in out


def test_what_cannot_name_an_initiative_is_not_advised(project: Project) -> None:
    _, _, err = project.call("turn", "open", "../x")
    assert "no initiative `../x`" in err
    assert "planctl new ../x" not in err
    assert "planctl new ID" in err
