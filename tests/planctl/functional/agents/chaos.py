"""An agent that goes wrong in a way that the seed and its turn decide; it keeps a journal outside.

chaos.py JOURNAL SEED [FAULT…]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

journal, seed, *only = sys.argv[1:]
turn, role = os.environ["PLANCTL_TURN"], os.environ["PLANCTL_ROLE"]
dice = random.Random(f"{seed} {turn} {role}")
token = f"token-{os.environ['PLANCTL_TURN_ID']}"


def note(**what: object) -> None:
    """Write one line where nothing of the repository can lose it."""
    line = json.dumps({"turn": turn, "id": os.environ["PLANCTL_TURN_ID"], "role": role} | what)
    with open(journal, "a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def edit() -> None:
    """Change a source file as an engineer does."""
    name = dice.choice(["one", "two", "solo"])
    if role == "engineer":
        with open(f"src/{name}.txt", "a", encoding="utf-8") as stream:
            stream.write(f"{token}\n")
        note(edited=f"src/{name}.txt", token=token)


def say(text: str) -> None:
    """Leave a summary."""
    Path(os.environ["PLANCTL_SUMMARY"]).write_text(text, "utf-8")


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=False, capture_output=True)


def work() -> None:
    edit()
    say("The brief was read and followed. One source was changed. Nothing else was touched.")


def silent() -> None:
    edit()


def lie() -> None:
    edit()
    say("All 31 tests passed in 2.0s. The file src/never.txt was written. var=3.5e-3 was seen.")


def crash() -> None:
    edit()
    os._exit(dice.choice([1, 2, 77]))


def killed() -> None:
    edit()
    os.kill(os.getpid(), 9)


def hang() -> None:
    edit()
    subprocess.Popen(["sleep", "300"])
    time.sleep(300)


def garbage() -> None:
    edit()
    for _ in range(160):
        sys.stdout.buffer.write(dice.randbytes(1 << 16))
    sys.stdout.flush()
    Path(os.environ["PLANCTL_SUMMARY"]).write_bytes(b"\xff\xfe\x00\x1b]0;x\x07" * 99)


def commits() -> None:
    edit()
    git("add", "src")
    git("commit", "-qm", "ENGINEER AUTO (iter=99999): mine", "--", "src")
    say("The source was changed and put into a commit. It is small. It is done.")


def person() -> None:
    """Somebody else commits meanwhile."""
    edit()
    with open("docs/notes.md", "a", encoding="utf-8") as stream:
        stream.write(f"person {token}\n")
    git("commit", "-qm", "notes", "--", "docs/notes.md")


def forgets_turn() -> None:
    edit()
    Path(".git/planctl/turn.json").unlink(missing_ok=True)
    say("The state was tidied up by hand. It was in the way. It is gone.")


def forgets_all() -> None:
    edit()
    subprocess.run(["rm", "-rf", ".git/planctl"], check=False)


def bends_turn() -> None:
    edit()
    path = Path(".git/planctl/turn.json")
    path.write_text(path.read_text("utf-8").replace('"number": ', '"number": 7'), "utf-8")


def switches() -> None:
    edit()
    git("switch", "-qc", f"away-{turn}-{role}")


def detaches() -> None:
    edit()
    git("checkout", "-q", "--detach")


def forges() -> None:
    receipts = sorted(Path("plans").glob("active/*/reports/*/*/receipts/*.json"))
    if receipts:
        path = dice.choice(receipts)
        path.write_text(path.read_text("utf-8").replace("0", "1", 3), "utf-8")
        note(forged=str(path))


def bad_brief() -> None:
    Path("input.md").write_bytes(dice.randbytes(4000))


def no_brief() -> None:
    Path("input.md").unlink(missing_ok=True)


FAULTS: dict[str, Callable[[], None]] = {
    found.__name__: found
    for found in (
        *(work, silent, lie, crash, killed, hang, garbage, commits, person),
        *(forgets_turn, forgets_all, bends_turn, switches, detaches, forges, bad_brief, no_brief),
    )
}

fault = dice.choice([name for name in FAULTS if not only or name in only])
note(fault=fault)
FAULTS[fault]()
note(ended=fault)
