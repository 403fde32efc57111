"""Probes of many optics: apertures, zone plates, aberrated lenses, diffusers, Gaussian beams."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ptycho_torch.data.scan import Array

_SMALLEST_RADIUS_PX = 2.5
_LARGEST_RADIUS = 0.22
"""Of the frame's edge: a larger root-mean-square radius reaches the border and wraps."""


def random_probe(n_pixel: int, rng: np.random.Generator) -> Array:
    """Draw a probe that fits its frame.

    Args:
        n_pixel: Edge of the array.
        rng: Source of everything random.

    Returns:
        (mode, n_pixel, n_pixel) complex64 of unit energy with one to three modes.
    """
    while True:
        probe = _focused(n_pixel, rng) if rng.uniform() < 0.85 else _gaussian(n_pixel, rng)
        if _SMALLEST_RADIUS_PX <= radius_px(probe) <= _LARGEST_RADIUS * n_pixel:
            break
    modes = _with_weak_modes(probe, rng) if rng.uniform() < 0.15 else probe[None]
    modes = modes / np.linalg.norm(modes)
    return np.asarray(modes, dtype=np.complex64)


def radius_px(probe: Array) -> float:
    """Root-mean-square distance of the light from the middle of the frame.

    Args:
        probe: (row, col) complex.

    Returns:
        sqrt(sum r^2 |P|^2 / sum |P|^2) in pixels.
    """
    axis = np.arange(len(probe)) - len(probe) // 2
    light = np.abs(probe) ** 2
    return float(np.sqrt((light * (axis[:, None] ** 2 + axis**2)).sum() / light.sum()))


def _focused(n_pixel: int, rng: np.random.Generator) -> Array:
    """A pupil with aberrations, seen near its focus.

    The pupil is round, square or ring-shaped (the central stop of a zone plate). The edge ray of
    a pupil with the phase a rho^2 lands 2 a N / (2 pi rim) pixels off the axis, which turns a
    spot radius into a defocus.
    """
    axis = np.arange(n_pixel) - n_pixel // 2
    rows, cols = np.meshgrid(axis, axis, indexing="ij")
    rim = n_pixel * rng.uniform(0.06, 0.3)
    rho, theta = np.hypot(rows, cols) / rim, np.arctan2(rows, cols) + rng.uniform(0, 2 * np.pi)
    shape = rng.choice(["disc", "ring", "square"], p=[0.5, 0.35, 0.15])
    inside = np.maximum(abs(rows), abs(cols)) / rim <= 0.9 if shape == "square" else rho <= 1
    pupil = gaussian_filter(inside.astype(np.float64), rng.uniform(0.3, 1.5))
    if shape == "ring":
        pupil *= 1 - gaussian_filter((rho < rng.uniform(0.2, 0.6)).astype(np.float64), 0.7)
    spot_px = n_pixel * rng.uniform(0, 0.3)
    defocus = spot_px * np.pi * rim / n_pixel * rng.choice([-1, 1])
    phase = defocus * rho**2 + rng.normal(0, 0.6) * rho**2 * np.cos(2 * theta)
    phase += rng.normal(0, 0.5) * (3 * rho**3 - 2 * rho) * np.cos(theta)
    phase += rng.normal(0, 0.4) * (6 * rho**4 - 6 * rho**2)
    if rng.uniform() < 0.2:
        phase += rng.uniform(0.5, 3) * _smooth_noise(n_pixel, rng)
    wave = pupil * np.exp(1j * phase)
    return np.asarray(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(wave))))


def _smooth_noise(n_pixel: int, rng: np.random.Generator) -> Array:
    """A random phase screen of unit deviation, as a diffuser has."""
    screen = gaussian_filter(
        rng.standard_normal((n_pixel, n_pixel)), rng.uniform(1, 4), mode="wrap"
    )
    return np.asarray(screen / screen.std())


def _gaussian(n_pixel: int, rng: np.random.Generator) -> Array:
    """A Gaussian beam with a curved wave front, its two axes of different length."""
    axis = np.arange(n_pixel) - n_pixel // 2
    widths = n_pixel * rng.uniform(0.03, 0.15) * rng.uniform(0.7, 1.4, size=2)
    square = (axis[:, None] / widths[0]) ** 2 + (axis / widths[1]) ** 2
    return np.asarray(np.exp(-square / 4 + 1j * rng.uniform(-1, 1) * square / 2))


def _with_weak_modes(probe: Array, rng: np.random.Generator) -> Array:
    """One or two weaker modes besides: the probe's derivatives, as a trembling beam has."""
    axis = (np.arange(len(probe)) - len(probe) // 2) / len(probe)
    modes = [probe / np.linalg.norm(probe)]
    for _ in range(int(rng.integers(1, 3))):
        angle = rng.uniform(0, np.pi)
        mode = modes[0] * (np.cos(angle) * axis[:, None] + np.sin(angle) * axis)
        for known in modes:
            mode = mode - known * np.vdot(known, mode) / np.vdot(known, known)
        modes.append(mode / np.linalg.norm(mode) * np.sqrt(rng.uniform(0.02, 0.25)))
    return np.stack(modes)
