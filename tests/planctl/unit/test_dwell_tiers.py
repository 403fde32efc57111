"""Thresholds of dwell, for any sequence of turns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.diff_kinds import Kind
from planctl.models.dwell import (
    DwellSettings,
    Only,
    Tiers,
    TurnWork,
    dwell_of,
    loosened,
    tier_of,
)
from planctl.models.settings import parse_settings

KINDS = [kind.value for kind in Kind]
works = st.builds(
    TurnWork,
    id=st.just("0" * 26),
    number=st.just(1),
    role=st.sampled_from(["supervisor", "engineer"]),
    touched=st.sampled_from([(), (), (), ("src/a.py",)]),
    gained=st.sampled_from([(), (), (), ("step",)]),
    reran=st.sampled_from([(), ("step",)]),
    kinds=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), max_size=3).map(tuple),
    counted=st.sampled_from([True, True, False]),
)
sequences = st.lists(works, max_size=14)
tiers = st.sets(st.integers(1, 12), min_size=3, max_size=3).map(lambda found: tuple(sorted(found)))


@settings(deadline=None)
@given(sequences)
def test_dwell_is_the_number_of_counted_turns_since_the_last_progress(
    turns: list[TurnWork],
) -> None:
    last = next((i for i, turn in enumerate(turns) if turn.progress), len(turns))
    assert dwell_of(turns) == sum(turn.counted for turn in turns[:last])


@settings(deadline=None)
@given(sequences, works, tiers)
def test_one_more_turn_lifts_the_tier_by_one_at_most_or_ends_it(
    turns: list[TurnWork], newest: TurnWork, thresholds: Tiers
) -> None:
    before = tier_of(dwell_of(turns), thresholds)
    after = tier_of(dwell_of([newest, *turns]), thresholds)
    if newest.progress:
        assert after == 0
    elif newest.counted:
        assert before <= after <= before + 1
    else:
        assert after == before


@settings(deadline=None)
@given(st.integers(0, 20), tiers)
def test_a_tier_is_reached_exactly_at_its_threshold(dwell: int, thresholds: Tiers) -> None:
    reached = tier_of(dwell, thresholds)
    assert all(dwell >= limit for limit in thresholds[:reached])
    assert all(dwell < limit for limit in thresholds[reached:])


@settings(deadline=None)
@given(works)
def test_what_a_turn_came_to_is_always_one_thing(turn: TurnWork) -> None:
    assert turn.only in Only
    if turn.reran:
        assert turn.only is Only.RERUNS


def test_thresholds_rise_and_others_are_refused_with_the_key() -> None:
    assert DwellSettings().tiers == (2, 4, 6)
    assert parse_settings("[dwell]\ntiers = [1, 2, 9]\n", "planctl.toml").dwell.tiers == (1, 2, 9)
    for wrong in ("[2, 2, 6]", "[0, 1, 2]", "[6, 4, 2]", "[2, 4]", "[2, 4, 6.5]", '["a", 1, 2]'):
        with pytest.raises(BadFileError, match=r"dwell\.tiers"):
            parse_settings(f"[dwell]\ntiers = {wrong}\n", "planctl.toml")
    with pytest.raises(BadFileError, match=r"progress\.budget"):
        parse_settings("[progress]\nbudget = 0\n", "planctl.toml")


def test_roles_of_agents_are_known_in_any_spelling() -> None:
    settings = DwellSettings(agents=("Engineer", "bot"))
    assert settings.is_agent("engineer")
    assert settings.is_agent("BOT")
    assert not settings.is_agent("supervisor")


def test_settings_that_let_a_focus_stand_still_for_longer_are_named() -> None:
    usual = DwellSettings()
    assert loosened(usual, usual) == ()
    assert loosened(usual, DwellSettings(tiers=(1, 2, 3))) == ()
    assert "[2, 4, 9]" in loosened(usual, DwellSettings(tiers=(2, 4, 9)))[0]
    assert "engineer" in loosened(usual, DwellSettings(agents=("supervisor", "agent")))[0]
