"""What is fuzzed: every parser that reads what somebody else may have written.

A target takes bytes and may raise its own errors only; anything else is a finding, and so is an
input that takes longer than `LIMIT_S`.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fuzz import data_files
from planctl._questions import UnanswerableError, look_up, picture
from planctl._terminal import TerminalFilter
from planctl.errors import BadFileError, PlanctlError
from planctl.models import blocker
from planctl.models.adoption import parse_record
from planctl.models.ledger import document as ledger
from planctl.models.ledger.document import Attempt
from planctl.models.paths import input_glob, matches
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import contract_digest
from planctl.models.plan.working import checklist_rows
from planctl.models.prose.reading import parse_prose
from planctl.models.receipt import parse_receipt, payload_bytes
from planctl.models.replay import parse_replay
from planctl.models.settings import parse_settings
from planctl.models.signing.allowed_signers import parse_allowed_signers, parse_revoked
from planctl.models.signing.envelope import PAYLOAD_TYPE, envelope_text, parse_envelope
from planctl.models.test_outcome import read_outcome
from planctl.models.timeline import times_in
from planctl.models.turn.turn import blocks
from planctl.ops.run_log import body
from ptycho_torch.errors import DataFileError

LIMIT_S = 5.0


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        run: Takes an input.
        allowed: The errors it may raise.
        seeds: Inputs that are right, to start from.
        wrapped: The input is the JSON inside an envelope.
        mutate: Another way to change an input, used for every second one; None where it cannot.
    """

    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()
    seeds: tuple[bytes, ...] = ()
    wrapped: bool = field(default=False)
    mutate: Callable[[bytes, random.Random], bytes | None] | None = None


def text(data: bytes) -> str:
    """Return bytes as planctl reads a file that need not be UTF-8."""
    return data.decode("utf-8", "replace")


def receipt(data: bytes) -> None:
    """Read a receipt; what can be read can be written, and says the same."""
    payload = parse_envelope(data, "r.json").payload
    found = parse_receipt(payload, "r.json")
    contract_digest(found.contract)
    again = parse_receipt(payload_bytes(found), "r.json")
    assert again == found
    assert parse_envelope(envelope_text(payload).encode(), "r.json").payload == payload


def replay(data: bytes) -> None:
    """Read a record of a replay."""
    parse_replay(parse_envelope(data, "r.json").payload, "r.json")


def plan(data: bytes) -> None:
    """Read a plan; every step has a contract."""
    found = parse_plan(text(data), "plan.yaml")
    for phase, step in found.steps():
        contract_digest(found.contract(phase, step))
        for glob in found.inputs_of(phase, step):
            matches("a/b/c.py", (glob,))


def the_ledger(data: bytes) -> None:
    """Read a ledger, add to it, read it again: everything else stays."""
    before = data.decode("utf-8", "surrogateescape")
    found = ledger.parse(before, "fix_plan.md")
    for item in found.items[:3]:
        note = Attempt(when="2025-11-14T02:48:00Z", text="note: tried")
        after = ledger.with_attempt(before, "fix_plan.md", item.id, note)
        after = ledger.with_status(after, "fix_plan.md", item.id, "done")
        again = ledger.parse(after, "fix_plan.md").item(item.id)
        assert again is not None
        assert again.attempts[-1] == note
        assert again.status == "done"


def prose(data: bytes) -> None:
    """Read prose; any text is some."""
    found = parse_prose(text(data))
    lines = text(data).count("\n") + 1
    assert all(1 <= block.line <= block.end_line <= lines + 1 for block in found.blocks)


def glob(data: bytes) -> None:
    """Match a glob against a path; half of the input is each."""
    half = len(data) // 2
    matches(text(data[half:]), (input_glob(text(data[:half])),))


def json_value(data: bytes) -> None:
    """Ask an expression of a document; the first line is the expression."""
    path, _, content = data.partition(b"\n")
    if len(path) < 200:
        look_up(content, text(path))


def terminal(data: bytes) -> None:
    """Show output: nothing in it may drive the terminal."""
    shown = TerminalFilter()
    found = shown.feed(data[:7]) + shown.feed(data[7:]) + shown.close()
    assert not set(found) & {0, 7, 11, 127}
    found.decode()


def enveloped(payload: bytes) -> bytes:
    """Wrap a payload as a receipt is."""
    raw = {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(payload).decode()}
    return json.dumps(raw | {"signatures": []}).encode()


