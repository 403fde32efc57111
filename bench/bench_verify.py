"""What does `planctl verify` cost, beside tools that answer a like question?

Repositories are made with planctl's own records: artifacts of 1 KiB in folders of 64 (each file a
subject of a receipt) and in one folder (one digest and a manifest), a thousand receipts with gates,
and 1 GiB in 200 files. Every figure is CPU time, user and system, of a whole process tree, the
median of some runs; budgets are given for a machine whose bare interpreter takes 12 ms and scaled
by what the bare interpreter takes in this run.

    python bench/bench_verify.py [--sizes 1000 10000 100000] [--runs 5] [--no-peers] [--json FILE]

Ends with 0 when every budget holds and with 1 otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evidence_repositories import (
    ID,
    PLANCTL,
    call,
    environment,
    many_files,
    many_receipts,
    one_folder,
)

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".bench-venv"
REFERENCE_BARE_S = 0.012
BUDGETS_S = {1_000: 0.35, 10_000: 0.45, 100_000: 1.0}
RECEIPTS, RECEIPTS_BUDGET_S = 1_000, 0.6
COLD_FILES, COLD_BYTES, COLD_RATIO = 200, 1 << 30, 1.5
RECORD_BUDGET_S = 0.25
MEMORY_BUDGET_MIB = 150
_MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """One command: CPU seconds of its process tree, and the most memory one process held."""

    cpu_s: float
    spread_s: float
    peak_mib: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        budget_s: For the reference machine; None for a peer. `scaled_s`: for this one.
        ratio: What planctl costs over what this peer costs, on the same files.
    """

    name: str
    size: int
    cpu_s: float
    spread_s: float
    peak_mib: float
    budget_s: float | None = None
    scaled_s: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool:
        """It keeps its budget, if it has one."""
        return self.scaled_s is None or self.cpu_s <= self.scaled_s


class Bench:
    """Runs commands and keeps what they cost.

    Args:
        folder: Where repositories are made.
        runs: How often each command is run.
    """

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.env = environment(folder / "home")
        self.rows: list[Row] = []
        self.notes: list[str] = []
        bare = self.measure(folder, [sys.executable, "-c", "pass"], runs=2 * runs + 1)
        self.bare_s = bare.cpu_s
        self.scale = bare.cpu_s / REFERENCE_BARE_S

    def measure(
        self,
        cwd: Path,
        words: Sequence[str],
        runs: int | None = None,
        ends: tuple[int, ...] = (0,),
        before: Callable[[], None] | None = None,
    ) -> Measured:
        """Run a command some times; return the median of its CPU time."""
        costs: list[float] = []
        peak = 0.0
        for _ in range(runs or self.runs):
            if before is not None:
                before()
            cost, memory = _cost(cwd, words, self.env, ends)
            costs.append(cost)
            peak = max(peak, memory)
        return Measured(statistics.median(costs), max(costs) - min(costs), peak)

    def budgeted(self, name: str, size: int, found: Measured, budget_s: float) -> None:
        """Keep a figure of planctl's with its budget."""
        row = Row(name, size, *_values(found), budget_s=budget_s, scaled_s=budget_s * self.scale)
        self.rows.append(row)
        print(_spelled(row), flush=True)

    def plain(self, name: str, size: int, found: Measured) -> None:
        """Keep a figure of planctl's that nothing was promised of."""
        self.rows.append(Row(name, size, *_values(found)))
        print(_spelled(self.rows[-1]), flush=True)

    def peer(self, name: str, size: int, found: Measured, ours_s: float, note: str = "") -> None:
        """Keep a figure of another tool's."""
        ratio = ours_s / found.cpu_s if found.cpu_s else None
        row = Row(name, size, *_values(found), ratio=ratio, note=note)
        self.rows.append(row)
        print(_spelled(row), flush=True)


def _values(found: Measured) -> tuple[float, float, float]:
    return found.cpu_s, found.spread_s, found.peak_mib


# Starts a command and tells what all its processes cost and the largest of them held.
_WATCH = """\
import json, os, resource, subprocess, sys
ended = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as stream:
    json.dump([ended.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss,
               ended.stderr.decode("utf-8", "replace")[-500:]], stream)
"""


