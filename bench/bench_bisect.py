"""How long `planctl bisect` takes over a long history: CPU seconds beside `git log --raw`.

Builds a repository of N commits in a temporary folder: one initiative of three steps, evidence
recorded by planctl itself every so often, edits of inputs, documents, and merges in between.

    python bench/bench_bisect.py [--commits 1000] [--every 25]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PLAN = """\
schema: planctl/plan/v1
id: BENCH-001
title: A long history
hub: 2026-01-01T000000Z/bench
phases:
  A:
    title: Everything
    gate: "GATE"
    inputs: ["src/**"]
    steps:
      - { id: make, rows: [A1], run: cat src/m0.txt, log: cli/make.log, inputs: [src/m*.txt] }
      - { id: use, rows: [A2], needs: [make], run: cat src/u0.txt, log: cli/use.log,
          inputs: [src/u*.txt] }
      - { id: whole, rows: [A3], run: ls src, log: cli/whole.log }
"""
ROWS = "- [ ] A1: make\n- [ ] A2: use\n- [ ] A3: whole\n"
FILES = 200


class Bench:
    """A repository that grows commit by commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "HOME": str(root.parent), "GIT_CONFIG_NOSYSTEM": "1"}

    def call(self, *words: str) -> str:
        """Run a command in the repository and return what it printed."""
        done = subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def git(self, *words: str) -> str:
        """Run git."""
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
        return self.call("git", *who, "-c", "gc.auto=0", *words)

    def planctl(self, *words: str) -> None:
        """Run planctl; its exit code says no more than a verdict."""
        command = [sys.executable, "-c", "from planctl.cli.app import main; main()", *words]
        subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, check=False
        )

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")

    def commit(self, message: str) -> str:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


def build(bench: Bench, commits: int, every: int) -> None:
    """Grow the repository to a number of commits."""
    bench.git("init", "--quiet", "--initial-branch=main")
    for number in range(FILES):
        name = "mu"[number % 2]
        bench.write(f"src/{name}{number // 2}.txt", f"{number}\n")
    gate = bench.commit("sources")
    bench.write("plans/active/BENCH-001/plan.yaml", PLAN.replace("GATE", gate))
    bench.write("plans/active/BENCH-001/implementation.md", ROWS)
    bench.commit("plan")
    for number in range(2, commits):
        if number % every == 0:
            bench.planctl("run-phase", "BENCH-001", "A")
            bench.commit(f"evidence {number}")
        elif number % 3 == 0:
            bench.write("docs/notes.md", f"{number}\n")
            bench.commit(f"notes {number}")
        else:
            bench.write(f"src/{'mu'[number % 2]}{number % (FILES // 2)}.txt", f"new {number}\n")
            bench.commit(f"edit {number}")


def cpu_seconds(bench: Bench, *words: str) -> float:
    """Return user and system seconds of a command and all it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if words[0] == "planctl":
        bench.planctl(*words[1:])
    else:
        bench.call(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--every", type=int, default=25)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-bisect-") as name:
        bench = Bench(Path(name) / "repository")
        bench.root.mkdir()
        build(bench, chosen.commits, chosen.every)
        peer = min(cpu_seconds(bench, "git", "log", "--raw", "--no-renames") for _ in range(3))
        nothing = min(cpu_seconds(bench, "planctl", "--version") for _ in range(3))
        print(f"{chosen.commits} commits, evidence every {chosen.every}; CPU seconds, best of 3")
        print(f"  planctl --version           {nothing:7.3f}")
        print(f"  git log --raw               {peer:7.3f}")
        for step in ("make", "use", "whole"):
            words = ("planctl", "bisect", step)
            seconds = min(cpu_seconds(bench, *words) for _ in range(3))
            each = seconds / chosen.commits * 1000
            print(f"  planctl bisect {step:<12} {seconds:7.3f}  {each:.2f} ms a commit")


if __name__ == "__main__":
    main()
