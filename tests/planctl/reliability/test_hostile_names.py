"""Names and texts that would drive a terminal, in every output; odd names that must simply work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl._terminal import TerminalFilter
from tests.planctl.functional.conftest import ID, Project

pytestmark = pytest.mark.timeout(120)
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egnp.exe"
"""Sets a title, clears the screen, colours by an 8-bit code, deletes, turns text around."""
FORBIDDEN = ("\x1b", "\x07", "\x9b", "\x7f", "\u202e", "\x08", "\x00")


def assert_quiet(*texts: str) -> None:
    """Nothing in a text drives a terminal, or stops it from being written."""
    for text in texts:
        for char in FORBIDDEN:
            assert char not in text, text
        text.encode()


@pytest.fixture
def evil(project: Project) -> Project:
    """Return a project in which everything that can be named is named to harm."""
    for folder in ("src", "out", "docs"):
        (project.root / folder).mkdir(exist_ok=True)
        (project.root / folder / f"a {EVIL}.txt").write_text("x\n")
    name = f"plans/active/X-001/reports/2025-11-13T000000Z/small/cli/{EVIL}.log"
    project.repo.write(name, EVIL)
    project.edit("title: A small project", f'title: "{escaped(EVIL)}"')
    project.edit("- id: solo\n", f'- id: solo\n        title: "{escaped(EVIL)}"\n')
    project.edit("run: echo solo", "run: printf '%s' \"$EVIL\"; ls src; cat docs/a*; exit 3")
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/**"]')
    project.edit("env: { OUT: out }", f'env: {{ OUT: out, EVIL: "{escaped(EVIL)}" }}')
    project.repo.git("commit", "--quiet", "--allow-empty", "-m", f"subject {EVIL}")
    project.repo.git("add", "--all")
    project.repo.git("-c", f"user.name={EVIL.replace(chr(0), '')}", "commit", "-qm", EVIL)
    return project


def escaped(text: str) -> str:
    """Spell a text for a YAML string in double quotes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\u{ord(c):04x}" for c in text)


COMMANDS = [
    ["verify"],
    ["verify", ID, "--times"],
    ["why", "A3"],
    ["status"],
    ["ledger", "show"],
    ["summary", ID],
    ["verify", f"no-{EVIL}"],
    ["why", EVIL],
    [EVIL],
    ["run-phase", ID, EVIL],
    ["run-phase", ID, "A", f"--{EVIL}"],
    ["ledger", "attempt", ID, EVIL],
    ["block", ID, "--reason", EVIL],
    ["hub", "new", ID, "--slug", EVIL],
]


def test_no_output_drives_the_terminal(evil: Project) -> None:
    code, out, err = evil.call("run-phase", ID, "A", "--json")
    assert code == 1
    assert_quiet(out, err)
    assert "\\x1b]0;owned" in err
    assert "\\u001b" in evil.call("verify", ID, "--json")[1]
    for words in COMMANDS:
        for extra in ([], ["--json"]):
            code, out, err = evil.call(*words, *extra)
            assert code in (0, 1, 2, 4), (words, err)
            assert_quiet(out, err)
            if extra and code in (0, 1):
                json.loads(out)
    for path in (evil.root / "docs/fix_plan.md", *evil.hub.rglob("*.md")):
        assert_quiet(path.read_text())


def test_colours_and_progress_pass_and_the_log_has_every_byte(project: Project) -> None:
    shown = "\x1b[31mred\x1b[0m 50%\r\x1b[K100%\x1b[1A"
    project.repo.write("src/shown.txt", f"{shown}\x1b]52;c;ZXZpbA==\x07\n")
    project.edit("run: echo solo", "run: cat src/shown.txt")
    code, _, err = project.call("run-phase", ID, "A", "--step", "solo")
    assert code == 0, err
    assert f"{shown}\\x1b]52;c;ZXZpbA==\\x07" in err
    assert b"\x1b]52;c;ZXZpbA==\x07" in (project.hub / "green/solo.log").read_bytes()


@given(st.binary(), st.lists(st.integers(0, 20), max_size=6))
def test_output_in_pieces_is_shown_as_in_one(data: bytes, cuts: list[int]) -> None:
    whole = TerminalFilter()
    expected = whole.feed(data) + whole.close()
    pieces, shown, rest = TerminalFilter(), b"", data
    for cut in cuts:
        shown += pieces.feed(rest[:cut])
        rest = rest[cut:]
    shown += pieces.feed(rest) + pieces.close()
    assert shown == expected
    assert not set(shown) & set(b"\x00\x07\x0b\x7f")


