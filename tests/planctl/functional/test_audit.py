"""`planctl audit` on histories whose truth is known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from planctl.cli.app import run
from tests.planctl.functional.audit_story import Story

ROUNDS = 15


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Story]:
    root = tmp_path_factory.mktemp("story")
    told = Story(root)
    told.tell(ROUNDS)
    told.history.close()
    return root, told


def audited(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run the command in a repository and return its result."""
    before = Path.cwd()
    os.chdir(root)
    try:
        code = run(["audit", "--json", *words])
    finally:
        os.chdir(before)
    out, err = capsys.readouterr()
    assert code in (0, 1), err
    result: dict[str, Any] = json.loads(out)
    assert code == (0 if result["ok"] else 1)
    return result


def totals(result: dict[str, Any]) -> dict[str, tuple[int, int | None]]:
    return {item["key"]: (item["count"], item["of"]) for item in result["totals"]}


def test_every_total_of_a_known_history_is_exact(
    story: tuple[Path, Story], capsys: pytest.CaptureFixture[str]
) -> None:
    root, told = story
    found = totals(audited(root, capsys))
    wrong = {}
    for key, number in told.truth.items():
        if key.endswith(".of"):
            continue
        if found[key][0] != number:
            wrong[key] = (found[key], number)
        whole = told.truth.get(f"{key}.of")
        if whole is not None and found[key][1] != whole:
            wrong[f"{key}.of"] = (found[key], whole)
    assert not wrong
    assert found["metrics.spread"] == (1, 2)
    assert found["statuses.ordered_again"] == (1, None)
    assert found["unreadable"][0] == 0
    assert found["citations.absent"] == (
        told.truth["citations.absent"],
        told.truth["citations.cited"],
    )
