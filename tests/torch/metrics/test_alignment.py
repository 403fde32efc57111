"""Shift, ramp and factor are found as an exact optimiser finds them, without bias."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from ptycho_torch.metrics.alignment import align, centre, match_gain
from ptycho_torch.metrics.field import levelled
from ptycho_torch.metrics.registration import place
from ptycho_torch.simulation import make_object

MARGIN = 20


def moved(image: np.ndarray, row: float, col: float) -> np.ndarray:
    rows, cols = np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (rows * row + cols * col)))


def tilted(image: np.ndarray, row: float, col: float, factor: complex) -> np.ndarray:
    rows, cols = np.indices(image.shape)
    return image * factor * np.exp(1j * (row * rows + col * cols))


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.fixture(scope="module", params=["cells", "texture", "lines"])
def whole(request: pytest.FixtureRequest) -> np.ndarray:
    return make_object((110, 116), request.param, 4).astype(complex)


def test_shift_ramp_and_factor_are_removed_to_the_interpolation(whole):
    found = tilted(moved(whole, 0.3, -0.4), 0.05, -0.11, 3.7 * np.exp(0.9j))
    truth = centre(whole, MARGIN)
    aligned = align(found, truth, MARGIN)
    assert aligned.shift_px == pytest.approx((-0.3, 0.4), abs=0.003)
    assert aligned.ramp_rad_per_px == pytest.approx((-0.05, 0.11), abs=2e-4)
    left = np.abs(np.abs(aligned.image) - np.abs(truth)).mean()
    there = np.abs(np.abs(match_gain(centre(found, MARGIN), truth)) - np.abs(truth)).mean()
    assert left < 0.12 * there
    assert left < 0.003
    assert np.abs(np.angle(aligned.image * truth.conj())).mean() < 0.004


def exact(found: np.ndarray, truth: np.ndarray) -> float:
    """Smallest relative distance, by an optimiser that knows nothing of the package."""

    def distance(state: np.ndarray) -> np.ndarray:
        image = centre(moved(tilted(found, *state[2:], 1.0), *state[:2]), MARGIN)
        image = image * np.vdot(image, truth) / np.vdot(image, image)
        rest = (image - truth).ravel()
        return np.concatenate([rest.real, rest.imag])

    start = np.array([-0.4, -0.1, -0.009, 0.019])
    best = least_squares(distance, start, diff_step=1e-3, x_scale=(1, 1, 0.01, 0.01))
    return float(np.sqrt(2 * best.cost) / np.linalg.norm(truth))


def relative(aligned: np.ndarray, truth: np.ndarray) -> float:
    factor = np.vdot(aligned, truth) / np.vdot(aligned, aligned)
    return float(np.linalg.norm(factor * aligned - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(("kind", "level"), [("cells", 0.02), ("texture", 0.1), ("lines", 0.3)])
def test_noise_does_not_keep_it_from_the_optimum(kind, level):
    rows, cols = (np.sin(np.pi * np.arange(n) / n)[:, None] for n in (92, 96))
    whole = 1 + (make_object((92, 96), kind, 4) - 1) * rows * cols.T  # periodic: shifts are exact
    truth = centre(whole, MARGIN)
    found = tilted(moved(whole, 0.5, 0.2), 0.01, -0.02, 1.0) + level * noise(whole.shape, 1)
    aligned = align(found, truth, MARGIN).image
    assert relative(aligned, truth) == pytest.approx(exact(found, truth), rel=0.01)


def test_noise_is_neither_smoothed_nor_sharpened_by_the_shift():
    image = 5 + noise((96, 96), 2)
    truth = centre(moved(image, 0.5, 0.5), MARGIN)
    aligned = align(image, truth, MARGIN).image
    assert np.var(aligned) == pytest.approx(np.var(centre(image, MARGIN)), rel=0.05)


def test_without_a_border_nothing_is_moved(whole):
    aligned = align(moved(whole, 0.3, 0.3), whole, 0)
    assert aligned.shift_px == (0.0, 0.0)


def test_what_is_not_compared_does_not_count(whole):
    truth = centre(whole, MARGIN).copy()
    inside = np.zeros(truth.shape, bool)
    inside[:40] = True
    truth[~inside] = 50 * noise(truth.shape, 3)[~inside]
    aligned = align(moved(whole, 0.3, -0.2), truth, MARGIN, inside)
    assert aligned.shift_px == pytest.approx((-0.3, 0.2), abs=0.01)
    assert np.abs(aligned.image - truth)[inside].mean() < 0.01


def test_a_spike_outside_does_not_ring_into_the_inside(whole):
    found = moved(whole, 0.4, 0.0)
    found[3, :] = 1000.0
    aligned = align(found, centre(whole, MARGIN), MARGIN)
    assert np.abs(aligned.image - centre(whole, MARGIN)).mean() < 0.01


def test_phases_of_several_turns_are_no_obstacle():
    heights = make_object((110, 116), "texture", 9)
    whole = np.abs(heights) * np.exp(8j * np.angle(heights))
    truth = centre(whole, MARGIN)
    aligned = align(tilted(moved(whole, 0.4, -0.3), 0.2, 0.1, 2j), truth, MARGIN)
    assert relative(aligned.image, truth) < 0.01


def test_the_place_is_found_under_any_ramp(whole):
    reference = whole[30:90, 40:100]
    found = tilted(whole, 1.1, -0.7, 2 - 1j)
    known = np.ones(found.shape, bool), np.ones(reference.shape, bool)
    for largest in (192, 48):
        spot = place(found, reference, *known, largest=largest)
        assert spot.offset == (30, 40)
        assert spot.score > 0.99
    assert place(np.conj(found), reference, *known).score < 0.9


def test_the_place_is_found_where_parts_are_unknown(whole):
    found, known = whole.copy(), np.ones(whole.shape, bool)
    known[60:] = False
    found[60:] = 0
    reference = whole[20:80, 10:90]
    spot = place(found, reference, known, np.ones(reference.shape, bool))
    assert spot.offset == (20, 10)


def test_a_constant_stays_where_it_is(whole):
    flat, known = np.ones_like(whole), np.ones(whole.shape, bool)
    assert place(flat, whole, known, known, near=(3, -2), within=6).offset == (3, -2)


def test_levelling_takes_out_the_plane_wave_and_nothing_else(whole):
    inside = np.ones(whole.shape, bool)
    level, own = levelled(whole, inside)
    again, slopes = levelled(tilted(whole, 0.3, -0.2, 1.0), inside)
    assert np.subtract(slopes, own) == pytest.approx((-0.3, 0.2), abs=1e-5)
    np.testing.assert_allclose(np.abs(np.vdot(level, again)), np.vdot(level, level).real, rtol=1e-6)
