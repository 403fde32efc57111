"""All that can be said of a scan before it is reconstructed in earnest: facts, remarks, trials.

Beside what `data.inspection` sees, two trials: which way round the positions are, and whether the
given probe can explain the patterns at all.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ptycho_torch.data.inspection import Inspection, inspect_scan
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import ScanData
from ptycho_torch.losses.diffraction import photon_noise
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct.assemble import canvas_r_factor
from ptycho_torch.reconstruct.engine import RpieOptions, run_rpie
from ptycho_torch.reconstruct.orientation import (
    OrientationTest,
    central_part,
    find_orientation,
    orientations,
)
from ptycho_torch.reconstruct.stitch import Canvas

PROBE_EPOCHS = 8
UNEXPLAINED = 0.3
"""More than this share of the flat object's loss left by the given probe is too much: right ones
leave up to 0.16 in simulated scans, wrong ones 0.3 to 0.7."""
_BETTER = 0.75
"""Where a refined probe leaves less than this share of it, the probe is to blame."""
_VISIBLE = 0.02
"""A misfit, as a part of the amplitude, that may be mere slowness of a weak object."""
_NOISY = 0.8
"""Where noise alone is so much of the flat object's loss nothing can be said."""


@dataclass(frozen=True)
class ProbeTest:
    """How much of the flat object's loss is left, photon noise taken out of both.

    Attributes:
        given: With the given probe, which stays as it is.
        refined: With a probe that is refined along with the object.
        misfit: What the given probe leaves, as a part of the measured amplitude.
        telling: Whether photon noise leaves room to judge.
    """

    given: float
    refined: float
    misfit: float
    telling: bool

    @property
    def wrong(self) -> bool:
        """Whether the given probe, at the given positions, cannot explain the patterns."""
        return self.telling and self.given > UNEXPLAINED and self.misfit > _VISIBLE


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        inspection: The facts.
        orientation: The eight orientations; None where there was nothing to try.
        probe: The given probe against a refined one; None likewise.
        remarks: All that looks wrong.
    """

    inspection: Inspection
    orientation: OrientationTest | None
    probe: ProbeTest | None
    remarks: tuple[Remark, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        probe = None if self.probe is None else {**asdict(self.probe), "wrong": self.probe.wrong}
        return {
            **self.inspection.as_dict(),
            "remarks": [asdict(remark) for remark in self.remarks],
            "orientation": None if self.orientation is None else self.orientation.as_dict(),
            "probe": probe,
        }


def examine(scan: ScanData, epochs: int = 4, seed: int = 0) -> Examination:
    """Look at a scan, try its orientation, then its probe.

    Args:
        scan: The measurement.
        epochs: rPIE epochs for each orientation.
        seed: Of the order of the patterns.

    Returns:
        What was found.

    Raises:
        DivergedError: A trial became non-finite.
    """
    inspection = inspect_scan(scan)
    if inspection.unit_remark is not None or inspection.step_px is None:
        return Examination(inspection, None, None, inspection.remarks)
    orientation = find_orientation(scan, epochs, seed)
    probe = try_probe(scan, orientation, seed)
    remarks = [*inspection.remarks]
    if orientation.contradicts:
        remarks.append(_orientation_remark(orientation))
    if probe.wrong:
        remarks.append(_probe_remark(probe))
    return Examination(inspection, orientation, probe, tuple(remarks))


def try_probe(scan: ScanData, orientation: OrientationTest, seed: int = 0) -> ProbeTest:
    """Reconstruct a part of a scan with the given probe and with one that may change.

    Args:
        scan: The measurement.
        orientation: Its test; positions are read as it found best, if that is clear.
        seed: Of the order of the patterns.

    Returns:
        The comparison.

    Raises:
        DivergedError: A trial became non-finite.
    """
    used = central_part(scan)
    name = orientation.best if orientation.contradicts else "as given"
    positions = dict(orientations(used.positions_px))[name]
    scales = compute_scales(used.amplitude(), used.probe, used.nphotons)
    amplitude = torch.from_numpy(used.amplitude() * np.float32(scales.amplitude_scale))
    probe = torch.from_numpy(used.probe * np.complex64(scales.probe_factor))
    mask = None if used.mask is None else torch.from_numpy(used.mask)
    mean = amplitude.square().mean(dim=0)
    noise = photon_noise("amplitude", scales.nphotons, mean, mask)
    light = float(mean.sum() if mask is None else mean[mask].sum())
    left = []
    for update in (False, True):
        options = RpieOptions(epochs=PROBE_EPOCHS, update_probe=update, probe_from=1, seed=seed)
        found = run_rpie(amplitude, positions, probe, options, mask=mask)
        left.append(found.r_factors[-1] ** 2 * light)
    flat = Canvas(np.ones_like(found.canvas.object), found.canvas.coverage, found.canvas.origin)
    nothing = canvas_r_factor(flat, positions, probe, amplitude, mask) ** 2 * light
    room = nothing - noise
    shares = [max(0.0, value - noise) / max(room, 1e-12) for value in left]
    misfit = math.sqrt(max(0.0, left[0] - noise) / light)
    return ProbeTest(shares[0], shares[1], misfit, noise < _NOISY * nothing)


def _orientation_remark(test: OrientationTest) -> Remark:
    factors = {item.name: item.r_factor for item in test.orientations}
    return Remark(
        "orientation",
        f"the positions explain the patterns better after `{test.best}`: R factor "
        f"{factors[test.best]:.3g} instead of {factors['as given']:.3g}",
        "swap exchanges rows and columns, flip changes the sign of one of them",
    )


def _probe_remark(test: ProbeTest) -> Remark:
    seen = (
        f"the given probe leaves {test.given:.0%} of the flat object's loss unexplained, a refined "
        f"one {test.refined:.0%}"
    )
    if test.refined < _BETTER * test.given:
        hint = "let the probe be refined (`--update_probe`, `--prepare_probe on`), or give a better"
        return Remark("probe-wrong", seen, hint)
    return Remark(
        "unexplained",
        f"{seen}: neither explains the patterns",
        "the probe is far off, or positions are wrong: their scale (pixel size), order or offsets",
    )
