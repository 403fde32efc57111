"""Receipts, plans, settings and records that somebody made to break who reads them."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from planctl.errors import BadFileError, PlanError, ReceiptError
from planctl.models.ledger import document as ledger
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.working import checklist_rows
from planctl.models.receipt import parse_receipt
from planctl.models.settings import parse_settings
from planctl.models.signing.envelope import MAX_BYTES, PAYLOAD_TYPE, parse_envelope
from planctl.models.timeline import times_in
from planctl.models.turn.turn import blocks
from tests.planctl.functional.conftest import ID, Project

pytestmark = pytest.mark.timeout(60)
DEEP = "[" * 100_000


def enveloped(payload: bytes) -> bytes:
    """Wrap bytes as a receipt is."""
    raw = {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(payload).decode()}
    return json.dumps(raw | {"signatures": []}).encode()


ENVELOPES: dict[str, bytes] = {
    "17 MB": b" " * (MAX_BYTES + 1),
    "deep": DEEP.encode(),
    "deep objects": b'{"a":' * 100_000,
    "deep inside": enveloped(DEEP.encode()),
    "lists": b'{"x": [' + b"[]," * 1_000_000 + b"[]]}",
    "one key twice at the end": b"{"
    + b",".join(b'"k%d":0' % i for i in range(200_000))
    + b',"k0":1}',
    "huge number": b'{"payloadType": ' + b"1" * 10_000 + b"}",
    "no number": b'{"payloadType": 1e999}',
    "NaN": b'{"payloadType": NaN}',
    "half a pair": b'{"payloadType": "\\ud800"}',
    "NUL": b'{"payloadType": "a\\u0000b"}\0',
    "not UTF-8": b'{"payloadType": "\xff"}',
    "UTF-16": '{"payloadType": "x"}'.encode("utf-16"),
    "nothing": b"",
    "a list": b"[]",
    "payload of bytes": enveloped(b"\xff\xfe\x00"),
    "payload of nothing": enveloped(b""),
    "no base64": b'{"payloadType": "%s", "payload": "*", "signatures": []}' % PAYLOAD_TYPE.encode(),
}


@pytest.mark.parametrize("name", sorted(ENVELOPES))
def test_an_envelope_that_is_none_is_refused_at_once(name: str) -> None:
    began = time.process_time()
    with pytest.raises(ReceiptError) as refused:
        parse_receipt(parse_envelope(ENVELOPES[name], "r.json").payload, "r.json")
    refused.value.message.encode()
    assert len(refused.value.message) < 5000
    assert time.process_time() - began < 5


def payload(project: Project) -> dict[str, Any]:
    """Return a real receipt's Statement."""
    (path,) = project.receipts("one")
    raw: dict[str, Any] = json.loads(parse_envelope(path.read_bytes(), "r").payload)
    return raw


