"""Group each pattern with some of its spatial neighbours.

A group of C = gridsize^2 patterns is what one training example holds: their patches overlap, and
the overlap is what ties their phases together (Hoidn et al., Sci. Rep. 2023,
10.1038/s41598-023-48351-7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.spatial import cKDTree

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import ConfigError, PreconditionError


@dataclass(frozen=True)
class Groups:
    """Which patterns belong together.

    Attributes:
        indices: (n_groups, C) int64 pattern numbers; column 0 is the seed pattern.
    """

    indices: Array

    def __len__(self) -> int:
        """Number of groups."""
        return int(self.indices.shape[0])

    @property
    def channels(self) -> int:
        """Patterns a group, C."""
        return int(self.indices.shape[1])


def make_groups(
    positions_px: Array,
    gridsize: int,
    neighbor_count: int,
    n_groups: int | None,
    seed: int,
) -> Groups:
    """Draw groups of neighbouring patterns.

    Seeds are drawn without repetition; each takes C - 1 of its `neighbor_count` nearest
    neighbours at random. The same arguments give the same groups.

    Args:
        positions_px: (n, 2) float64, (row, col) in pixels.
        gridsize: 1 or more; C = gridsize^2.
        neighbor_count: How many nearest neighbours to choose from, at least C - 1.
        n_groups: How many groups, at most n; None takes every pattern once as seed.
        seed: Of the random generator.

    Returns:
        The groups, ordered by seed pattern.

    Raises:
        ConfigError: `gridsize`, `neighbor_count` or `n_groups` cannot be used together.
        PreconditionError: The scan has too few patterns.
    """
    total = len(positions_px)
    channels = _check(total, gridsize, neighbor_count, n_groups)
    rng = np.random.default_rng(seed)
    seeds = np.sort(rng.permutation(total)[: total if n_groups is None else n_groups])
    if channels == 1:
        return Groups(seeds[:, None].astype(np.int64))
    neighbours = nearest_neighbours(positions_px, min(neighbor_count, total - 1))[seeds]
    order = np.argsort(rng.random(neighbours.shape), axis=1)[:, : channels - 1]
    members = np.take_along_axis(neighbours, order, axis=1)
    return Groups(np.concatenate([seeds[:, None], members], axis=1).astype(np.int64))


def nearest_neighbours(positions_px: Array, count: int) -> Array:
    """Find every pattern's nearest other patterns.

    Args:
        positions_px: (n, 2) float64.
        count: How many, at most n - 1.

    Returns:
        (n, count) int64, nearest first, never the pattern itself.
    """
    _, found = cKDTree(positions_px).query(positions_px, k=count + 1)
    is_self = found == np.arange(len(positions_px))[:, None]
    # Where positions repeat, the pattern itself may not be among those found: drop the farthest.
    is_self[~is_self.any(axis=1), -1] = True
    return cast("Array", found[~is_self].reshape(len(positions_px), count))


def _check(total: int, gridsize: int, neighbor_count: int, n_groups: int | None) -> int:
    if gridsize < 1:
        raise ConfigError(f"`gridsize` is {gridsize}", hint="give 1, 2 or more")
    channels = gridsize**2
    if neighbor_count < channels - 1:
        raise ConfigError(
            f"`neighbor_count` is {neighbor_count}, but gridsize {gridsize} needs "
            f"{channels - 1} neighbours",
            hint=f"give at least {channels - 1}",
        )
    if n_groups is not None and not 1 <= n_groups <= total:
        raise ConfigError(
            f"{n_groups} groups asked for, but the scan has {total} patterns",
            hint=f"give `--n_images` between 1 and {total}",
        )
    if total < channels:
        raise PreconditionError(
            f"the scan has {total} patterns, too few for groups of {channels}",
            hint="lower `--gridsize` or give a larger scan",
        )
    return channels
