"""A moment of fuzzing for every parser; `make fuzz` takes longer."""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import pytest

from fuzz.mutation import dumped, mutated_bytes, mutated_json
from fuzz.run import fuzz
from fuzz.targets import TARGETS, enveloped
from planctl.models.signing.envelope import parse_envelope
from tests.planctl.functional.conftest import ID, Project


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_parser_raises_its_own_errors_only_and_ends(name: str) -> None:
    said: list[str] = []
    with warnings.catch_warnings():
        # A pattern or picture of chance may be one that Python warns of.
        warnings.simplefilter("ignore")
        assert fuzz(name, 0.4, 1, said.append) == 0, said


def mutations(project: Project, count: int) -> list[bytes]:
    """Return mutations of the step's receipt, by structure and by bytes."""
    (path,) = project.receipts("one")
    whole = path.read_bytes()
    statement: Any = json.loads(parse_envelope(whole, "r").payload)
    random_ = random.Random(count)
    structured = [
        enveloped(dumped(mutated_json(statement, random_))) for _ in range(count * 3 // 4)
    ]
    return structured + [mutated_bytes(whole, random_) for _ in range(count - len(structured))]


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_no_receipt_whatever_stands_in_it_stops_a_verdict(proven: Project, count: int) -> None:
    (path,) = proven.receipts("one")
    original = path.read_bytes()
    proven.repo.git("rm", "--quiet", "--cached", "-r", str(proven.hub / "receipts"))
    proven.repo.git("commit", "--quiet", "--amend", "-m", "evidence without receipts")
    for data in mutations(proven, count):
        path.write_bytes(data)
        for words in (["verify", ID, "--json"], ["why", "A1", "--json"], ["verify", ID, "--times"]):
            code, out, err = proven.call(*words)
            assert code in (0, 1), (data, err)
            assert "\x1b" not in out
    path.write_bytes(original)
    assert proven.verdicts()["one"] == "fresh"
