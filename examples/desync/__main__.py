"""Replays the bad day twice, without planctl and with it, and prints both columns."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.desync import loops, repository
from examples.desync.counting import Column, Refusals, count, refusals

ROWS = (
    ("turns of the supervisor", "supervisor_turns"),
    ("orders for Phase A after it was complete", "requests"),
    ("  carried out by the engineer", "reached"),
    ("turns of the engineer", "engineer_turns"),
    ("  that added nothing", "redundant_turns"),
    ("runs of Phase A", "runs"),
    ("  wasted", "wasted_runs"),
    ("values that its one number has had", "values"),
    ("rows of the checklist with evidence", "rows"),
)


@dataclass(frozen=True)
class Replay:
    """Both ways the day went.

    Attributes:
        refused: What planctl said to the orders.
        folder: Where both projects are left.
    """

    without: Column
    with_planctl: Column
    refused: Refusals
    seconds: float
    folder: str

    @property
    def ok(self) -> bool:
        """With planctl nothing was wasted, and every repeated order was refused with its reason."""
        good = self.with_planctl
        wasted = good.reached or good.wasted_runs or good.redundant_turns
        asked = good.requests
        return not wasted and 0 < asked == self.refused.orders == self.refused.with_proof

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {"ok": self.ok} | asdict(self)


def replay(folder: Path) -> Replay:
    """Let the day go both ways.

    Args:
        folder: Where the two projects go.
    """
    begin = time.monotonic()
    repository.make(folder / "without")
    loops.plain(folder / "without", folder / "without.journal")
    gate = repository.make(folder / "with")
    journal = folder / "with.journal"
    loops.run(["planctl", "init"], folder / "with", journal)
    repository.add_plan(folder / "with", gate)
    loops.through_planctl(folder / "with", journal)
    return Replay(
        without=count(folder / "without", folder / "without.journal"),
        with_planctl=count(folder / "with", journal),
        refused=refusals(folder / "with"),
        seconds=round(time.monotonic() - begin, 1),
        folder=str(folder),
    )


def table(answer: Replay) -> str:
    """Return both columns as text."""
    width = max(len(name) for name, _ in ROWS) + 2
    lines = [f"{'':{width}}{'without planctl':>17}{'with planctl':>15}"]
    for name, key in ROWS:
        without, other = (getattr(side, key) for side in (answer.without, answer.with_planctl))
        lines.append(f"{name:{width}}{without:>17}{other:>15}")
    told = answer.refused
    lines += [
        "",
        f"planctl refused {told.orders} of {answer.with_planctl.requests} repeated orders, "
        f"{told.with_proof} of them with receipt and commit. The last one:",
        f"  {told.last}",
        "",
        f"{answer.seconds:.0f} s; both repositories: {answer.folder}/without and …/with",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m examples.desync", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--folder", type=Path, help="where the two repositories go")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="desync-"))
    try:
        answer = replay(folder.resolve())
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = error.stderr if isinstance(error.stderr, str) else ""
        print(f"error: {error}\n{said}", file=sys.stderr)
        return 1
    print(json.dumps(answer.as_dict(), indent=2) if chosen.json else table(answer))
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main())
