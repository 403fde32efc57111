"""Requests that ask again in a real summary: told by its blocks, and by a history made of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.fast_import import Content, History
from planctl.cli.app import run
from planctl.models.prose.reading import parse_prose

FIXTURE = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "forward_parity_summary.md"
SUMMARY = "plans/active/FIX-PYTORCH-FORWARD-PARITY-001/summary.md"
# Checked by hand: the nine turns after line 190 (the first complete evidence) that order the same
# evidence again. The order of the first block (line 1) tells to implement something first.
ASKED_AGAIN = [184, 167, 139, 117, 99, 82, 54, 36, 19]
pytestmark = pytest.mark.skipif(not FIXTURE.is_file(), reason="the shared fixture is not here")


@pytest.fixture
def blocks() -> list[str]:
    return re.split(r"(?m)^(?=### Turn)", FIXTURE.read_text("utf-8"))[1:]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[dict[str, object]]]:
    code = run(["audit", "--json", *words])
    out, err = capsys.readouterr()
    assert code == 1, err
    result: dict[str, list[dict[str, object]]] = json.loads(out)
    return result


def test_the_turns_of_a_file_tell_the_nine(
    repo: object, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "--file", str(FIXTURE))
    again = [item for item in found["findings"] if item["kind"] == "requests.repeated"]
    starts = [block.line for block in parse_prose(FIXTURE.read_text("utf-8")).turns]
    lines = [max(start for start in starts if start <= int(str(i["line"]))) for i in again]
    assert lines == ASKED_AGAIN
    assert {item["verdict"] for item in again} == {"line 190"}


@pytest.mark.parametrize("with_evidence", [False, True])
def test_a_history_made_of_the_turns_tells_the_nine(
    blocks: list[str],
    with_evidence: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    history, when = History(tmp_path / "made"), 1_763_000_000
    history.commit({"README.md": "made\n"}, when)
    for at in range(len(blocks) - 1, -1, -1):
        when += 600
        files: dict[str, Content] = {SUMMARY: "".join(blocks[at:])}
        if with_evidence:
            (turn,) = parse_prose(blocks[at]).turns
            files |= {
                claim.path: f"{when}\n"
                for claim in turn.paths
                if claim.evidence and not (claim.folder or claim.glob or claim.path == SUMMARY)
            }
        history.commit(files, when)
    ids = history.close()
    monkeypatch.chdir(history.root)
    found = answer(capsys)
    again = [item for item in found["findings"] if item["kind"] == "requests.repeated"]
    position = {commit: len(blocks) + 1 - number for number, commit in ids.items()}
    starts = [block.line for block in parse_prose(FIXTURE.read_text("utf-8")).turns]
    assert [starts[position[str(item["commit"])]] for item in again] == ASKED_AGAIN
    satisfied = {str(item["verdict"]) for item in again}
    assert satisfied == {ids[len(blocks) + 1 - starts.index(190)][:8]}
