"""Scan a synthetic object: positions with jitter, the forward model, photon noise."""

from __future__ import annotations

import math

import numpy as np
import torch

from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.errors import ConfigError
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.noise import count_photons
from ptycho_torch.physics.patches import extract, split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.simulation.objects import make_object
from ptycho_torch.simulation.probes import make_probe

_CHUNK = 128


def simulate_scan(
    seed: int,
    n_pixel: int = 64,
    n_patterns: int = 1024,
    nphotons: float | None = 1e9,
    kind: str = "cells",
    step_px: float | None = None,
    probe: Array | None = None,
) -> ScanData:
    """Simulate a far-field ptychographic scan.

    Args:
        seed: Of object, positions and noise; equal arguments give equal scans.
        n_pixel: Edge of a pattern.
        n_patterns: How many patterns.
        nphotons: Mean photons per pattern; None leaves the noise out.
        kind: Family of the object, one of `objects.OBJECT_KINDS`.
        step_px: Distance of neighbouring positions; None takes N / 14.
        probe: (mode, N, N) complex; None takes `make_probe(n_pixel)`.

    Returns:
        Counts (or the noise-free intensity, as amplitude), the true probe and the true object.
        The probe's energy is such that probe and object reproduce the counts as they are.

    Raises:
        ConfigError: A size, number or kind cannot be used.
    """
    _check(n_pixel, n_patterns, nphotons, step_px)
    streams = np.random.SeedSequence(seed).generate_state(3)
    step = n_pixel / 14 if step_px is None else step_px
    positions, shape = _raster(n_patterns, step, n_pixel, np.random.default_rng(streams[0]))
    truth = make_object(shape, kind, int(streams[1]))
    modes = make_probe(n_pixel) if probe is None else probe
    intensity = _intensities(truth, modes, positions, n_pixel)
    mean = float(intensity.sum(dim=(-2, -1)).mean())
    photons = 1.0 if nphotons is None else float(nphotons)
    if nphotons is None:
        values, measurement = (intensity / mean).sqrt(), "amplitude"
    else:
        generator = torch.Generator().manual_seed(int(streams[2]))
        values, measurement = count_photons(intensity / mean, photons, generator), "counts"
    return ScanData(
        diffraction=values.to(torch.float32).numpy(),
        measurement="counts" if measurement == "counts" else "amplitude",
        probe=(modes * math.sqrt(photons / mean)).astype(np.complex64),
        positions_px=positions,
        object=truth,
        nphotons=nphotons,
        source=f"simulation, seed {seed}, {kind}",
    )


def _check(n_pixel: int, n_patterns: int, nphotons: float | None, step_px: float | None) -> None:
    if n_pixel < 16 or n_pixel % 8:
        raise ConfigError(f"`n_pixel` is {n_pixel}", hint="give a multiple of 8, at least 16")
    if n_patterns < 4:
        raise ConfigError(f"`n_patterns` is {n_patterns}", hint="give at least 4")
    if nphotons is not None and not nphotons > 0:
        raise ConfigError(f"`nphotons` is {nphotons}", hint="give a positive number")
    if step_px is not None and not 0 < step_px < n_pixel / 2:
        raise ConfigError(
            f"`step_px` is {step_px}", hint=f"give more than 0 and less than {n_pixel // 2}"
        )


def _raster(
    count: int, step: float, size: int, rng: np.random.Generator
) -> tuple[Array, tuple[int, int]]:
    """Positions of a raster with uniform jitter of 0.3 steps, and the object's shape.

    The jitter breaks the raster's periodicity, which would leave an ambiguity in the object
    (Thibault et al., Ultramicroscopy 109, 2009, 10.1016/j.ultramic.2008.12.011).
    """
    columns = math.ceil(math.sqrt(count))
    grid = np.stack(np.divmod(np.arange(count), columns), axis=1).astype(np.float64)
    positions = (grid + rng.uniform(-0.3, 0.3, size=grid.shape)) * step
    positions += size / 2 + 1 - positions.min(axis=0)
    height, width = (math.ceil(edge) + size // 2 + 1 for edge in positions.max(axis=0))
    return positions, (height, width)


def _intensities(truth: Array, probe: Array, positions: Array, size: int) -> torch.Tensor:
    """Noise-free intensities in double precision, chunk by chunk."""
    canvas = torch.from_numpy(truth).to(torch.complex128)[None]
    modes = torch.from_numpy(probe).to(torch.complex128)
    corners, rest = split_positions(torch.from_numpy(positions), size)
    chunks = []
    for start in range(0, len(positions), _CHUNK):
        part = slice(start, start + _CHUNK)
        shifted = shift_probe(modes, rest[part].to(torch.float64))
        chunks.append(diffract(extract(canvas, corners[None, part], size)[0], shifted))
    return torch.cat(chunks)
