"""Files are written whole beside somebody who clears away what others left half-written."""

from __future__ import annotations

import threading
from pathlib import Path

from planctl._files import atomic_write
from planctl.ops.leftovers import remove_written_by_halves


def test_a_file_being_written_is_not_cleared_away(tmp_path: Path) -> None:
    target, done = tmp_path / "ledger.md", threading.Event()

    def clear() -> None:
        while not done.is_set():
            remove_written_by_halves([tmp_path])

    cleaners = [threading.Thread(target=clear) for _ in range(2)]
    for cleaner in cleaners:
        cleaner.start()
    try:
        for number in range(300):
            atomic_write(target, f"{number}\n")
            assert target.read_text() == f"{number}\n"
    finally:
        done.set()
        for cleaner in cleaners:
            cleaner.join()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.md"]


def test_what_nobody_writes_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".ledger.md.planctl-abc.tmp").write_text("half")
    (tmp_path / "mine.tmp").write_text("whole")
    remove_written_by_halves([tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.tmp"]