@pytest.mark.parametrize(
    "name",
    [
        "with 'quotes' and \"more\"",
        "line\nbreak",
        "back\\slash",
        "-rf",
        "$HOME",
        "*[a]?",
        ":(glob)x",
        "é",
        "e\u0301",
        "x" * 250,
        ".hidden",
        "nul\x01\x1b[31m",
        "\u202eright",
    ],
)
def test_inputs_of_any_name_are_recorded_and_seen_to_change(project: Project, name: str) -> None:
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/odd/**"]')
    place = project.repo.write(f"src/odd/{name}", "1\n")
    project.repo.commit("odd")
    project.run_phase("--step", "solo")
    assert project.verdicts()["solo"] == "fresh"
    place.write_text("2\n")
    assert project.verdicts()["solo"] == "stale"
    _, out, err = project.call("verify", ID)
    assert_quiet(out, err)


def test_an_input_whose_name_is_not_utf8_is_refused_by_name(project: Project) -> None:
    project.edit("inputs: [src/solo.txt]", 'inputs: ["src/**"]')
    Path(os.fsdecode(b"src/caf\xe9")).write_text("1\n")
    code, out, err = project.call("run-phase", ID, "A", "--step", "solo", "--json")
    assert code == 4
    assert "is not UTF-8" in err
    assert_quiet(out, err)
    assert project.call("verify", ID)[0] == 1


def test_names_that_differ_only_in_case_or_form_are_kept_apart(project: Project) -> None:
    names = ["Plot.txt", "plot.txt", "caf\u00e9.txt", "cafe\u0301.txt"]
    made = "; ".join(
        f"echo {i} > '$OUT/p/{name}'".replace("'$OUT", '"$OUT"\'') for i, name in enumerate(names)
    )
    project.edit("run: echo solo", f"run: mkdir -p $OUT/p; {made}")
    project.edit(
        "inputs: [src/solo.txt]",
        "inputs: [src/solo.txt]\n        collect: [{ from: $OUT/p, to: analysis/p }]",
    )
    project.run_phase("--step", "solo")
    assert {path.name for path in (project.hub / "analysis/p").iterdir()} == set(names)
    project.repo.commit("evidence")
    assert project.verdicts()["solo"] == "fresh"
    (project.hub / "analysis/p/Plot.txt").write_text("9\n")
    assert project.verdicts()["solo"] == "modified"


def run_as_process(
    project: Project, *words: str, **options: object
) -> subprocess.CompletedProcess[bytes]:
    main = [sys.executable, "-c", "from planctl.cli.app import main; main()"]
    return subprocess.run([*main, *words], cwd=project.root, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_an_output_without_room_or_reader_is_not_a_yes(proven: Project) -> None:
    with open("/dev/full", "wb") as full:
        for words in (("verify", ID), ("verify", ID, "--json"), ("--help",)):
            done = run_as_process(proven, *words, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 4, words
            assert b"No space left on device" in done.stderr
        done = run_as_process(proven, "verify", "X-002", stdout=full, stderr=full)
        assert done.returncode == 4
    for words in (("verify", ID), ("verify", ID, "--json")):
        reading, writing = os.pipe()
        os.close(reading)
        done = run_as_process(proven, *words, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b""), words


def test_a_run_whose_listener_went_away_is_recorded_all_the_same(project: Project) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_as_process(project, "run-phase", ID, "A", stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    assert done.returncode == 0
    assert set(project.verdicts().values()) == {"fresh"}


@pytest.mark.slow
def test_closed_and_narrow_outputs_end_nothing(proven: Project) -> None:
    main = f"{sys.executable} -c 'from planctl.cli.app import main; main()'"
    for tail in (">&-", ">&- 2>&-", "<&-"):
        shell = ["bash", "-c", f"{main} verify {ID} {tail}"]
        done = subprocess.run(shell, cwd=proven.root, check=False, capture_output=True)
        assert done.returncode == 0, (tail, done.stderr)
    proven.repo.write("src/café-\u2603.txt", "x")
    narrow = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for words in (("verify", ID), ("verify", ID, "--json")):
        done = run_as_process(proven, *words, env=narrow, capture_output=True)
        assert done.returncode == 0, done.stderr
        done.stdout.decode("ascii")
