"""Checks of somebody else's plan on somebody else's files: bombs have limits."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planctl import _bounded
from planctl.models.check import Check
from planctl.models.plan.plan import _typed_check
from planctl.models.receipt import CheckResult
from planctl.ops.checks import run_checks

Ask = Callable[..., CheckResult]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return what asks one check of one file, with a limit of one second of CPU."""
    monkeypatch.setattr(_bounded, "LIMIT_S", 1)
    serve = _bounded._SERVE.replace(
        "serve(*", "import planctl._bounded as b; b.LIMIT_S = 1; serve(*"
    )
    monkeypatch.setattr(_bounded, "_SERVE", serve)

    def asked(content: bytes, **raw: Any) -> CheckResult:
        (tmp_path / "file").write_bytes(content)
        check: Check = _typed_check(raw)  # type: ignore[assignment]
        return run_checks((check,), lambda name: tmp_path / name)[0]

    return asked


BOMBS = [
    (r"(a+)+$", b"a" * 40 + b"b"),
    (r"(a|a)*$", b"a" * 40 + b"b"),
    (r"^(\w+\s?)*$", b"word " * 20 + b"!"),
    (r"\s+$", b" " * 200_000 + b"x"),
]


@pytest.mark.parametrize(("pattern", "text"), BOMBS)
def test_a_pattern_that_never_ends_is_a_check_that_does_not_hold(
    ask: Ask, pattern: str, text: bytes
) -> None:
    began = time.process_time()
    result = ask(text, log="file", matches=pattern)
    assert not result.ok
    assert "was not answered within 1 s of CPU" in result.seen
    assert time.process_time() - began < 5


def test_a_thread_has_the_same_limits(ask: Ask) -> None:
    seen: list[CheckResult] = []
    thread = threading.Thread(
        target=lambda: seen.append(ask(BOMBS[0][1], log="file", not_matches=BOMBS[0][0]))
    )
    thread.start()
    thread.join()
    assert not seen[0].ok
    assert "was not answered within" in seen[0].seen


def test_a_pattern_on_a_large_log_is_answered_in_a_process_of_its_own(ask: Ask) -> None:
    large = b"x\n" * 600_000 + b"loss=0.5\r\n"
    assert ask(large, log="file", matches="^loss=").ok
    assert ask(large, log="file", capture="loss=(.*)$", lt=1).ok


@pytest.mark.parametrize("lines", [b"\n" * 300_000, b"=" * 300_000, b"1 a" * 100_000])
def test_a_log_of_blank_lines_is_read_at_once(ask: Ask, lines: bytes) -> None:
    result = ask(lines + b"\n3 passed in 0.1s\n", tests="file", passed=3)
    assert result.ok, result.seen


DOUBLING = "[@,@][]|" * 60 + "@"


@pytest.mark.parametrize(
    "path",
    [
        DOUBLING,
        "to_array(@)|to_string(@)|" * 60 + "@",
        "(" * 1900 + "a" + ")" * 1900,
        "!" * 3000 + "a",
        "ceil(`1e999`)",
        "[::0]",
        "sum(@)",
        "avg(@)",
        "a[",
        "sort_by(@, &a)",
    ],
)
def test_an_expression_that_has_no_answer_says_so(ask: Ask, path: str) -> None:
    result = ask(json.dumps([10**400, {"a": 1}]).encode(), json="file", path=path, ne=0)
    assert not result.ok
    result.seen.encode()


def test_ordinary_expressions_are_answered(ask: Ask) -> None:
    content = json.dumps([{"a": 1, "b": [1, 2, 3]}, {"a": 2, "b": [4, 5, 6]}]).encode()
    for path, wanted in (("[0].b[0:2] | sum(@)", 3), ("[?a > `1`].b[-1]", 6), ("[1].{x: a}.x", 2)):
        result = ask(content, json="file", path=path, eq=wanted)
        assert result.ok, result.seen


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 50_000, "1" * 5000, "nul", '"\\ud800"', "1e999", "", "\x00", "NaN"],
)
def test_json_that_cannot_be_used_is_a_check_that_does_not_hold(ask: Ask, text: str) -> None:
    result = ask(text.encode(), json="file", path="@", gt=0)
    assert not result.ok
    result.seen.encode()


def png(width: int, height: int) -> bytes:
    """Return a PNG of one colour: a few bytes that decode to many."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 30_000, 60_000])
def test_a_picture_that_would_fill_the_memory_is_not_opened(ask: Ask, side: int) -> None:
    size = (side, side) if side < 60_000 else (2_000_000_000, 2_000_000_000)
    content = (
        png(side, side)
        if side < 30_000
        else png(8, 8).replace(struct.pack(">II", 8, 8), struct.pack(">II", *size))
    )
    result = ask(content, image="file", not_flat=True)
    assert not result.ok
    assert "pixels" in result.seen or "is no picture" in result.seen


def test_a_large_picture_is_looked_at_in_a_process_of_its_own(ask: Ask) -> None:
    result = ask(png(4000, 4000), image="file", not_flat=True)
    assert result.seen == "is one flat colour"


def test_no_program_is_started_for_a_picture(ask: Ask) -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    assert "is no picture" in ask(postscript, image="file", not_flat=True).seen


def test_a_picture_that_is_cut_or_mangled_is_no_picture(ask: Ask) -> None:
    from PIL import Image

    for kind in ("PNG", "GIF", "TIFF", "BMP", "JPEG", "WEBP"):
        stream = io.BytesIO()
        Image.effect_noise((40, 40), 40).convert("RGB").save(stream, kind)
        whole = stream.getvalue()
        for cut in range(0, len(whole), max(1, len(whole) // 25)):
            ask(whole[:cut], image="file", not_flat=True)
            mangled = whole[:cut] + b"\xff\x00\xff" + whole[cut + 3 :]
            ask(mangled, image="file", not_flat=True)


@pytest.mark.parametrize(
    "pattern",
    ["(" * 5000, "(" * 1000 + ")" * 1000, "a{99999999999999999999}", "x" * 5000, "[", "*"],
)
def test_a_pattern_that_is_none_is_refused_with_the_plan(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        _typed_check({"log": "a", "matches": pattern})
