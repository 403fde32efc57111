"""Records of replays, outcomes of tests and differences of documents, on anything there can be."""

from __future__ import annotations

import copy
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planctl._shell import read_shell
from planctl.errors import ReceiptError
from planctl.models.json_difference import first_difference
from planctl.models.plan.plan import canonical_json
from planctl.models.replay import (
    ArtifactReplay,
    Replay,
    ReplayRun,
    determinism,
    parse_replay,
    replay_payload,
)
from planctl.models.test_outcome import read_outcome
from planctl.models.weakening import guards
from planctl.ops.replay.run import sample

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
WHEN = dt.datetime(2025, 11, 14, tzinfo=dt.UTC)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def run(*digests: tuple[str, str | None]) -> ReplayRun:
    """Return a run whose artifacts have these recorded and replayed digests."""
    artifacts = tuple(
        ArtifactReplay(
            declared=f"a/{index}",
            outcome="identical" if old == new else "differs",
            agrees=old == new,
            text="",
            recorded=old * 64,
            replayed=None if new is None else new * 64,
        )
        for index, (old, new) in enumerate(digests)
    )
    return ReplayRun(started=WHEN, finished=WHEN, exit_code=0, artifacts=artifacts)


def record(*runs: ReplayRun) -> Replay:
    score, moved = determinism(runs)
    return Replay(
        ulid="01M83JCMWGBMZXNAE302W8TACT",
        initiative="X-1",
        phase="A",
        step="s",
        hub="plans/active/X-1/reports/a/b",
        receipt="plans/active/X-1/reports/a/b/receipts/r.json",
        receipt_sha256="0" * 64,
        commit="1" * 40,
        recorded_commit="1" * 40,
        command="work",
        needs={},
        sample=0.1,
        seed=7,
        runs=runs,
        agreed=all(item.agreed for item in runs),
        score=score,
        nondeterministic=moved,
        previous=(),
        moved=(),
        role="person",
        key=None,
        planctl_version="0",
        environment={"packages": {"a": "1"}},
    )


def test_the_score_is_the_share_of_artifacts_alike_in_all_runs() -> None:
    assert determinism((run(("a", "a"), ("b", "b")),)) == (1.0, ())
    assert determinism((run(("a", "a"), ("b", "c")),)) == (0.5, ("a/1",))
    assert determinism((run(("a", "a"), ("b", "b")), run(("a", None), ("b", "b")))) == (
        0.5,
        ("a/0",),
    )
    assert determinism((run(),)) == (None, ())


def test_a_record_is_read_back_as_it_was_written() -> None:
    made = record(run(("a", "a"), ("b", "c")))
    assert parse_replay(replay_payload(made), "x.json") == made


@pytest.mark.parametrize(
    "change",
    [{"agreed": True}, {"score": 1.0}, {"nondeterministic": []}, {"sample": 0}, {"runs": []}],
)
def test_a_record_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    raw = json.loads(replay_payload(record(run(("a", "a"), ("b", "c")))))
    raw["predicate"] |= change
    with pytest.raises(ReceiptError, match=r"x\.json"):
        parse_replay(canonical_json(raw), "x.json")


def test_a_sample_is_drawn_by_seed_and_digest_and_keeps_the_order() -> None:
    items = [SimpleNamespace(stored=SimpleNamespace(payload_sha256=f"{n:064x}")) for n in range(40)]
    drawn = {seed: sample(items, 0.25, seed) for seed in range(5)}
    assert all(len(chosen) == 10 for chosen in drawn.values())
    assert all(chosen == sample(items, 0.25, seed) for seed, chosen in drawn.items())
    assert len({tuple(map(id, chosen)) for chosen in drawn.values()}) == 5
    assert all(chosen == [i for i in items if i in chosen] for chosen in drawn.values())
    assert len(sample(items, 0.001, 1)) == 1
    assert sample(items, 1.0, 1) == items
    # One more receipt changes little: most of those that were drawn are drawn again.
    more = [*items, SimpleNamespace(stored=SimpleNamespace(payload_sha256="f" * 64))]
    assert sum(item in sample(more, 0.25, 1) for item in drawn[1]) >= 9


def test_one_spelling_only() -> None:
    payload = replay_payload(record(run(("a", "a"))))
    for other in (payload + b" ", payload.replace(b'"seed":7', b'"seed":7.0')):
        with pytest.raises(ReceiptError):
            parse_replay(other, "x.json")


@QUICK
@given(data=st.data())
def test_a_mutated_record_is_refused_or_read(data: st.DataObject) -> None:
    raw: Any = json.loads(replay_payload(record(run(("a", "a"), ("b", "c")))))
    place = raw
    for _ in range(data.draw(st.integers(0, 5))):
        inner = [item for item in _values(place) if isinstance(item, dict | list) and item]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    keys = sorted(place) if isinstance(place, dict) else range(len(place))
    place[data.draw(st.sampled_from(list(keys)))] = data.draw(JSON)
    changed = canonical_json(raw)
    try:
        read = parse_replay(changed, "x.json")
    except ReceiptError:
        return
    assert replay_payload(read) == changed


def _values(place: Any) -> list[Any]:
    return list(place.values()) if isinstance(place, dict) else list(place)


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(payload: bytes) -> None:
    with pytest.raises(ReceiptError):
        parse_replay(payload, "x.json")


@QUICK
@given(JSON, JSON)
def test_a_difference_is_found_exactly_where_there_is_one(old: Any, new: Any) -> None:
    assert first_difference(old, copy.deepcopy(old)) is None
    if json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
        assert first_difference(old, new) is not None or old == new


def test_documents_may_be_nested_deeper_than_calls() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(50_000):
        deep, other = [deep], [other]
    found = first_difference(deep, other)
    assert found is not None
    assert found.endswith(": 1 → 2")


PIECES = (
    "a && true ; & $X ${X:- } \" ' ( ) $( if then fi bash -c <<EOF EOF set +e exit 0 export = ` {"
)
WORDS = st.lists(st.sampled_from([*PIECES.split(" "), "||", "|", "\n"]), max_size=25)


@QUICK
@given(WORDS.map(" ".join) | st.text(max_size=80))
def test_any_command_is_read(text: str) -> None:
    facts = read_shell(text)
    assert facts.statements >= 0


@QUICK
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["3 passed", " in ", "0.1s", "=", "\n", "9" * 30])).map("".join)
)
def test_any_log_has_an_outcome_or_none(text: str) -> None:
    outcome = read_outcome(text)
    assert outcome is None or outcome.ran >= 0


def test_a_number_of_thousands_of_digits_is_no_outcome() -> None:
    assert read_outcome("9" * 5000 + " passed in 0.1s\n") is None


@QUICK
@given(st.text(max_size=200))
def test_any_text_is_python_or_not(text: str) -> None:
    found = guards(text)
    assert found is None or isinstance(found, dict)
