"""A repository of many initiatives, each with evidence and turns, for the benchmark of the loop.

Plans, receipts, turn records, summaries and the ledger are written by the functions that planctl
writes them with. Every turn is a commit of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evidence_repositories import PLANCTL, call, commit, prepare, record_like
from fast_import import History
from ulid import ULID

from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Attempt, LedgerItem, Status
from planctl.models.turn import turn
from planctl.models.turn.record import TurnRecord, file_text
from planctl.ops.receipts import intact_receipts
from planctl.workspace import LEDGER, Workspace

HUB = "2025-11-14T024800Z/bench"
START = dt.datetime(2025, 11, 14, 2, 48, tzinfo=dt.UTC)
STEPS = ("s0001", "s0002")
# One in so many: its second step is not proven; it is blocked; it depends on the one before.
OPEN, BLOCKED, DEPENDENT = 4, 10, 3
_PLAN = """\
schema: planctl/plan/v1
id: {id}
title: Initiative {number} of the benchmark
priority: {priority}
depends_on: [{depends_on}]
hub: {hub}
env: {{ OUT: out }}
phases:
  A:
    title: Evidence
    gate: "{gate}"
    inputs: ["src/**", measure.py]
    steps:
"""
_STEP = """\
      - id: {step}
        title: Measure
        rows: [{row}]
        run: python measure.py $OUT/{step}.json {number}
        log: cli/{step}.log
        collect: [{{ from: $OUT/{step}.json, to: analysis/{step}.json }}]
        checks: [{{ json: analysis/{step}.json, path: n, ge: 0 }}]
"""
_ROWS = """\
# Initiative {number}

## Phase A

- [x] A1: the first measurement
- [{mark}] A2: the second measurement
"""


@dataclass(frozen=True)
class Size:
    """How large the repository is: initiatives, and turns of each."""

    initiatives: int = 200
    turns: int = 5


def make(root: Path, size: Size, env: dict[str, str]) -> list[str]:
    """Make the repository; return the ids of its initiatives."""
    names = [f"LOOP-{number:03d}" for number in range(1, size.initiatives + 1)]
    gate = _code(root, env)
    for number, name in enumerate(names, 1):
        _initiative(root, number, name, gate)
    call(root, env, PLANCTL, "init")
    (root / LEDGER).write_text(_ledger(names, size.turns))
    commit(root, env, "the plans")
    _evidence(root, names, env)
    base = commit(root, env, "the evidence")
    history = History(root, onto="refs/heads/main^0")
    when = int((START + dt.timedelta(days=1)).timestamp())
    for place, files in enumerate(_turns(root, names, size.turns, base)):
        history.commit(files, when + 600 * place)
    history.close()
    call(root, env, "git", "commit-graph", "write", "--reachable")
    return names


def _code(root: Path, env: dict[str, str]) -> str:
    prepare(root, (), env)
    (root / "measure.py").write_text(
        "import json, os, sys\nos.makedirs('out', exist_ok=True)\n"
        "json.dump({'n': int(sys.argv[2])}, open(sys.argv[1], 'w'))\nprint('done')\n"
    )
    call(root, env, "git", "rm", "-r", "-q", "plans")
    return commit(root, env, "the code")


def _is_open(number: int) -> bool:
    return number % OPEN == 0


def _initiative(root: Path, number: int, name: str, gate: str) -> None:
    folder = root / "plans/active" / name
    folder.mkdir(parents=True)
    head = _PLAN.format(
        id=name,
        number=number,
        priority=ledger.PRIORITIES[number % len(ledger.PRIORITIES)],
        depends_on=f"LOOP-{number - 1:03d}" if number > 1 and number % DEPENDENT == 0 else "",
        hub=HUB,
        gate=gate,
    )
    steps = (
        _STEP.format(step=step, row=f"A{place}", number=number)
        for place, step in enumerate(STEPS, 1)
    )
    (folder / "plan.yaml").write_text(head + "".join(steps))
    mark = " " if _is_open(number) else "x"
    (folder / "implementation.md").write_text(_ROWS.format(number=number, mark=mark))


def _evidence(root: Path, names: list[str], env: dict[str, str]) -> None:
    """Run the first initiative; record the others by what its steps recorded."""
    call(root, env, PLANCTL, "run-phase", names[0], "A")
    workspace = Workspace.open(root)
    first = {item.receipt.step: item for item in intact_receipts(
        workspace, workspace.load_plan(names[0]), None)}  # fmt: skip
    for number, name in enumerate(names[1:], 2):
        plan = workspace.load_plan(name)
        for phase, step in plan.steps():
            if not (_is_open(number) and step.id == STEPS[1]):
                own, model = workspace.hub(plan).name, first[step.id].receipt
                env_there = {**model.env, "HUB": own}
                like = model.model_copy(update={"initiative": name, "hub": own, "env": env_there})
                record_like(workspace, plan, phase, step, like)


def _ledger(names: list[str], turns: int) -> str:
    text = "# Fix plan\n"
    for number, name in enumerate(names, 1):
        attempts = (
            Attempt(when=f"{START + dt.timedelta(hours=k):%FT%TZ}", text=f"attempt {k}: measured")
            for k in range(turns)
        )
        item = LedgerItem(
            id=name,
            title=f"Initiative {number} of the benchmark",
            status=_status(number),
            priority=ledger.PRIORITIES[number % len(ledger.PRIORITIES)],
            depends_on=(names[number - 2],) if number > 1 and number % DEPENDENT == 0 else (),
            attempts=tuple(attempts),
        )
        text = ledger.with_item(text, item)
    return text


def _status(number: int) -> Status:
    if number % BLOCKED == 0:
        return "blocked"
    return "pending" if _is_open(number) else "done"


def _turns(root: Path, names: list[str], turns: int, base: str) -> Iterator[dict[str, str]]:
    """Yield the files of each turn: its record, and the summary with its block on top."""
    told = {name: b"" for name in names}
    number = 0
    for round_ in range(turns):
        for name in names:
            number += 1
            opened = START + dt.timedelta(days=1, minutes=10 * number)
            record = _record(name, number, round_, opened, base)
            block = turn.render(
                turn.TurnSummary(
                    id=record.id,
                    stamp=f"{record.closed:%Y-%m-%dT%H%M%SZ}",
                    sentences=record.sentences,
                    next=record.next,
                    artifacts={f"plans/active/{name}/reports/{HUB}": ("cli/s0001.log",)},
                )
            )
            old = told[name] or _text(root / f"plans/active/{name}/summary.md")
            told[name] = turn.prepended(block, old)
            yield {
                f"plans/active/{name}/turns/{record.name}": file_text(record),
                f"plans/active/{name}/summary.md": told[name].decode(),
                f"notes/{number % 20:02d}.md": f"turn {number}\n",
            }


def _text(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _record(name: str, number: int, round_: int, opened: dt.datetime, base: str) -> TurnRecord:
    return TurnRecord(
        id=str(ULID.from_datetime(opened)),
        number=number,
        role="engineer",
        focus=name,
        phase="A",
        base=base,
        branch="main",
        opened=opened,
        closed=opened + dt.timedelta(minutes=7),
        sentences=(
            f"Measured row A1 of {name} for the {round_ + 1}. time.",
            "The value is as before.",
            "Nothing else was touched.",
        ),
        next=f"Measure row A2 of {name}.",
        files={"docs": (f"notes/{number % 20:02d}.md",)},
    )
