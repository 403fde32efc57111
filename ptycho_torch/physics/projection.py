"""Single-pattern projections: what one pattern alone says about its patch.

A few rPIE updates (Maiden, Johnson and Li, Optica 4, 2017, 10.1364/OPTICA.4.000736) from a flat
patch bring the pattern from the detector to the sample. The result is only right up to what one
pattern determines (not the global phase, little where the probe is dark), but it puts the
measured light at the place it came from, which a convolutional network cannot do by itself.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ptycho_torch.physics.probe import illumination, shift_probe
from ptycho_torch.physics.propagate import backpropagate, propagate


def replace_modulus(
    wave: Complex[Tensor, "*batch mode row col"],
    amplitude: Float[Tensor, "*batch row col"],
    mask: Tensor | None = None,
) -> Complex[Tensor, "*batch mode row col"]:
    """Project exit waves onto the measured amplitude.

    All modes of a pattern are scaled by the same real factor, measured over predicted amplitude.

    Args:
        wave: Exit waves at the sample.
        amplitude: Measured amplitude in the same unit, zero frequency at `N // 2`.
        mask: (row, col) bool, True where a pixel was measured; elsewhere the prediction stays.

    Returns:
        Exit waves whose diffraction has the measured amplitude.
    """
    detector = propagate(wave)
    predicted = illumination(detector).sqrt()
    factor = amplitude / predicted.clamp_min(1e-12)
    if mask is not None:
        factor = torch.where(mask, factor, 1.0)
    return backpropagate(detector * factor[..., None, :, :])


def project_patterns(
    amplitude: Float[Tensor, "pattern row col"],
    rest: Float[Tensor, "pattern 2"],
    probe: Complex[Tensor, "mode row col"],
    iterations: int = 10,
    alpha: float = 0.1,
    mask: Tensor | None = None,
    chunk: int = 64,
) -> Complex[Tensor, "pattern row col"]:
    """Reconstruct every pattern on its own, from a flat patch.

    Args:
        amplitude: (pattern, row, col) unit-dose amplitude.
        rest: (pattern, 2) sub-pixel rest of each position.
        probe: (mode, row, col) probe of unit energy.
        iterations: rPIE updates; 0 gives the flat patch.
        alpha: rPIE's weight of the probe's maximum in the step's denominator, 0 to 1.
        mask: (row, col) bool, True where a pixel was measured, or None.
        chunk: Patterns worked on at once.

    Returns:
        (pattern, row, col) complex patches, exactly 1 where the probe never reached.
    """
    parts = []
    with torch.no_grad():
        for start in range(0, len(amplitude), chunk):
            part = slice(start, start + chunk)
            shifted = shift_probe(probe, rest[part])
            parts.append(_project(amplitude[part], shifted, iterations, alpha, mask))
    return torch.cat(parts)


def _project(
    amplitude: Tensor, probe: Tensor, iterations: int, alpha: float, mask: Tensor | None
) -> Tensor:
    light = illumination(probe)
    strongest = light.amax(dim=(-2, -1), keepdim=True)
    step = probe.conj() / ((1 - alpha) * light + alpha * strongest)[..., None, :, :]
    patch = torch.ones_like(probe[..., 0, :, :])
    for _ in range(iterations):
        wave = patch[..., None, :, :] * probe
        change = replace_modulus(wave, amplitude, mask) - wave
        patch = patch + (step * change).sum(dim=-3)
    return patch
