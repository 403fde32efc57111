"""Families of synthetic objects.

Every object is a thin sample, O = exp(-absorption + i phase), so |O| never exceeds 1. The
families differ in their statistics, so a network trained on one is tried on another.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import ConfigError

MAX_ABSORPTION = 0.5
"""Largest exponent of absorption: |O| stays above exp(-0.5) = 0.61."""

MAX_PHASE_RAD = 1.2
"""Range of the phase in radians."""


def make_object(shape: tuple[int, int], kind: str, seed: int) -> Array:
    """Draw an object.

    Args:
        shape: (H, W) in pixels.
        kind: One of `OBJECT_KINDS`.
        seed: Equal seeds give equal objects.

    Returns:
        (H, W) complex64 with 0.6 < |O| <= 1 and a phase within 1.2 rad.

    Raises:
        ConfigError: The kind is unknown.
    """
    absorption, phase = draw_maps(kind, shape, np.random.default_rng(seed))
    blurred = [gaussian_filter(part, 0.6, mode="nearest") for part in (absorption, phase)]
    exponent = -MAX_ABSORPTION * blurred[0] + 1j * MAX_PHASE_RAD * blurred[1]
    transmission: Array = np.exp(exponent).astype(np.complex64)
    return transmission


def draw_maps(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the two maps of a family.

    Args:
        kind: One of `OBJECT_KINDS`.
        shape: (H, W) in pixels.
        rng: Source of everything random.

    Returns:
        Absorption and phase, each (H, W) within [0, 1].

    Raises:
        ConfigError: The kind is unknown.
    """
    if kind not in _FAMILIES:
        raise ConfigError(f"object kind {kind!r} is unknown", hint=f"one of {list(_FAMILIES)}")
    return _FAMILIES[kind](shape, rng)


def _cells(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Overlapping discs of a common material on a faint background."""
    thickness = np.zeros(shape)
    rows, cols = np.indices(shape, dtype=np.float64)
    for _ in range(max(8, shape[0] * shape[1] // 150)):
        row, col = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radii = rng.uniform(3, 14, size=2)
        angle = rng.uniform(0, np.pi)
        along = (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle)
        across = (cols - col) * np.cos(angle) - (rows - row) * np.sin(angle)
        depth = 1 - np.square(along / radii[0]) - np.square(across / radii[1])
        thickness += rng.uniform(0.2, 0.6) * np.sqrt(np.clip(depth, 0, None))
    # Rare deep overlaps would otherwise claim the whole range and leave the rest faint.
    thickness = np.clip(thickness / np.percentile(thickness, 95), 0, 1)
    grain = _random_field(shape, rng, exponent=1.5)
    return _unit_range(0.8 * thickness + 0.2 * grain), _unit_range(0.9 * thickness + 0.1 * grain)


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Power-law fields, absorption and phase independent of each other."""
    return _random_field(shape, rng, exponent=1.8), _random_field(shape, rng, exponent=2.0)


def _lines(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """Straight bars with sharp edges, as in a lithographic test sample."""
    pattern = np.zeros(shape)
    rows, cols = np.indices(shape, dtype=np.float64)
    for _ in range(max(6, shape[0] * shape[1] // 500)):
        row, col = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        angle = rng.uniform(0, np.pi)
        half_width, half_length = rng.uniform(1.5, 5), rng.uniform(8, 40)
        along = (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle)
        across = (cols - col) * np.cos(angle) - (rows - row) * np.sin(angle)
        inside = (np.abs(along) < half_length) & (np.abs(across) < half_width)
        pattern = np.where(inside, rng.uniform(0.3, 1.0), pattern)
    return pattern, _unit_range(pattern + 0.15 * _random_field(shape, rng, exponent=2.0))


def _siemens(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """A spoke target, its centre and number of spokes drawn at random."""
    rows, cols = np.indices(shape, dtype=np.float64)
    row, col = (size * rng.uniform(0.4, 0.6) for size in shape)
    angle = np.arctan2(rows - row, cols - col) + rng.uniform(0, np.pi)
    radius = np.hypot(rows - row, cols - col)
    spokes = (np.sin(angle * int(rng.integers(10, 20))) > 0).astype(np.float64)
    rings = np.floor(radius / 18) % 4 != 3
    pattern = spokes * rings * (radius > 4)
    return 0.6 * pattern, pattern


_FAMILIES: dict[str, Callable[[tuple[int, int], np.random.Generator], tuple[Array, Array]]] = {
    "cells": _cells,
    "texture": _texture,
    "lines": _lines,
    "siemens": _siemens,
}

OBJECT_KINDS = tuple(_FAMILIES)
"""Names of the families `make_object` knows."""


def _random_field(shape: tuple[int, int], rng: np.random.Generator, exponent: float) -> Array:
    """Gaussian field whose amplitude spectrum falls as 1 / f^exponent, scaled to [0, 1]."""
    rows = np.fft.fftfreq(shape[0])[:, None]
    cols = np.fft.fftfreq(shape[1])[None, :]
    frequency = np.hypot(rows, cols)
    # Flat below 1/50 of a cycle a pixel, so that the field has contrast within one patch.
    falloff = np.maximum(frequency, 0.02) ** -exponent
    spectrum = np.fft.fft2(rng.standard_normal(shape)) * falloff
    return _unit_range(np.fft.ifft2(spectrum).real)


def _unit_range(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    return (values - low) / max(high - low, np.finfo(np.float64).tiny)
