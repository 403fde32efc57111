"""Each kind of check: what it accepts, what it refuses, what it says it saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from planctl.errors import BadFileError
from planctl.models.check import check_kind
from planctl.ops.checks import run_checks

PYTEST_LOG = """\
# planctl log v1
# env:
# step: X-001 A/x
# command: echo 99 passed in 1s # loss=7
# --- output
loss=0.5
loss=0.25
scale: none
=================== 3 passed, 1 skipped, 2 warnings in 7.17s (0:00:07) ===================
# --- end
# exit: 0
"""


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Return a folder with one artifact of each kind."""
    values = {
        "n": 3,
        "x": 0.5,
        "far": 0.56,
        "flag": True,
        "word": "ok",
        "nothing": None,
        "list": [1, 2, 3],
        "pair": [1, 2],
        "bad": [1.0, float("nan")],
        "infinite": float("inf"),
        "endless": int("9" * 400),
        "rows": [{"v": 1.0}, {"v": 0.0}],
        "zeros": [0, 0.0],
    }
    (tmp_path / "a.json").write_text(json.dumps(values))
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "x.log").write_text(PYTEST_LOG)
    (tmp_path / "plain.log").write_text("1 failed, 2 passed in 0.10s\n")
    (tmp_path / "error.log").write_text("=== 2 passed, 1 error in 0.10s ===\n")
    (tmp_path / "none.log").write_text("no tests ran in 0.01s\n")
    (tmp_path / "skipped.log").write_text("= 4 skipped in 0.01s =\n")
    (tmp_path / "two.log").write_text("= 9 passed in 1.00s =\n= 1 failed in 0.01s =\n")
    (tmp_path / "same.json").write_bytes((tmp_path / "a.json").read_bytes())
    Image.new("RGB", (4, 3), (9, 9, 9)).save(tmp_path / "flat.png")
    uneven = Image.new("L", (4, 3), 9)
    uneven.putpixel((0, 0), 20)
    uneven.save(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    return tmp_path


def ask(hub: Path, raw: dict[str, Any]) -> tuple[bool, str]:
    """Ask one check; return whether it holds and what was seen."""
    kind = check_kind(raw)
    assert kind is not None

    def resolve(name: str) -> Path:
        if name == "unrecorded":
            raise BadFileError(name, "was not recorded")
        return hub / name

    (result,) = run_checks((kind.model_validate(raw),), resolve)  # type: ignore[arg-type]
    return result.ok, result.seen


def a(path: str, **compare: Any) -> dict[str, Any]:
    """Return a JSON check."""
    return {"json": "a.json", "path": path, **compare}


def log(capture: str, **compare: Any) -> dict[str, Any]:
    """Return a check of a value in a log."""
    return {"log": "x.log", "capture": capture, **compare}


OF_X = {"json": "a.json", "path": "x"}

HOLD = [
    a("n", gt=2.99),
    a("n", ge=3),
    a("n", le=3),
    a("n", lt=3.01),
    a("n", eq=3),
    a("word", eq="ok"),
    a("flag", eq=True),
    a("n", ne=4),
    a("list", gt=0, lt=4),
    a("rows[*].v", ge=0),
    a("list", finite=True),
    a("far", within=0.11, of=OF_X),
    a("x", within=0.11, of={"json": "a.json", "path": "far"}),
    a("x", same_as={"log": "x.log", "capture": "^loss=(0.5)"}),
    a("pair", same_as={"json": "same.json", "path": "pair"}),
    a("zeros", within=0.1, of={"json": "a.json", "path": "zeros"}),
    log("^loss=(.*)$", eq=0.25),
    log("scale: (.*)", eq="none"),
    {"log": "x.log", "matches": "^loss=0.5$"},
    {"log": "x.log", "matches": "loss", "not_matches": "nan"},
    {"log": "x.log", "not_matches": "echo|exit: 0"},
    {"image": "good.png", "not_flat": True},
    {"same": ["a.json", "same.json"]},
    {"file": "a.json"},
    {"tests": "x.log", "passed": 3, "skipped": 1},
]

REFUSED = [
    (a("n", gt=3), "3 is not > 3"),
    (a("n", ge=3.01), "3 is not ≥ 3.01"),
    (a("n", le=2.99), "3 is not ≤ 2.99"),
    (a("n", lt=3), "3 is not < 3"),
    (a("n", eq=4), "3 is not 4"),
    (a("n", eq="3"), '3 is not "3"'),
    (a("flag", eq=1), "true is not 1"),
    (a("flag", ge=0), "true is no number"),
    (a("n", ne=3), "is 3"),
    (a("word", gt=0), '"ok" is no number'),
    (a("list", gt=1), "1 is not > 1"),
    (a("rows[*].v", gt=0), "0 is not > 0"),
    (a("bad", finite=True), "nan is not finite"),
    (a("bad", ge=0), "nan is not finite"),
    (a("infinite", gt=0), "inf is not finite"),
    (a("endless", gt=0), "is not finite"),
    (a("missing", ne=0), "`missing` is not there"),
    (a("nothing", ne=0), "`nothing` is not there"),
    (a("rows[*].w", ne=0), "`rows[*].w` is not there"),
    (a("rows[?v > `9`]", ne=0), "is not there"),
    (a("[", ne=0), "is no JMESPath"),
    (a("far", within=0.1, of=OF_X), "0.56 is not within 0.1 of 0.5"),
    (a("list", same_as={"json": "a.json", "path": "pair"}), "3 values against 2"),
    (a("list", same_as={"json": "a.json", "path": "n"}), "1 is not 3"),
    ({"json": "x.log", "path": "n", "gt": 0}, "is not JSON"),
    ({"json": "deep.json", "path": "n", "gt": 0}, "is not JSON"),
    ({"json": "unrecorded", "path": "n", "gt": 0}, "was not recorded"),
    ({"json": "gone.json", "path": "n", "gt": 0}, "cannot be read"),
    (log("loss=(7)", eq=7), "nothing matches"),
    (log("loss=(.*)", eq=0.5), "0.25 is not 0.5"),
    (log("scale: (.*)", gt=0), '"none" is no number'),
    ({"log": "x.log", "matches": "99 passed"}, "nothing matches"),
    ({"log": "x.log", "not_matches": "skipped"}, "holds `skipped`"),
    ({"image": "flat.png", "not_flat": True}, "one flat colour"),
    ({"image": "text.png", "not_flat": True}, "is no picture"),
    ({"image": "gone.png", "not_flat": True}, "cannot be read"),
    ({"same": ["a.json", "x.log"]}, "differ"),
    ({"file": "empty"}, "has 0 bytes, fewer than 1"),
    ({"tests": "x.log", "passed": 4, "skipped": 1}, "wanted 4 passed"),
    ({"tests": "x.log", "passed": 3}, "0 skipped at most"),
    ({"tests": "plain.log", "passed": 1}, "1 failed"),
    ({"tests": "error.log", "passed": 1}, "1 error"),
    ({"tests": "none.log", "passed": 1}, "no closing line"),
    ({"tests": "skipped.log", "passed": 1, "skipped": 9}, "4 skipped"),
    ({"tests": "two.log", "passed": 1}, "1 failed"),
]


@pytest.mark.parametrize("raw", HOLD, ids=str)
def test_a_check_that_holds(hub: Path, raw: dict[str, Any]) -> None:
    ok, seen = ask(hub, raw)
    assert ok, seen


@pytest.mark.parametrize(("raw", "says"), REFUSED, ids=str)
def test_a_check_that_does_not_hold_says_what_was_seen(
    hub: Path, raw: dict[str, Any], says: str
) -> None:
    ok, seen = ask(hub, raw)
    assert not ok
    assert says in seen
