"""Applies a trained network to the groups of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ptycho_torch.data.dataset import PatternSet
from ptycho_torch.data.grouping import Groups
from ptycho_torch.networks import PtychoPINN


@dataclass(frozen=True)
class Prediction:
    """Object patches of every pattern that occurs in some group.

    The network sees one pattern at a time, so a pattern that belongs to several groups has one
    patch, computed once; `batches` hands it to each group it belongs to.

    Attributes:
        patterns: (k,) int64, numbers of the patterns in their scan, ascending.
        patches: (k, row, col) complex64, on the CPU.
        members: (group, channel) int64, the groups as indices into `patches`.
    """

    patterns: Tensor
    patches: Tensor
    members: Tensor

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Yield the groups' patches.

        Args:
            batch_size: Groups in a batch.

        Yields:
            (batch, channel, row, col) complex64; column 0 is the group's seed pattern.
        """
        for chosen in torch.split(self.members, batch_size):
            yield self.patches[chosen]


def predict_patches(
    network: PtychoPINN, patterns: PatternSet, groups: Groups, batch_size: int, device: torch.device
) -> Prediction:
    """Predict the object patches of all groups.

    Args:
        network: The trained network; moved to `device`.
        patterns: The scan's prepared patterns.
        groups: Which of them belong together.
        batch_size: Groups' worth of patterns in a forward pass.
        device: Where to compute.

    Returns:
        Patches by pattern, and the groups they form.
    """
    members = torch.from_numpy(groups.indices)
    wanted, inverse = torch.unique(members, return_inverse=True)
    network = network.to(device).eval()
    with torch.inference_mode():
        parts = [
            network(patterns.inputs[chosen].to(device)[:, None])[:, 0].cpu()
            for chosen in torch.split(wanted, batch_size * groups.channels)
        ]
    return Prediction(wanted, torch.cat(parts), inverse)
