"""Several incoherent probe modes: a start that can tell them apart, and their natural order.

Partly coherent light is a sum of mutually incoherent probes (Thibault and Menzel, Nature 494,
2013, 10.1038/nature11806). Only the sum of their outer products is measured, so any unitary mix of
the modes explains the data equally; the orthogonal set ordered by power is the one that is shown.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

START_POWER = 0.05
"""Share of the first mode's power that an added mode starts with."""


def with_modes(
    probe: Complex[Tensor, "mode row col"], modes: int
) -> Complex[Tensor, "wanted row col"]:
    """Give a probe the wanted number of modes and unit energy.

    Added modes are the first one times low polynomials of the position, as the modes of Gaussian
    Schell-model light are; equal modes would stay equal for ever.

    Args:
        probe: (mode, row, col) complex, strongest first.
        modes: Wanted number, at least 1; surplus modes are dropped.

    Returns:
        (modes, row, col) complex of unit energy.
    """
    found = list(probe[:modes])
    size = probe.shape[-1]
    axis = (torch.arange(size, device=probe.device) - size // 2) / size
    order = 1
    while len(found) < modes:
        for power in range(order + 1):
            if len(found) < modes:
                shape = axis[:, None] ** power * axis[None, :] ** (order - power)
                added = probe[0] * shape
                found.append(added * (math.sqrt(START_POWER) * _norm(probe[0]) / _norm(added)))
        order += 1
    chosen = torch.stack(found)
    return chosen / _norm(chosen)


def orthogonal_modes(
    probe: Complex[Tensor, "mode row col"],
) -> Complex[Tensor, "mode row col"]:
    """Turn modes into the orthogonal set with the same incoherent sum, strongest first.

    Args:
        probe: (mode, row, col) complex.

    Returns:
        (mode, row, col) complex; the phase of each mode is that of its overlap with the old one.
    """
    flat = probe.reshape(len(probe), -1)
    _, strength, right = torch.linalg.svd(flat, full_matrices=False)
    found = strength[:, None] * right
    overlap = (found.conj() * flat).sum(dim=1)
    turned = found * torch.polar(torch.ones_like(strength), overlap.angle())[:, None]
    ordered: Tensor = turned.reshape(probe.shape)
    return ordered


def mode_factors(
    parts: Float[Tensor, "pattern mode row col"], measured: Float[Tensor, "pattern row col"]
) -> Float[Tensor, " mode"]:
    """Find by how much each mode's power is wrong.

    Gradient steps move the powers of the modes slowly, since each mode can explain a little of
    another's light. Their best factors are a linear problem: weighted least squares on the
    intensities, with the variance of photon counts.

    Args:
        parts: (pattern, mode, row, col) intensity that each mode gives.
        measured: (pattern, row, col) measured intensity in the same unit.

    Returns:
        (mode,) factors within a half and two; 1 for a mode without light.
    """
    whole = parts.sum(dim=1)
    weight = 1 / (whole + 0.01 * whole.mean() + torch.finfo(whole.dtype).tiny)
    normal = torch.einsum("pmrc,pnrc,prc->mn", parts, parts, weight).double()
    right = torch.einsum("pmrc,prc,prc->m", parts, measured, weight).double()
    ridge = 1e-3 * normal.diagonal() + torch.finfo(torch.float64).tiny
    # Towards 1: what the patterns do not tell apart stays as it is.
    found: Tensor = torch.linalg.solve(normal + ridge.diag(), right + ridge)
    return found.clamp(0.5, 2.0).to(parts.dtype)


def mode_powers(probe: Complex[Tensor, "mode row col"]) -> Float[Tensor, " mode"]:
    """Share of each mode in the probe's energy.

    Args:
        probe: (mode, row, col) complex.

    Returns:
        (mode,) float64, sums to 1.
    """
    power = probe.abs().square().sum(dim=(-2, -1), dtype=torch.float64)
    return power / power.sum()


def _norm(field: Tensor) -> float:
    return math.sqrt(float(field.abs().square().sum(dtype=torch.float64)))
