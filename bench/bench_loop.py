"""What do the questions of the loop cost in a repository of many initiatives and turns?

The repository has 200 initiatives with evidence, five turns each (1,000 records, summary blocks and
commits) and a ledger of 200 items, all written by planctl's own functions. Every figure is CPU
time, user and system, of a whole process tree, the median of some runs; budgets are given for a
machine whose bare interpreter takes 12 ms and scaled by what it takes in this run.

    python bench/bench_loop.py [--initiatives 200] [--turns 5] [--runs 5] [--json FILE]

Ends with 0 when every budget holds and with 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench_verify import Bench, Measured
from evidence_repositories import PLANCTL, call
from loop_repository import Size, make

ROOT = Path(__file__).resolve().parents[1]
# Command → CPU seconds on the reference; None where nothing was promised.
ASKED: tuple[tuple[tuple[str, ...], float | None], ...] = (
    (("status",), 0.6),
    (("ledger", "next"), 0.6),
    (("brief", "--out", "-"), 0.8),
    (("verify",), None),
    (("ledger", "check"), None),
    (("dwell", "LOOP-004"), None),
)
MCP_BUDGET_S = 0.2
_ROUNDS = 10


def ask_commands(bench: Bench, root: Path, size: int) -> None:
    """Measure each command, and `git status` on the same files."""
    peer = bench.measure(root, ["git", "status"])
    for words, budget_s in ASKED:
        call_any = [PLANCTL, *words]
        bench.measure(root, call_any, runs=1, ends=(0, 1))  # git's index and the facts are warm
        found = bench.measure(root, call_any, ends=(0, 1))
        name = " ".join(words)
        if budget_s is not None:
            bench.budgeted(name, size, found, budget_s)
        else:
            bench.plain(name, size, found)
    bench.peer("git status", size, peer, bench.rows[0].cpu_s, "beside planctl status")


def ask_server(bench: Bench, root: Path, size: int) -> None:
    """Measure what one answer of `planctl mcp` to `status` costs its server, after the first."""
    if importlib.util.find_spec("mcp") is None:
        bench.notes.append("mcp left out: its SDK is not installed")
        return
    costs = asyncio.run(_rounds(root, bench.env))
    found = Measured(statistics.median(costs), max(costs) - min(costs), 0.0)
    bench.budgeted("mcp: status, after the first", size, found, MCP_BUDGET_S)


async def _rounds(root: Path, env: dict[str, str]) -> list[float]:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    server = StdioServerParameters(command=PLANCTL, args=["mcp"], env=env, cwd=root)
    costs: list[float] = []
    with Path(os.devnull).open("w") as nowhere:
        async with Client(stdio_client(server, errlog=nowhere)) as client:
            for _ in range(_ROUNDS + 1):
                before = _children_s()
                answer = await client.call_tool("status", {})
                assert not answer.is_error, answer
                costs.append(_children_s() - before)
    return costs[1:]


def _children_s() -> float:
    """Return the CPU seconds of this process's children and of what they waited for."""
    ticks = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while the folder was read
        if int(fields[1]) == os.getpid():
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure everything; print a table and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--initiatives", type=int, default=Size.initiatives)
    parser.add_argument("--turns", type=int, default=Size.turns)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=ROOT / "outputs/bench/loop.json")
    asked = parser.parse_args()
    size = asked.initiatives * asked.turns
    with tempfile.TemporaryDirectory(prefix="planctl-bench-") as name:
        bench = Bench(Path(name), asked.runs)
        print(
            f"bare interpreter: {bench.bare_s * 1000:.0f} ms of CPU, "
            f"{bench.scale:.2f} times the reference; budgets are scaled by that"
        )
        root = bench.folder / "loop"
        make(root, Size(asked.initiatives, asked.turns), bench.env)
        call(root, bench.env, "git", "status", "--short")
        ask_commands(bench, root, size)
        ask_server(bench, root, size)
    for note in bench.notes:
        print(f"note: {note}")
    over = [row.name for row in bench.rows if not row.ok]
    print("every budget holds" if not over else f"over budget: {', '.join(over)}")
    _write(asked.json, bench)
    return 1 if over else 0


def _write(path: Path, bench: Bench) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "bare_s": bench.bare_s,
        "scale": bench.scale,
        "git": subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.strip(),
        "rows": [asdict(row) | {"ok": row.ok} for row in bench.rows],
        "notes": bench.notes,
    }
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