def _cost(
    cwd: Path, words: Sequence[str], env: dict[str, str], ends: tuple[int, ...]
) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MiB of one run of a command with all its children."""
    with tempfile.NamedTemporaryFile("r") as told:
        watch = [sys.executable, "-S", "-c", _WATCH, told.name, *words]
        subprocess.run(watch, cwd=cwd, env=env, check=True)
        code, cpu_s, peak_kib, stderr = json.load(told)
    if code not in ends:
        raise SystemExit(f"{' '.join(map(str, words))[:200]} ended with {code}: {stderr}")
    return cpu_s, peak_kib / 1024


def bench_size(bench: Bench, size: int, peers: dict[str, Path]) -> None:
    """Measure `verify` of some tracked artifacts, in both shapes, and the peers on the same."""
    worst: Measured | None = None
    places: dict[str, Path] = {}
    for shape, make in (("files", many_files), ("folder", one_folder)):
        root = places[shape] = bench.folder / f"{shape}-{size}"
        make(root, size, 1024, bench.env)
        call(root, bench.env, "git", "status", "--short")
        call(root, bench.env, PLANCTL, "verify")
        found = bench.measure(root, [PLANCTL, "verify"])
        bench.budgeted(f"verify, {shape}", size, found, BUDGETS_S[size])
        if worst is None or found.cpu_s > worst.cpu_s:
            worst = found
    assert worst is not None
    root = places["files"]
    reread = bench.measure(root, [PLANCTL, "verify", "--no-cache"], runs=1)
    bench.plain("verify --no-cache", size, reread)
    bench.peer("git status", size, bench.measure(root, ["git", "status"]), worst.cpu_s)
    sums = "analysis/artifact_inventory.sha256"
    hub = next(root.glob("plans/active/*/reports/*/*"))
    check = ["sha256sum", "--check", "--quiet", sums]
    bench.peer("sha256sum -c", size, bench.measure(hub, check), worst.cpu_s, "reads every byte")
    for name, tool in peers.items():
        words, note = _PEERS[name](bench, root, tool)
        call(root, bench.env, *words)
        bench.peer(name, size, bench.measure(root, words), worst.cpu_s, note)
    for place in places.values():
        shutil.rmtree(place)


_DODO = """\
from pathlib import Path
def task_verify():
    files = sorted(str(p) for p in Path("plans").rglob("*.bin"))
    return {"file_dep": files, "actions": ["true"], "verbosity": 0}
"""


def _doit(bench: Bench, root: Path, tool: Path) -> tuple[list[str], str]:
    (root / "dodo.py").write_text(_DODO)
    return [str(tool / "doit"), "run"], "mtime, then md5"


def _dvc(bench: Bench, root: Path, tool: Path) -> tuple[list[str], str]:
    """Put the same files under DVC, in a folder of its own beside git's."""
    place = root / "dvc"
    hub = next(root.glob("plans/active/*/reports/*/*"))
    shutil.copytree(hub / "analysis", place / "data")
    dvc = str(tool / "dvc")
    for words in (("init", "--no-scm", "--quiet"), ("config", "core.analytics", "false")):
        call(place, bench.env, dvc, *words)
    call(place, bench.env, dvc, "add", "--quiet", "data")
    return [dvc, "--cd", str(place), "status"], "its own cache of digests"


_PEERS: dict[str, Callable[[Bench, Path, Path], tuple[list[str], str]]] = {
    "doit": _doit,
    "dvc status": _dvc,
}


def bench_receipts(bench: Bench) -> None:
    """Measure a thousand receipts of a thousand steps in ten phases, each with a gate."""
    root = bench.folder / "receipts"
    many_receipts(root, RECEIPTS, bench.env)
    call(root, bench.env, "git", "status", "--short")
    call(root, bench.env, PLANCTL, "verify")
    found = bench.measure(root, [PLANCTL, "verify"])
    bench.budgeted("verify, receipts with gates", RECEIPTS, found, RECEIPTS_BUDGET_S)
    shutil.rmtree(root)


