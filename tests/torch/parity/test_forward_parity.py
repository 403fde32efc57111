"""The torch forward model against a slow float64 NumPy reference written from the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ptycho_torch.physics.forward import diffract, merge_group
from ptycho_torch.physics.patches import extract, split_positions
from ptycho_torch.physics.probe import shift_probe

SIZE = 16
LIMITS = {torch.float64: 1e-6, torch.float32: 1e-5}


def reference_shift(probe: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """P(r - shift) by evaluating the probe's Fourier series at the shifted points."""
    size = probe.shape[-1]
    frequency = np.fft.fftfreq(size)
    pixel = np.arange(size)
    analyse = np.exp(-2j * np.pi * np.outer(frequency, pixel))
    rows = np.exp(2j * np.pi * np.outer(pixel - shift[0], frequency)) / size
    cols = np.exp(2j * np.pi * np.outer(pixel - shift[1], frequency)) / size
    return np.stack([rows @ (analyse @ mode @ analyse.T) @ cols.T for mode in probe])


def reference_intensity(patch: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """Sum over modes of |DFT|^2, the DFT as an explicit orthonormal matrix, DC at N // 2."""
    size = patch.shape[-1]
    frequency = np.arange(size) - size // 2
    matrix = np.exp(-2j * np.pi * np.outer(frequency, np.arange(size)) / size) / np.sqrt(size)
    return sum(np.abs(matrix @ (patch * mode) @ matrix.T) ** 2 for mode in probe)


def reference_merge(patches: np.ndarray, probes: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Average patches on a dictionary of pixels, weighted by |P|^2, and read them back."""
    total: dict[tuple[int, int], complex] = {}
    weight: dict[tuple[int, int], float] = {}
    for patch, probe, corner in zip(patches, probes, corners, strict=True):
        light = (np.abs(probe) ** 2).sum(axis=0)
        for row in range(SIZE):
            for col in range(SIZE):
                key = (corner[0] + row, corner[1] + col)
                total[key] = total.get(key, 0) + patch[row, col] * light[row, col]
                weight[key] = weight.get(key, 0.0) + light[row, col]
    floor = 1e-4 * max(weight.values())
    out = np.empty_like(patches)
    for index, corner in enumerate(corners):
        for row in range(SIZE):
            for col in range(SIZE):
                key = (corner[0] + row, corner[1] + col)
                out[index, row, col] = total[key] / max(weight[key], floor)
    return out


@pytest.fixture
def group() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An object, a two-mode probe and four overlapping sub-pixel positions."""
    rng = np.random.default_rng(11)
    rows, cols = np.indices((SIZE, SIZE)) - SIZE / 2
    envelope = np.exp(-(rows**2 + cols**2) / 18)
    noise = rng.standard_normal((2, SIZE, SIZE)) + 1j * rng.standard_normal((2, SIZE, SIZE))
    probe = envelope * (1 + 0.3 * noise) * np.array([1.0, 0.4])[:, None, None]
    truth = rng.uniform(0.6, 1, (40, 44)) * np.exp(1j * rng.uniform(-1, 1, (40, 44)))
    positions = np.array([[15.3, 16.8], [17.75, 14.1], [19.5, 20.45], [14.02, 21.6]])
    return truth, probe / np.linalg.norm(probe), positions


def relative_difference(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_forward_model_matches_the_reference_for_each_pattern(group, dtype):
    truth, probe, positions = group
    nearest = np.rint(positions).astype(int)
    expected = np.stack(
        [
            reference_intensity(
                truth[r - SIZE // 2 : r + SIZE // 2, c - SIZE // 2 : c + SIZE // 2],
                reference_shift(probe, p - (r, c)),
            )
            for (r, c), p in zip(nearest, positions, strict=True)
        ]
    )
    corners, rest = split_positions(torch.from_numpy(positions), SIZE)
    modes = torch.from_numpy(probe).to(dtype.to_complex())
    canvas = torch.from_numpy(truth).to(dtype.to_complex())[None]
    shift = torch.from_numpy(positions) - torch.from_numpy(positions).round()
    probes = shift_probe(modes, shift.to(dtype) if dtype == torch.float64 else rest)
    found = diffract(extract(canvas, corners[None], SIZE)[0], probes)
    assert found.dtype == dtype
    assert relative_difference(found, expected) <= LIMITS[dtype]


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_merged_group_matches_the_reference(group, dtype):
    _, probe, positions = group
    rng = np.random.default_rng(12)
    patches = rng.standard_normal((4, SIZE, SIZE)) + 1j * rng.standard_normal((4, SIZE, SIZE))
    nearest = np.rint(positions).astype(int)
    probes = np.stack(
        [reference_shift(probe, p - r) for p, r in zip(positions, nearest, strict=True)]
    )
    merged = reference_merge(patches, probes, nearest - SIZE // 2)
    expected = np.stack([reference_intensity(o, p) for o, p in zip(merged, probes, strict=True)])
    corners, _ = split_positions(torch.from_numpy(positions), SIZE)
    to = dtype.to_complex()
    shifted = torch.from_numpy(probes).to(to)
    joined = merge_group(torch.from_numpy(patches).to(to)[None], shifted[None], corners[None])
    found = diffract(joined[0], shifted)
    assert relative_difference(found, expected) <= LIMITS[dtype]


def test_opposite_sub_pixel_sign_is_far_from_the_reference(group):
    truth, probe, positions = group
    row, col = np.rint(positions[0]).astype(int)
    patch = truth[row - SIZE // 2 : row + SIZE // 2, col - SIZE // 2 : col + SIZE // 2]
    rest = positions[0] - (row, col)
    expected = reference_intensity(patch, reference_shift(probe, rest))
    wrong = diffract(
        torch.from_numpy(patch), shift_probe(torch.from_numpy(probe), torch.from_numpy(-rest))
    )
    assert relative_difference(wrong, expected) > 0.01
