"""Types of receipts: what is written, what is still read, what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from planctl.errors import ReceiptError
from planctl.models.plan.plan import canonical_json
from planctl.models.receipt import Receipt, parse_receipt, payload_bytes
from tests.planctl.functional.conftest import Project

EARLIER = "https://planctl.dev/run-step/v1"


def statement(project: Project) -> dict[str, Any]:
    text = json.loads(project.receipts("solo")[0].read_text())["payload"]
    found: dict[str, Any] = json.loads(base64.b64decode(text))
    return found


def read(found: dict[str, Any]) -> Receipt:
    return parse_receipt(canonical_json(found), "receipt")


@pytest.fixture
def found(repo: Any, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the Statement of a run."""
    from tests.planctl.functional.conftest import write_project

    write_project(repo)
    project = Project(repo, capsys)
    project.run_phase("--step", "solo")
    return statement(project)


def test_a_statement_is_read_back_as_it_was_written(found: dict[str, Any]) -> None:
    assert payload_bytes(read(found)) == canonical_json(found)


def earlier(found: dict[str, Any]) -> None:
    build, run = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    build["buildType"] = EARLIER
    run["builder"]["id"] = "https://planctl.dev/builder/local/v1"
    del build["internalParameters"]["policy"]
    del run["planctl_run"]["key"]


def test_a_receipt_of_the_earlier_type_is_read_and_its_type_never_written(
    found: dict[str, Any],
) -> None:
    now = read(found)
    earlier(found)
    then = read(found)
    assert then == now
    assert (then.policy, then.key) == ("recorded", None)
    assert EARLIER.encode() not in payload_bytes(then)


def other_type(found: dict[str, Any]) -> None:
    found["predicate"]["buildDefinition"]["buildType"] = "https://example.org/run/v1"


def other_builder(found: dict[str, Any]) -> None:
    found["predicate"]["runDetails"]["builder"]["id"] = "planctl:builder/slurm/v1"


def mixed(found: dict[str, Any]) -> None:
    found["predicate"]["buildDefinition"]["buildType"] = EARLIER


def no_policy(found: dict[str, Any]) -> None:
    del found["predicate"]["buildDefinition"]["internalParameters"]["policy"]


def no_key(found: dict[str, Any]) -> None:
    del found["predicate"]["runDetails"]["planctl_run"]["key"]


def odd_key(found: dict[str, Any]) -> None:
    found["predicate"]["runDetails"]["planctl_run"]["key"] = "a key"


def odd_executor(found: dict[str, Any]) -> None:
    found["predicate"]["buildDefinition"]["internalParameters"]["executor"] = "../x"
    found["predicate"]["runDetails"]["builder"]["id"] = "planctl:builder/../x/v1"


@pytest.mark.parametrize(
    "change", [other_type, other_builder, mixed, no_policy, no_key, odd_key, odd_executor]
)
def test_what_planctl_does_not_write_is_refused(
    change: Callable[[dict[str, Any]], None], found: dict[str, Any]
) -> None:
    change(found)
    with pytest.raises(ReceiptError):
        read(found)
