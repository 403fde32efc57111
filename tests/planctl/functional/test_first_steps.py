"""A repository without an initiative: every command that looks for one names the way."""

from __future__ import annotations

import json

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project


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
