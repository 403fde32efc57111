"""Prepared patterns, and the groups of them that a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ptycho_torch.config import ModelConfig
from ptycho_torch.data.grouping import Groups
from ptycho_torch.data.scan import ScanData
from ptycho_torch.networks.inputs import network_inputs
from ptycho_torch.physics.patches import split_positions
from ptycho_torch.physics.scaling import Scales

_CHUNK = 256


@dataclass(frozen=True)
class PatternSet:
    """All patterns of a scan, in the network's units and on the integer object grid.

    Attributes:
        inputs: (n, channel, row, col) float32, the network's input channels.
        amplitude: (n, row, col) float32, measured amplitude in unit dose.
        corners: (n, 2) int64, first (row, col) of each patch in object pixels.
        rests_px: (n, 2) float32, what is left of each position; it shifts the probe.
    """

    inputs: Tensor
    amplitude: Tensor
    corners: Tensor
    rests_px: Tensor

    def __len__(self) -> int:
        """Number of patterns."""
        return len(self.amplitude)


def prepare_patterns(
    scan: ScanData, scales: Scales, probe: Tensor, config: ModelConfig
) -> PatternSet:
    """Bring a scan into the network's units and compute its input channels, once.

    Args:
        scan: The measurement.
        scales: The frozen scales of the training.
        probe: (mode, row, col) complex64 of unit energy.
        config: Number and regularisation of the projections.

    Returns:
        All patterns of the scan.
    """
    amplitude = torch.from_numpy(scan.amplitude() * scales.amplitude_scale).to(torch.float32)
    corners, rests = split_positions(torch.from_numpy(scan.positions_px), scan.n_pixel)
    mask = None if scan.mask is None else torch.from_numpy(scan.mask)
    inputs = [
        network_inputs(
            amplitude[start : start + _CHUNK],
            rests[start : start + _CHUNK],
            probe,
            scales.input_scale,
            config.projection_iterations,
            config.projection_alpha,
            mask,
        )
        for start in range(0, len(scan), _CHUNK)
    ]
    return PatternSet(torch.cat(inputs), amplitude, corners, rests)


class GroupBatch(NamedTuple):
    """A batch of groups.

    Attributes:
        inputs: (batch, group, channel, row, col) float32.
        amplitude: (batch, group, row, col) float32, unit dose.
        corners: (batch, group, 2) int64, object pixels.
        rests_px: (batch, group, 2) float32.
        patterns: (batch, group) int64, number of each pattern in its scan.
    """

    inputs: Tensor
    amplitude: Tensor
    corners: Tensor
    rests_px: Tensor
    patterns: Tensor


class GroupDataset(Dataset[GroupBatch]):
    """Groups of patterns, fetched a batch at a time.

    Args:
        patterns: The prepared patterns.
        groups: Which of them belong together.
    """

    def __init__(self, patterns: PatternSet, groups: Groups) -> None:
        self.patterns = patterns
        self.indices = torch.from_numpy(groups.indices)

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.indices)

    def __getitem__(self, index: int) -> GroupBatch:
        """Fetch one group as a batch of one.

        Args:
            index: Number of the group.

        Returns:
            The batch.
        """
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> GroupBatch:
        """Fetch a whole batch with one gather per array; the data loader calls this.

        Args:
            indices: Numbers of the groups.

        Returns:
            The batch, in that order.
        """
        chosen = self.indices[list(indices)]
        source = self.patterns
        return GroupBatch(
            source.inputs[chosen],
            source.amplitude[chosen],
            source.corners[chosen],
            source.rests_px[chosen],
            chosen,
        )


def keep_batch(batch: Any) -> Any:
    """Collate nothing: `GroupDataset` already returns whole batches.

    Args:
        batch: What the data set returned.

    Returns:
        The same.
    """
    return batch
