"""The project's reconstruction beside pty-chi, PtyLab, CDTools and py4DSTEM, in one run.

Every package runs on one thread in an environment of its own, made by `bench/peers/install.py`,
from the same counts, probe and positions and the flat object, with settings tuned in its favour
(`bench/peers/methods.py`). CPU seconds are those of its own passes, without imports, reading and
set-up. All objects are judged by the same code.

    python bench/peers/install.py
    python bench/bench_peers.py [--peers FOLDER] [--data FOLDER] [--only TASK …] [--json FILE]

Ends with 0 when everything ran, with 1 when a package failed, and with 4 when environments or
data are absent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

from install import FOLDER, PACKAGES, interpreter
from methods import RUN1084, STARS

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
TASKS = ("true", "star", "photons", "scenes")


def main() -> int:
    """Check that everything is there, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--peers", type=Path, default=FOLDER)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--json", type=Path, default=Path("outputs/bench/peers.json"))
    options = parser.parse_args()
    if absent := _absent(options.peers, options.data):
        print(absent, file=sys.stderr)
        return 4
    return _compare(options.peers, options.data, options.only, options.json)


def _compare(peers: Path, data: Path, only: Sequence[str], target: Path) -> int:
    """Run the tasks, print a row as soon as it is known, and write JSON and picture."""
    import torch
    from picture import draw_curves
    from tasks import TASKS as FUNCTIONS
    from tasks import Runs

    torch.set_num_threads(1)
    runs = Runs(peers, data)
    rows = []
    for name in only:
        for row in FUNCTIONS[name](runs):
            rows.append(row)
            print(row.line(), flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    measured = {"rows": [asdict(row) for row in rows], "curves": runs.curves}
    target.write_text(json.dumps(measured, indent=1) + "\n")
    for task, curves in runs.curves.items():
        picture = target.with_name(f"peers_{task}.png")
        draw_curves(picture, curves, runs.levels[task])
        print(f"picture: {picture}")
    for failure in runs.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if runs.failures else 0


def _absent(peers: Path, data: Path) -> str | None:
    """Say what is missing and how to get it, if anything is."""
    if none := [peer for peer in PACKAGES if not interpreter(peers, peer).exists()]:
        return (
            f"bench-peers: no environment of {', '.join(none)} in {peers}\n"
            f"hint: python bench/peers/install.py {peers}   (downloads the packages from PyPI)"
        )
    if none := [name for name in (RUN1084, *STARS) if not (data / name).exists()]:
        return f"bench-peers: {', '.join(none)} not in {data}\nhint: give --data FOLDER"
    return None


if __name__ == "__main__":
    sys.exit(main())
