"""Sound, turned, blurred, flat and foreign reconstructions are told apart, and named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptycho_torch.errors import PreconditionError
from ptycho_torch.metrics.evaluation import judge
from ptycho_torch.metrics.field import Field
from ptycho_torch.metrics.resemblance import BLURRED, FLAT, OTHER, SAME, turns, undone
from ptycho_torch.simulation import make_object

POSITIONS = np.array([[26.0, 24.0], [90.0, 95.0], [50.0, 50.0]])


def drawn(seed: int, kind: str = "cells") -> np.ndarray:
    return make_object((118, 121), kind, seed).astype(complex)


def tilted(image: np.ndarray) -> np.ndarray:
    rows, cols = np.indices(image.shape)
    return 2.5 * np.exp(1j * (0.4 + 0.06 * rows - 0.04 * cols)) * image


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def blurred(image: np.ndarray, width: float) -> np.ndarray:
    return gaussian_filter(image.real, width) + 1j * gaussian_filter(image.imag, width)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return drawn(6)


def judged(found: np.ndarray, truth: np.ndarray, **how: bool):
    return judge(Field(found, positions_px=POSITIONS), Field(truth, name="truth"), **how)


def test_every_turn_is_undone_and_has_its_own_name(truth):
    names = [name for name, _ in turns()]
    assert len(set(names)) == 15
    for _, (transposed, rows, cols, conjugate) in turns():
        image = truth.T if transposed else truth
        image = image[:: -1 if rows else 1, :: -1 if cols else 1]
        image = image.conj() if conjugate else image
        np.testing.assert_array_equal(undone(image, (transposed, rows, cols, conjugate)), truth)


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("conjugate", np.conj),
        ("rows flipped", np.flipud),
        ("columns flipped", np.fliplr),
        ("rows flipped, columns flipped", lambda o: o[::-1, ::-1]),
        ("twin image (conjugate, turned by 180 degrees)", lambda o: o[::-1, ::-1].conj()),
        ("transposed", np.transpose),
        ("transposed, rows flipped", lambda o: o.T[::-1]),
        ("transposed, conjugate", lambda o: o.T.conj()),
    ],
)
def test_a_turned_object_is_named_and_scores_no_better_than_flat(name, turn, truth):
    spoiled = tilted(turn(truth)) + 0.1 * noise(turn(truth).shape)
    result = judged(spoiled, truth)
    assert result.looks_like == name
    assert result.row["relative_error"] > result.flat["relative_error"]
    assert "flat object" in result.remarks[-1]


def test_conjugation_is_seen_where_amplitude_hides_it():
    amplitude, phase = np.abs(drawn(3)), np.angle(drawn(4))
    truth = amplitude**2 * np.exp(0.1j * phase)
    result = judged(truth.conj(), truth)
    assert result.row["contrast_correlation"] > 0.9
    assert result.looks_like == "conjugate"


def test_sound_objects_are_not_suspected(truth):
    for found in (tilted(truth), truth + 0.05 * noise(truth.shape)):
        result = judged(found, truth)
        assert result.looks_like == SAME
        assert result.remarks == ()
        assert result.row["relative_error"] < 0.3 * result.flat["relative_error"]


@pytest.mark.parametrize("kind", ["cells", "lines", "siemens"])
def test_blur_is_named_though_it_correlates(kind):
    truth = drawn(2, kind)
    result = judged(tilted(blurred(truth, 1.2)), truth)
    assert result.looks_like == BLURRED
    assert result.row["frc50_per_px"] > 0.3
    assert result.row["transfer50_per_px"] < 0.2


@pytest.mark.parametrize("level", [0.0, 0.002])
def test_a_flat_object_is_named(level, truth):
    result = judged(tilted(np.full(truth.shape, 0.3) + level * noise(truth.shape)), truth)
    assert result.looks_like == FLAT


def test_another_object_and_noise_are_named(truth):
    for found in (tilted(drawn(7)), noise(truth.shape)):
        result = judged(found, truth)
        assert result.looks_like == OTHER
        assert result.row["relative_error"] > 0.9 * result.flat["relative_error"]


def test_an_object_in_the_wrong_place_is_found_and_said_so(truth):
    moved = np.roll(truth, (11, -8), (0, 1))
    result = judged(tilted(moved), truth)
    assert result.row["relative_error"] < 1e-3
    assert (result.row["shift_row_px"], result.row["shift_col_px"]) == pytest.approx((-11, 8))
    assert "11, -8 px" in result.remarks[0]
    assert judged(tilted(moved), truth, search=False).row["relative_error"] > 0.1


@pytest.fixture(scope="module")
def pair() -> tuple[Field, Field]:
    whole = drawn(5, "lines") + 0.03 * noise((118, 121), 1)
    other = drawn(5, "lines") + 0.03 * noise((118, 121), 2)
    first = Field(whole, (-7, 4), positions_px=POSITIONS + np.array([-7, 4]))
    bigger = np.pad(tilted(other)[9:, 13:], ((20, 3), (1, 30)))
    return first, Field(bigger, name="other object")


class TestAgainst:
    """Two reconstructions in frames that have nothing to do with each other."""

    def test_origin_size_ramp_and_scale_do_not_matter(self, pair):
        result = judge(*pair, same_frame=False, equals=True)
        assert result.row["relative_error"] < 0.07
        assert result.looks_like == SAME
        assert result.inside.shape[0] > 55

    def test_the_figures_are_the_same_either_way_round(self, pair):
        rows = [judge(*fields, same_frame=False, equals=True).row for fields in (pair, pair[::-1])]
        for name in ("relative_error", "mae_amplitude", "mae_phase_rad", "frc_half_bit_per_px"):
            assert rows[0][name] == pytest.approx(rows[1][name], rel=0.01), name

    def test_what_fits_nowhere_is_another_object(self, pair):
        stranger = Field(drawn(9), positions_px=POSITIONS)
        result = judge(stranger, pair[1], same_frame=False, equals=True)
        assert result.looks_like == OTHER

    def test_other_pixels_are_brought_to_size(self):
        rows, cols = np.indices((160, 150))
        fine = np.exp(0.4j * np.sin(rows / 9) * np.cos(cols / 7 + rows / 40))
        coarse = Field(tilted(fine[::2, ::2]), (3, 5))
        scaled = coarse.rescaled(2.0)
        assert scaled.image.shape == (160, 150)
        assert scaled.origin == (6, 10)
        result = judge(scaled, Field(fine), same_frame=False, equals=True)
        assert result.row["relative_error"] < 0.02


class TestWindow:
    """What is compared, and what is refused."""

    def test_dark_corners_are_left_out_and_said_so(self, truth):
        rows, cols = np.indices(truth.shape) - np.array([58, 59])[:, None, None]
        coverage = np.exp(-((np.hypot(rows, cols) / 24) ** 4))
        spoiled = np.where(coverage > 0.005, truth, 7j)
        field = Field(spoiled, coverage=coverage, positions_px=POSITIONS)
        result = judge(field, Field(truth))
        assert 0.4 < result.inside.mean() < 0.9
        assert "too little light" in result.remarks[0]
        assert result.row["mae_amplitude"] < 1e-3

    def test_holes_count_as_guessed_phases(self, truth):
        holes = truth.copy()
        holes[40:60, 40:60] = 0
        result = judged(holes, truth)
        assert result.row["mae_phase_rad"] > 0.07 * np.pi / 2
        assert "exactly 0" in result.remarks[0]

    def test_nan_and_nothing_are_refused(self, truth):
        bad = truth.copy()
        bad[50, 50] = np.nan
        with pytest.raises(PreconditionError, match="reconstruction holds 1 values that are NaN"):
            judged(bad, truth)
        with pytest.raises(PreconditionError, match="truth holds 1 values"):
            judged(truth, bad)
        with pytest.raises(PreconditionError, match="0 everywhere"):
            judged(np.zeros_like(truth), truth)

    def test_nothing_in_common_is_refused(self, truth):
        with pytest.raises(PreconditionError, match="does not cover the scan window"):
            judge(Field(truth[:40], positions_px=POSITIONS), Field(truth))
        with pytest.raises(PreconditionError, match="scan window is"):
            judge(Field(truth[:12]), Field(drawn(8)), same_frame=False)

    def test_a_constant_truth_gives_no_false_praise(self, truth):
        result = judged(truth, np.full(truth.shape, 1 + 0j))
        assert result.row["contrast_correlation"] == 0
        assert np.isnan(result.row["ssim_phase"])
        assert result.row["relative_error"] > result.flat["relative_error"]
