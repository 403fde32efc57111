from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_torch.physics.patches import (
    Windows,
    extract,
    group_canvas,
    merge,
    merge_average,
    scan_canvas,
    split_positions,
)
from ptycho_torch.physics.probe import illumination, shift_probe
from ptycho_torch.simulation import make_object, make_probe

SIZE = 64


def random_complex(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


@given(seed=st.integers(0, 2**31), batch=st.integers(1, 3), channel=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_extract_and_merge_are_adjoint(seed, batch, channel):
    rng = np.random.default_rng(seed)
    corners = torch.from_numpy(rng.integers(0, 15, size=(batch, channel, 2)))
    canvas = random_complex((batch, 23, 26), seed % 1000)
    patches = random_complex((batch, channel, 8, 8), seed % 1000 + 1)
    left = torch.vdot(patches.flatten(), extract(canvas, corners, 8).flatten())
    right = torch.vdot(merge(patches, corners, 23, 26).flatten(), canvas.flatten())
    assert abs(left - right) <= 1e-6 * abs(left)


def test_patch_lies_around_its_position():
    canvas = torch.arange(400.0).view(1, 20, 20)
    corners, rest = split_positions(torch.tensor([[10.3, 7.6]], dtype=torch.float64), 4)
    patch = extract(canvas, corners[None], 4)[0, 0]
    torch.testing.assert_close(patch, canvas[0, 8:12, 6:10])
    torch.testing.assert_close(rest, torch.tensor([[0.3, -0.4]]))


def test_patch_outside_the_canvas_is_refused_instead_of_wrapped():
    canvas = torch.zeros(1, 20, 20)
    for corner in ([-1, 0], [0, 17], [17, 0]):
        with pytest.raises(IndexError, match="leave a canvas"):
            extract(canvas, torch.tensor([[corner]]), 4)


def amplitude_error(sign: int) -> float:
    """Mean absolute amplitude error of a canvas merged from true patches."""
    rng = np.random.default_rng(4)
    truth = torch.from_numpy(make_object((160, 160), "lines", 4))
    positions = torch.from_numpy(rng.uniform(SIZE / 2 + 1, 160 - SIZE / 2 - 1, (150, 2)))
    corners, rest = split_positions(positions, SIZE)
    patches = extract(truth[None], corners[None], SIZE)
    weights = illumination(shift_probe(torch.from_numpy(make_probe(SIZE)), rest))[None]
    placed = corners if sign > 0 else 160 - SIZE - corners
    canvas, weight = merge_average(patches, weights, placed[None], (160, 160))
    lit = weight[0] > 0.05 * weight.max()
    return float((canvas[0].abs() - truth.abs())[lit].abs().mean())


def test_true_patches_give_the_true_canvas_at_random_positions():
    assert amplitude_error(sign=1) <= 2e-3


def test_the_opposite_sign_does_not_give_the_true_canvas():
    assert amplitude_error(sign=-1) > 0.05


def test_group_canvas_grows_with_the_offsets_and_clips_nothing():
    corners = torch.tensor([[[0, 0], [40, 3], [-35, 8], [2, -9]]])
    placed, edge = group_canvas(corners, 16)
    reach = (corners - corners.double().mean(dim=1).round().long()).abs().max()
    assert edge == 16 + 2 * int(reach)
    assert int(placed.min()) >= 0
    assert int(placed.max()) + 16 <= edge
    torch.testing.assert_close(placed - placed[:, :1], corners - corners[:, :1])


def test_scan_canvas_holds_negative_positions():
    corners = torch.tensor([[-12, 5], [3, 40]])
    origin, shape = scan_canvas(corners, 16)
    assert origin.tolist() == [-12, 5]
    assert shape == (31, 51)


def test_windows_cut_and_add_as_the_adjoint_pair_does():
    canvas = random_complex((1, 40, 50), 1)
    corners = torch.tensor([[0, 0], [7, 3], [24, 34], [7, 4]])
    windows = Windows(corners, 16, (40, 50))
    cut = extract(canvas, corners[None], 16)[0]
    assert torch.equal(windows.cut(canvas[0]), cut)
    assert torch.equal(windows.add(cut), merge(cut[None], corners[None], 40, 50)[0])
    with pytest.raises(IndexError, match="leave a canvas"):
        Windows(torch.tensor([[25, 0]]), 16, (40, 50))
