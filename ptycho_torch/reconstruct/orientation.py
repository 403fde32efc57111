"""Which way round are the positions? Eight flips and swaps, a few epochs of rPIE each.

Files disagree on what x and y mean and which way they grow. The right orientation explains the
patterns better than the other seven, by far where neighbours overlap and the object has features.
Patterns turned by 180 degrees look the same for an object that is turned, so with the probe free
to follow, an orientation and its opposite can only be told apart by the given probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ptycho_torch.data.placement import AS_GIVEN, orientations
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.engine import RpieOptions, run_engine
from ptycho_torch.reconstruct.trials import central_part

CLEAR_MARGIN = 0.05
"""The best orientation is believed when the next one's R factor is this fraction larger."""

_SYMMETRIC = 0.95
_TURNED = {
    "as given": "flip rows, flip cols",
    "flip rows": "flip cols",
    "swap": "swap, flip rows, flip cols",
    "swap, flip rows": "swap, flip cols",
}
_TURNED |= {turned: name for name, turned in _TURNED.items()}
"""Each orientation with the one that is turned by 180 degrees against it."""
PATTERNS_USED = 400
"""Of a longer scan those nearest to its middle."""


@dataclass(frozen=True)
class Orientation:
    """One way to read the positions.

    Attributes:
        name: `as given`, or what was done: `swap`, `flip rows`, `flip cols` and their sums.
        r_factor: How well the patterns are explained; smaller is better.
    """

    name: str
    r_factor: float


@dataclass(frozen=True)
class OrientationTest:
    """All eight, best first.

    Attributes:
        orientations: Best first.
        clear: Whether the best stands out from the next.
    """

    orientations: tuple[Orientation, ...]
    clear: bool

    @property
    def best(self) -> str:
        """Name of the best orientation."""
        return self.orientations[0].name

    @property
    def contradicts(self) -> bool:
        """Whether another orientation than the given one fits clearly better."""
        return self.clear and self.best != AS_GIVEN

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = {item.name: item.r_factor for item in self.orientations}
        return {"best": self.best, "clear": self.clear, "r_factor": rows}


def find_orientation(scan: ScanData, epochs: int = 4, seed: int = 0) -> OrientationTest:
    """Try the eight orientations of a scan's positions.

    Of a long scan the patterns nearest to its middle are used.

    Args:
        scan: The measurement.
        epochs: rPIE epochs for each, the probe updated from the second.
        seed: Of the order of the patterns.

    Returns:
        The orientations with their R factors, best first.

    Raises:
        DivergedError: The object became non-finite.
    """
    used = central_part(scan, PATTERNS_USED)
    scales = compute_scales(used.amplitude(), used.probe)
    amplitude = torch.from_numpy(used.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(used.probe * np.complex64(scales.probe_factor))
    mask = None if used.mask is None else torch.from_numpy(used.mask)
    options = RpieOptions(epochs=epochs, update_probe=True, probe_from=1, seed=seed)
    found = []
    for name, positions in orientations(used.positions_px):
        result = run_engine(amplitude, positions, probe, options, mask=mask)
        found.append(Orientation(name, result.r_factors[-1]))
    found.sort(key=lambda item: item.r_factor)
    rivals = found[1:]
    if _is_point_symmetric(used.probe):
        partner = _TURNED[found[0].name]
        if partner == AS_GIVEN:  # both fit alike, and nothing speaks against the file
            found.sort(key=lambda item: item.name != AS_GIVEN)
            partner = _TURNED[AS_GIVEN]
        rivals = [item for item in found[1:] if item.name != partner]
    clear = rivals[0].r_factor > (1 + CLEAR_MARGIN) * found[0].r_factor
    return OrientationTest(tuple(found), clear)


def _is_point_symmetric(probe: Array) -> bool:
    """Whether a probe is, but for a shift, its own point reflection.

    With such a probe the patterns of an object are those of the object turned by 180 degrees at
    positions that are turned likewise.
    """
    far = np.fft.fft2(probe)
    reflected = np.roll(np.flip(far, axis=(-2, -1)), 1, axis=(-2, -1))
    alike = np.abs(np.fft.ifft2(far * reflected.conj()).sum(axis=0)).max()
    return bool(alike > _SYMMETRIC * float(np.square(np.abs(probe)).sum()))
