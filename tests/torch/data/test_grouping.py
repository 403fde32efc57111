from __future__ import annotations

import numpy as np
import pytest

from ptycho_torch.data.grouping import make_groups, nearest_neighbours
from ptycho_torch.errors import ConfigError, PreconditionError


@pytest.fixture
def positions() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 100, (80, 2))


def test_members_are_the_seed_and_its_nearest_neighbours(positions):
    groups = make_groups(positions, 2, 6, None, seed=1)
    assert groups.indices.shape == (80, 4)
    assert groups.channels == 4
    for group in groups.indices:
        distance = np.linalg.norm(positions - positions[group[0]], axis=1)
        assert set(group[1:]) <= set(np.argsort(distance)[1:7])
        assert len(set(group)) == 4


def test_every_pattern_is_a_seed_once(positions):
    groups = make_groups(positions, 2, 6, None, seed=1)
    assert groups.indices[:, 0].tolist() == list(range(80))


def test_fewer_groups_have_distinct_seeds(positions):
    groups = make_groups(positions, 2, 6, 30, seed=1)
    assert len(groups) == 30
    assert len(set(groups.indices[:, 0].tolist())) == 30


def test_gridsize_one_groups_are_single_patterns(positions):
    assert make_groups(positions, 1, 6, 10, seed=1).indices.shape == (10, 1)


def test_one_seed_gives_one_grouping(positions):
    first, again, other = (make_groups(positions, 2, 6, 40, seed=s).indices for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_repeated_positions_never_list_a_pattern_as_its_own_neighbour():
    positions = np.repeat(np.arange(5.0)[:, None], 9, axis=0) * np.ones(2)
    neighbours = nearest_neighbours(positions, 3)
    assert neighbours.shape == (45, 3)
    assert not np.any(neighbours == np.arange(45)[:, None])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 6, None), "`gridsize` is 0"),
        ((2, 2, None), "needs 3 neighbours"),
        ((2, 6, 81), "81 groups asked for, but the scan has 80"),
        ((2, 6, 0), "0 groups"),
    ],
)
def test_settings_that_cannot_work_are_refused(positions, arguments, match):
    with pytest.raises(ConfigError, match=match):
        make_groups(positions, *arguments, seed=0)


def test_a_scan_too_small_for_a_group_is_refused(positions):
    with pytest.raises(PreconditionError, match="3 patterns, too few for groups of 4"):
        make_groups(positions[:3], 2, 6, None, seed=0)
