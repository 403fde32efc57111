"""An agent for tests: does what its arguments say, in order, then ends with 0.

    save PATH             what it reads on stdin goes to a file
    write PATH TEXT       a file gets this text
    append PATH TEXT      a file gets more text
    say TEXT              a line on its output
    summary TEXT          its summary of the turn
    planctl WORDS         a planctl command
    sh TEXT               a shell command
    sleep SECONDS
    die CODE
    garbage BYTES         bytes of all kinds, escapes among them
    first WORD ARG…       only in the first run of this repository (a file in .git tells)

Actions are separated by `--`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

GARBAGE = bytes(range(256)) + b"\x1b]0;title\x07\x1b[2J\xe2\x80\xae\n"


def planctl(words: str) -> None:
    code = "import sys; from planctl.cli.app import run; sys.exit(run(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, *words.split()], check=False)


def write(path: str, text: str, mode: str = "w") -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open(mode, encoding="utf-8") as stream:
        stream.write(text.replace("\\n", "\n"))


def say(text: str) -> None:
    print(text.replace("\\n", "\n"), flush=True)


def garbage(count: str) -> None:
    sys.stdout.buffer.write((GARBAGE * (int(count) // len(GARBAGE) + 1))[: int(count)])
    sys.stdout.flush()


def first(*words: str) -> None:
    mark = Path(".git") / f"agent-was-here-{os.environ['PLANCTL_ROLE']}"
    if not mark.exists():
        mark.touch()
        act(*words)


ACTIONS: dict[str, Callable[..., object]] = {
    "save": lambda path: write(path, sys.stdin.read()),
    "write": write,
    "append": lambda path, text: write(path, text, "a"),
    "say": say,
    "summary": lambda text: write(os.environ["PLANCTL_SUMMARY"], text),
    "planctl": planctl,
    "sh": lambda text: subprocess.run(["bash", "-c", text], check=True),
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "die": lambda code: os._exit(int(code)),
    "garbage": garbage,
    "first": first,
}


def act(word: str, *rest: str) -> None:
    ACTIONS[word](*rest)


for last, words in groupby(sys.argv[1:], lambda item: item == "--"):
    if not last:
        act(*words)
