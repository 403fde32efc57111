from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from planctl._redaction import Redactor
from planctl.executors import JobResult
from planctl.ops.run_log import LogFile, LogHeader, body, header_text, trailer_text

WHEN = dt.datetime(2025, 11, 14, 2, 48, tzinfo=dt.UTC)
RESULT = JobResult(0, False, False, WHEN, WHEN, 1.5, 3 * 1024 * 1024)


def header(command: str = "echo hi", **changes: object) -> LogHeader:
    values: dict[str, object] = {
        "step": "X-001 A/say",
        "env": {"HUB": "hub", "OUT": "out"},
        "command": command,
        "expanded": command,
        "commit": "a" * 40,
        "branch": "main",
        "dirty": (),
        "cwd": ".",
        "started": WHEN,
    }
    return LogHeader(**(values | changes))  # type: ignore[arg-type]


def written(path: Path, pieces: list[bytes], head: LogHeader | None = None) -> bytes:
    log = LogFile(path, Redactor())
    log.begin(head or header())
    for piece in pieces:
        log.write(piece)
    log.finish(RESULT)
    return log.path.read_bytes()


def test_the_environment_comes_first() -> None:
    lines = header_text(header()).splitlines()
    assert lines[:4] == ["# planctl log v1", "# env:", "#   HUB=hub", "#   OUT=out"]


def test_every_header_line_is_a_comment_whatever_the_values_hold() -> None:
    text = header_text(
        header(
            "echo a\n# --- output\nrm -rf x",
            expanded="echo b\n# --- output",
            env={"A": "1\n# --- output\n2"},
            branch="b\x1b[31m",
            dirty=("a\nb", "c\rd"),
        )
    )
    assert all(line.startswith("# ") for line in text.splitlines())
    assert text.count("\n# --- output\n") == 1
    assert "\x1b" not in text


def test_many_dirty_paths_are_counted_and_cut() -> None:
    text = header_text(header(dirty=tuple(f"f{i}" for i in range(70))))
    assert "# dirty: 70 paths" in text
    assert "#   and 20 more" in text
    assert text.count("#   f") == 50


@pytest.mark.parametrize("output", [b"", b"one\n", b"one", b"\xff\x00\n", b"# --- output\nx\n"])
def test_the_body_is_the_raw_output(tmp_path: Path, output: bytes) -> None:
    found = body(written(tmp_path / "a.log", [output]))
    assert found in (output, output + b"\n")


def test_an_output_that_looks_like_a_trailer_does_not_end_the_body(tmp_path: Path) -> None:
    output = b"a\n# --- end\n# exit: 0\nb\n"
    assert body(written(tmp_path / "a.log", [output])) == output


def test_the_command_in_the_header_is_not_part_of_the_body(tmp_path: Path) -> None:
    data = written(tmp_path / "a.log", [b"nothing\n"], header("echo Model bundle saved"))
    assert b"Model bundle saved" not in body(data)


def test_a_foreign_log_is_its_own_body() -> None:
    assert body(b"1 passed in 0.1s\n") == b"1 passed in 0.1s\n"


def test_a_log_cut_by_a_kill_gives_what_was_written(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", Redactor())
    log.begin(header())
    log.write(b"epoch 1\nepo")
    log.abandon()
    assert body(log.path.read_bytes()) == b"epoch 1\nepo"
    assert body(header_text(header()).encode()[:60]) == b""


def test_a_taken_name_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "green" / "a.log"
    written(path, [b"first\n"])
    taken = frozenset([(tmp_path / "green/a_v2.log").as_posix()])
    log = LogFile(path, Redactor(), taken)
    log.abandon()
    assert log.path.name == "a_v3.log"
    assert b"first" in path.read_bytes()


def test_a_name_another_process_took_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_text("theirs")
    answers = iter([tmp_path / "a.log", tmp_path / "a_v2.log"])
    monkeypatch.setattr("planctl.ops.run_log.free_name", lambda path, taken: next(answers))
    log = LogFile(tmp_path / "a.log", Redactor())
    log.abandon()
    assert log.path.name == "a_v2.log"
    assert (tmp_path / "a.log").read_text() == "theirs"


def test_secrets_in_header_values_are_taken_out(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", Redactor(["hunter2"]))
    log.begin(header("curl -H hunter2", env={"KEY": "hunter2"}))
    log.finish(RESULT)
    assert b"hunter2" not in log.path.read_bytes()


def test_the_trailer_gives_memory_in_mebibytes() -> None:
    assert "# peak memory: 3.0 MiB\n" in trailer_text(RESULT)


def test_the_trailer_names_time_limit_and_left_processes() -> None:
    result = JobResult(124, True, False, WHEN, WHEN, 60.0, 0, left_behind=True)
    text = trailer_text(result)
    assert "# exit: 124 (time limit)\n# duration: 60.00 s\n# peak memory: less" in text
    assert "# left behind" in text
    assert text.endswith("# finished: 2025-11-14T02:48:00Z\n")
