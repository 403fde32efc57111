from __future__ import annotations

import pytest

from planctl.models.claims.proof import Known, proof_claims, run_claims

KNOWN = Known(
    phases=("A", "B"),
    rows={"A0": "A", "A1": "A", "A2": "A", "A3": "A", "B1": "B"},
    steps=("train", "selector"),
)


def found(sentence: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(claim.kind, claim.names) for claim in proof_claims(sentence, KNOWN)]


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Phase A is complete.", [("phase", ("A",))]),
        ("Phase A: complete", [("phase", ("A",))]),
        ("Completed Phase A evidence refresh v3.", [("phase", ("A",))]),
        ("Executed the Phase A refresh: pytest selector GREEN (1/1, 7.17s)", [("tests", ())]),
        ("Phases A and B are done.", [("phase", ("A", "B"))]),
        ("Phase A checklist A0/A1/A2/A3 complete; ready for Phase B work",
         [("row", ("A0", "A1", "A2", "A3"))]),
        ("A0/A1/A2 complete", [("row", ("A0", "A1", "A2"))]),
        ("A1, A2 and A3 are complete", [("row", ("A1", "A2", "A3"))]),
        ("A1 ✓ and A2 ✓", [("row", ("A1", "A2"))]),
        ("Phase B and row A1 are green", [("phase", ("B",)), ("row", ("A1",))]),
        ("Phase A is complete, B1 is still open.", [("phase", ("A",))]),
        ("A1 and A2 are proven; B1 remains", [("row", ("A1", "A2"))]),
        ("Step `train` passed in 4 s", [("step", ("train",))]),
        ("the `selector` step succeeded", [("step", ("selector",))]),
        ("`train` is fresh, so A1 is complete", [("step", ("train",)), ("row", ("A1",))]),
        ("All tests pass.", [("tests", ())]),
        ("all tests now pass", [("tests", ())]),
        ("The whole test suite is green", [("tests", ())]),
        ("Phase A is done and the tests pass", [("phase", ("A",)), ("tests", ())]),
        ("Everything passes.", [("everything", ())]),
        ("The initiative is complete", [("everything", ())]),
    ],
)  # fmt: skip
def test_what_is_said_to_be_proven_is_found(
    sentence: str, wanted: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert found(sentence) == wanted


@pytest.mark.parametrize(
    "sentence",
    [
        "Phase A is not complete",
        "Phase A remains incomplete",
        "Ready for Phase B once A1 is done",
        "Phase A will be complete when the tests pass",
        "Tests fail until A1 is done",
        "A1 needs to pass before Phase B",
        "Passed the flag through Phase A.",
        "Tried to finish A1",
        "Phase C is complete",
        "Wrote tests for the fit.",
        "Began now that the exporter initiative is complete.",
        "See plans/A1 for the completed drawing",
        "",
    ],
)
def test_orders_conditions_and_denials_claim_nothing(sentence: str) -> None:
    assert found(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Reran Phase A on the new code.", [("phase", ("A",))]),
        ("Executed the Phase A refresh: pytest GREEN", [("phase", ("A",))]),
        ("I ran A1 and A2 again", [("row", ("A1", "A2"))]),
        ("Re-ran the `train` step", [("step", ("train",))]),
        ("Ran the test suite.", [("tests", ())]),
        ("Ran pytest tests/test_x.py", [("tests", ())]),
        ("Ran the linter and wrote tests.", []),
        ("Phase A should be rerun", []),
        ("Never ran Phase A", []),
        ("Ran into trouble with the span", []),
        ("Phase A was run again today.", [("phase", ("A",))]),
        ("The tests were run today.", [("tests", ())]),
        ("All tests were executed again.", [("tests", ())]),
        ("Row A1 was rerun.", [("row", ("A1",))]),
        ("Step train was run.", [("step", ("train",))]),
        ("The `train` step has been re-run", [("step", ("train",))]),
        ("A1 and A2 were both repeated", [("row", ("A1", "A2"))]),
        ("Phase A was last run on Monday", []),
        ("The tests were not run", []),
        ("For phase A the linter was run", []),
        ("The tests were run yesterday", []),
        ("Beside the tests a linter was run", []),
    ],
)
def test_what_is_said_to_have_run_is_found(
    sentence: str, wanted: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert [(claim.kind, claim.names) for claim in run_claims(sentence, KNOWN)] == wanted