def bench_cold(bench: Bench) -> None:
    """Measure reading 1 GiB, against hashlib reading the same bytes."""
    root = bench.folder / "cold"
    one_folder(root, COLD_FILES, COLD_BYTES // COLD_FILES, bench.env)
    code = (
        "import hashlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    with open(name, 'rb') as stream: hashlib.file_digest(stream, 'sha256').hexdigest()\n"
    )
    files = sorted(str(path) for path in root.glob("plans/active/*/reports/*/*/analysis/all/*"))
    plain = bench.measure(root, [sys.executable, "-c", code, *files], runs=3)
    found = bench.measure(root, [PLANCTL, "verify", "--no-cache"], runs=3)
    bench.peer("hashlib", COLD_FILES, plain, found.cpu_s, "1 GiB read by Python")
    budget = COLD_RATIO * plain.cpu_s
    row = Row("verify --no-cache, 1 GiB", COLD_FILES, *_values(found), scaled_s=budget)
    bench.rows.append(row)
    print(_spelled(row), flush=True)
    shutil.rmtree(root)


def bench_recording(bench: Bench) -> None:
    """Measure what recording one step costs over its command alone."""
    root = bench.folder / "record"
    one_folder(root, 100, 1024, bench.env)
    command = "python make_files.py 1024 out/all:0:100"
    alone = bench.measure(root, ["bash", "-c", command.replace("python", sys.executable, 1)])
    words = [PLANCTL, "run-phase", ID, "A", "--force"]
    found = bench.measure(root, words)
    over = Measured(found.cpu_s - alone.cpu_s, found.spread_s, found.peak_mib)
    bench.budgeted("record one step, over the command", 1, over, RECORD_BUDGET_S)
    shutil.rmtree(root)


def peers(wanted: bool, notes: list[str]) -> dict[str, Path]:
    """Return the peers from PyPI that could be installed, in a virtual environment of their own."""
    if not wanted:
        notes.append("doit and dvc left out, as asked")
        return {}
    tools = VENV / "bin"
    if not (tools / "dvc").exists():
        install = [str(tools / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
            subprocess.run([*install, "doit", "dvc"], check=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            notes.append(f"doit and dvc left out: PyPI did not give them ({type(error).__name__})")
            return {}
    return dict.fromkeys(_PEERS, tools)


def slopes(rows: Sequence[Row]) -> Iterator[tuple[str, float, float]]:
    """Yield microseconds an artifact between the sizes of each shape."""
    for shape in ("verify, files", "verify, folder"):
        found = sorted((row.size, row.cpu_s) for row in rows if row.name == shape)
        for (small, less), (large, more) in itertools.pairwise(found):
            yield f"{shape}, {small:,} to {large:,}", (more - less) / (large - small) * 1e6, large


def _spelled(row: Row) -> str:
    budget = ""
    if row.scaled_s is not None:
        word = "holds" if row.ok else "OVER"
        asked = "" if row.budget_s is None else f" ({row.budget_s:.2f} on the reference)"
        budget = f"  budget {row.scaled_s:6.2f}{asked} {word}"
    ratio = "" if row.ratio is None else f"  planctl takes {row.ratio:5.2f} times that"
    note = f"  {row.note}" if row.note else ""
    return (
        f"{row.name:34} {row.size:>7,}  {row.cpu_s:7.3f} s ±{row.spread_s / 2:5.2f}"
        f"  {row.peak_mib:6.1f} MiB{budget}{ratio}{note}"
    )


def _told(bench: Bench) -> bool:
    """Print what all rows say together; return whether every budget holds."""
    print()
    for what, slope, _ in slopes(bench.rows):
        print(f"slope: {what}: {slope:.1f} µs of CPU an artifact")
    largest = [row for row in bench.rows if row.name.startswith("verify,") and row.size == 100_000]
    peak = max((row.peak_mib for row in largest), default=0.0)
    memory = peak <= MEMORY_BUDGET_MIB
    if largest:
        word = "holds" if memory else "OVER"
        print(f"peak memory at 100,000: {peak:.0f} MiB, budget {MEMORY_BUDGET_MIB} {word}")
    for note in bench.notes:
        print(f"note: {note}")
    over = [row.name for row in bench.rows if not row.ok]
    print("every budget holds" if memory and not over else f"over budget: {over or 'memory'}")
    return memory and not over


def main() -> int:
    """Measure everything; print a table and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=sorted(BUDGETS_S))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path, default=ROOT / "outputs/bench/verify.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="planctl-bench-") as name:
        bench = Bench(Path(name), asked.runs)
        print(
            f"bare interpreter: {bench.bare_s * 1000:.0f} ms of CPU, "
            f"{bench.scale:.2f} times the reference; budgets are scaled by that"
        )
        tools = peers(not asked.no_peers, bench.notes)
        for size in asked.sizes:
            bench_size(bench, size, tools)
        bench_receipts(bench)
        bench_recording(bench)
        bench_cold(bench)
        holds = _told(bench)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "bare_s": bench.bare_s,
        "scale": bench.scale,
        "rows": [asdict(row) | {"ok": row.ok} for row in bench.rows],
        "slopes_us": {what: slope for what, slope, _ in slopes(bench.rows)},
        "notes": bench.notes,
    }
    asked.json.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {os.path.relpath(asked.json)}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