SIGNERS = (
    b'ci namespaces="planctl" ssh-ed25519 '
    b"AAAAC3NzaC1lZDI1NTE5AAAAIKQVIUN5dxRLuZ3WYnFp9sFkZxqN1lqPzYvQ4xO8dH0k\n"
    b'a,b valid-after="20250101Z",valid-before="20260101Z" ssh-ed25519 AAAA # who\n'
)
LEDGER = (
    b"# Fix plan\n\n<!-- planctl:item X-1 -->\n## X-1 \xe2\x80\x94 Try\n\n- Status: pending\n"
    b"- Priority: high\n- Depends on: none\n- Attempts:\n  - 2025-11-14T02:48:00Z note: a\n"
    b"<!-- planctl:end X-1 -->\n"
)
PROSE = (
    b"### Turn Summary (2025-11-14T024800Z \xe2\x80\x94 Engineer)\n"
    b"Fixed `a/b.py:3-9`; 3 passed in 0.7s.\nNext: `loss=6.09e-05`\n"
    b"Artifacts: plans/x/ (a.md, b.log), c/{d,e}.json\n\n- GREEN (1/1, 7.17s)\n"
)
PLAN = b"""schema: planctl/plan/v1
id: X-001
title: t
env: { OUT: out }
phases:
  A:
    gate: "0123456789abcdef"
    inputs: ["src/**", "!src/x"]
    steps:
      - { id: one, rows: [A1], run: echo, log: cli/one.log, timeout: 3m }
      - id: two
        needs: [one]
        run: echo
        log: cli/two.log
        collect: [{ from: $OUT/x, to: analysis/x }]
        checks: [{ json: analysis/x, path: "[*].a", gt: 1.0e-9 }, { log: cli/two.log, matches: ok }]
        waive: { who: a, why: b, until: 2026-01-01 }
"""
SETTINGS = (
    b'schema = "planctl/settings/v1"\n[slurm]\nmem = "16G"\nnodes = 1\n'
    b'[policy]\nrequire = "signed"\n'
)
BLOCKER = b"- Signature: unknown 01234567 (2 in a row)\n- Receipt: a/b.json\n- Step: one\n"
LOG = b"# planctl log v1\n# env:\n# step: X A/one\n# --- output\nx\n# --- end\n# exit: 0\n"
OUTCOME = b"==== 3 passed, 1 skipped in 0.7s (0:00:01) ====\nRan 3 tests in 0.1s\n\nOK\n"

TARGETS: dict[str, Target] = {
    "receipt": Target(receipt, (PlanctlError,), wrapped=True),
    "replay": Target(replay, (PlanctlError,), wrapped=True),
    "adoption": Target(lambda data: parse_record(data, "a.json"), (PlanctlError,)),
    "plan": Target(plan, (PlanctlError,), (PLAN,)),
    "settings": Target(lambda d: parse_settings(text(d), "t"), (BadFileError,), (SETTINGS,)),
    "signers": Target(
        lambda d: (parse_allowed_signers(text(d), "s"), parse_revoked(text(d), "r")),
        (PlanctlError,),
        (SIGNERS,),
    ),
    "ledger": Target(the_ledger, (BadFileError,), (LEDGER,)),
    "records": Target(
        lambda d: (blocks(text(d)), checklist_rows(text(d)), blocker.facts(text(d))),
        (),
        (PROSE, LEDGER, BLOCKER, b"- [x] **A1** try\n- [ ] `B2.a`: it\n"),
    ),
    "prose": Target(prose, (), (PROSE,)),
    "logs": Target(
        lambda d: (body(d), read_outcome(text(d)), times_in(text(d[:4096]), "log")),
        (),
        (LOG, OUTCOME, b"2025-11-14T02:48:00+01:00 1763088480.5\n"),
    ),
    "glob": Target(glob, (ValueError,), (b"src/**/*.p?[!a]src/a/b/c.py",)),
    "json": Target(json_value, (UnanswerableError,), (b'[*].a | [0:2]\n[{"a": 1}, {"a": 1e9}]',)),
    "picture": Target(lambda data: picture(data), (UnanswerableError,)),
    "terminal": Target(terminal, (), (b"\x1b[31mred\x1b[0m\r\x1b[K \xc2\x9b \x1b]0;t\x07",)),
    **{
        f"data-{kind}": Target(
            data_files.read, (DataFileError,), (seed,), mutate=data_files.mutated_arrays
        )
        for kind, seed in data_files.seeds().items()
    },
}