def deep(levels: int) -> Any:
    """Return lists within lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def at(raw: dict[str, Any], *place: str) -> dict[str, Any]:
    """Return what lies at a place."""
    for key in place:
        raw = raw[key]
    return raw


BUILD = ("predicate", "buildDefinition", "externalParameters")
RUN = ("predicate", "runDetails")
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "endless contract": lambda raw: at(raw, *BUILD)["contract"].update(x=float("inf")),
    "deep contract": lambda raw: at(raw, *BUILD)["contract"].update(x=deep(200)),
    "deep environment": lambda raw: at(raw, *RUN, "planctl_run").update(
        environment={"a": deep(900)}
    ),
    "year one": lambda raw: at(raw, *RUN, "metadata").update(startedOn="0001-01-01T00:00:00+23:59"),
    "last year": lambda raw: at(raw, *RUN, "metadata").update(startedOn="9999-12-31T23:59:59Z"),
    "end of time": lambda raw: at(raw, *RUN, "metadata").update(
        finishedOn="9999-12-31T23:59:59-12:00"
    ),
    "seconds": lambda raw: at(raw, *RUN, "metadata").update(startedOn=10**30),
    "half a pair": lambda raw: at(raw, *BUILD)["contract"].update(x="\ud800"),
    "subject without a name": lambda raw: raw["subject"][0].update(name=""),
    "subject outside": lambda raw: raw["subject"][0].update(name="../../../../etc/passwd"),
    "subject at the root": lambda raw: raw["subject"][0].update(name="/etc/passwd"),
    "subject with NUL": lambda raw: raw["subject"][0].update(name="a\0b"),
    "subject of many digests": lambda raw: raw["subject"][0].update(digest={"a": "b", "c": "d"}),
    "subject that is none": lambda raw: raw.update(subject=[1]),
    "no subjects": lambda raw: raw.update(subject={"a": 1}),
    "log outside": lambda raw: at(raw, "predicate", "buildDefinition", "internalParameters").update(
        log="/dev/zero"
    ),
    "hub outside": lambda raw: at(raw, *BUILD).update(hub="../x"),
    "exit code": lambda raw: at(raw, *RUN, "planctl_run").update(exitCode=10**400),
    "checks": lambda raw: at(raw, *RUN, "planctl_run").update(checks={"ok": True}),
    "no dependencies": lambda raw: at(raw, "predicate", "buildDefinition").update(
        resolvedDependencies=[]
    ),
    "odd dependency": lambda raw: at(raw, "predicate", "buildDefinition")[
        "resolvedDependencies"
    ].append({"annotations": {"kind": ["receipt"]}}),
    "parent by a list": lambda raw: at(raw, "predicate", "buildDefinition")[
        "resolvedDependencies"
    ].append({"name": [], "digest": {"sha256": "0" * 64}, "annotations": {"kind": "receipt"}}),
    "predicate": lambda raw: raw.update(predicate=None),
    "no time zone": lambda raw: at(raw, *RUN, "metadata").update(startedOn="2025-11-14T02:48:00"),
}


def test_a_receipt_with_impossible_content_is_not_intact_and_the_rest_is_judged(
    proven: Project,
) -> None:
    raw = payload(proven)
    (path,) = proven.receipts("one")
    for name, change in CHANGES.items():
        changed = copy.deepcopy(raw)
        change(changed)
        assert changed != raw, name
        path.write_bytes(enveloped(json.dumps(changed).encode()))
        verdicts = proven.verdicts()
        assert (verdicts["one"], verdicts["solo"]) == ("modified", "fresh"), name


PLANS = {
    "lists": "[" * 100_000,
    "sequences": "- " * 100_000,
    "mappings": "{a: " * 100_000,
    "keys of lists": "? [a, b]\n: x\n",
    "keys that grow": "? [&a0 [x,x,x,x,x,x,x,x,x,x], "
    + ", ".join(f"&a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))
    + "]\n: x\n",
    "aliases that grow": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
    "python": "!!python/object/apply:os.system ['true']",
    "python in a key": "? !!python/name:os.system\n: x\n",
    "control": "id: \x00",
    "half a pair": 'id: "\\ud800"\n',
    "large": "a: " + "x" * 1_100_000,
    "two documents": "a: 1\n---\nb: 2\n",
    "tag": "!<tag:x> {a: b}",
    "unknown alias": "a: *b",
    "merge": "<<: [1, 2]\n",
    "directive": "%YAML 9.9\n---\na: 1\n",
    "tabs": "a:\n\t- b\n",
}


@pytest.mark.parametrize("name", sorted(PLANS))
def test_a_plan_that_is_a_trap_is_refused_at_once(name: str) -> None:
    began = time.process_time()
    with pytest.raises(PlanError) as refused:
        parse_plan(PLANS[name], "plan.yaml")
    assert len(str(refused.value).encode("utf-8", "backslashreplace")) < 5000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("src/one.txt, src/common.txt", '"[z-a]"'),
        ("src/one.txt, src/common.txt", f'"{"a" * 5000}"'),
        ("id: solo", f"id: {'s' * 300}"),
        ('matches: "^one is done$"', 'matches: "a{99999999999999999999}"'),
        ("log: green/solo.log", f"log: green/{'s' * 300}.log"),
        ("log: green/solo.log", 'log: "green/so\\u202elo.log"'),
        ("log: green/solo.log", 'log: "green/so\\x1b[2Jlo.log"'),
        ("run: echo solo", 'run: "echo \\0"'),
        ("run: echo solo", 'run: "echo \\ud800"'),
        ("env: { OUT: out }", 'env: { OUT: "o\\0ut" }'),
    ],
)
def test_a_plan_with_a_value_that_cannot_be_is_refused_before_anything_runs(
    project: Project, old: str, new: str
) -> None:
    project.edit(old, new)
    code, _, err = project.call("run-phase", ID, "A")
    assert code == 4, err
    assert "plan.yaml" in err
    assert "\x1b" not in err
    assert not project.hub.exists()


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "1" * 10_000,
        "a = 1e999",
        "\0",
        '[slurm]\nmem = "x\\ny"',
        "a." * 50_000 + "a = 1",
        "#" * 2_000_000,
    ],
)
def test_settings_that_are_a_trap_are_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(BadFileError):
        parse_settings(text, "planctl.toml")
    assert time.process_time() - began < 5


LONG = 300_000
RECORDS = [
    "## a — " + " " * LONG + "x\n",
    "- Status: " + " " * LONG + "x y\n",
    "- Priority:" + " \t" * LONG + "x\n",
    "  - " + "Z" * LONG + "\n",
    "\n" * LONG + "x",
    "#" * LONG,
    "## " + "x " * LONG,
    "- [ ] A" + "1" * LONG + "_\n",
    "- [ ]" + " " * LONG + "_\n",
    "| " * LONG,
    "### Turn Summary" + " " * LONG,
]


@pytest.mark.parametrize("inside", RECORDS)
def test_records_of_any_length_are_read_in_one_go(inside: str) -> None:
    text = f"<!-- planctl:item X -->\n{inside}\n<!-- planctl:end X -->\n"
    began = time.process_time()
    ledger.parse(text.replace("x y", "done"), "fix_plan.md")
    ledger.with_status(text, "fix_plan.md", "X", "done")
    checklist_rows(text)
    blocks(text)
    assert time.process_time() - began < 2


def test_a_summary_without_any_turn_has_no_blocks(project: Project) -> None:
    assert blocks("Some words.\n") == ()
    project.repo.write("plans/active/X-001/summary.md", "Some words.\n")
    assert project.call("summary", ID)[0] == 0


def test_zones_and_dates_that_cannot_be_are_no_times() -> None:
    assert times_in("2025-11-14 02:48:00+99:99 2025-13-45T99:99:99Z", "log") == []
    assert len(times_in("2025-11-14 02:48:00+14:00", "log")) == 1


def test_a_working_plan_that_is_not_text_is_named(project: Project) -> None:
    (project.root / "plans/active/X-001/implementation.md").write_bytes(b"\xff\xfe")
    code, _, err = project.call("verify", ID)
    assert code == 4
    assert "implementation.md: is not UTF-8 at byte 0" in err
