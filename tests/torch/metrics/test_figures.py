"""Every figure against a slow reference of its own, scikit-image and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as torch_psnr,
)
from torchmetrics.functional.image import (
    structural_similarity_index_measure as torch_ssim,
)

from ptycho_torch.metrics.correlation import apodisation, ring_correlation, thresholds
from ptycho_torch.metrics.figures import contrast_correlation, psnr_db, relative_error, ssim
from ptycho_torch.simulation import make_object


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    truth = np.abs(make_object((48, 52), "cells", 3)).astype(float)
    return truth + 0.05 * np.random.default_rng(0).standard_normal(truth.shape), truth


def slow_ssim(image: np.ndarray, reference: np.ndarray, *, sample: bool, without: int = 0) -> float:
    """The formula, window by window; some windows along the border may be left out."""
    span = np.ptp(reference)
    values = []
    for row in range(without, image.shape[0] - 6 - without):
        for col in range(without, image.shape[1] - 6 - without):
            cut = np.s_[row : row + 7, col : col + 7]
            a, b = image[cut].ravel(), reference[cut].ravel()
            covariance = np.cov(a, b, bias=not sample)
            c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
            top = (2 * a.mean() * b.mean() + c1) * (2 * covariance[0, 1] + c2)
            base = (a.mean() ** 2 + b.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
            values.append(top / base)
    return float(np.mean(values))


def test_ssim_is_the_published_formula_as_both_libraries_have_it(pair):
    image, truth = pair
    span, inside = float(np.ptp(truth)), np.ones(truth.shape, bool)
    found = ssim(image, truth, inside)
    assert found == pytest.approx(slow_ssim(image, truth, sample=True), abs=1e-9)
    assert found == pytest.approx(structural_similarity(truth, image, data_range=span), abs=1e-12)
    # torchmetrics divides covariances by n, not n - 1, and averages over a mirrored border too.
    tensors = (torch.from_numpy(part)[None, None] for part in pair)
    uniform = {"gaussian_kernel": False, "kernel_size": 7, "return_full_image": True}
    other = torch_ssim(*tensors, **uniform, data_range=span)[1][..., 3:-3, 3:-3].mean()
    assert float(other) == pytest.approx(slow_ssim(image, truth, sample=False), abs=1e-6)


def test_ssim_leaves_out_windows_that_reach_outside(pair):
    image, truth = pair[0].copy(), pair[1]
    inside = np.zeros(truth.shape, bool)
    inside[5:30, 8:40] = True
    image[~inside] = 1e3
    cut = image[5:30, 8:40], truth[5:30, 8:40]
    assert ssim(image, truth, inside) == pytest.approx(
        ssim(*cut, np.ones(cut[0].shape, bool)), abs=1e-6
    )
    assert math.isnan(ssim(image, truth, np.eye(*truth.shape, dtype=bool)))


def test_psnr_is_the_libraries(pair):
    image, truth = pair
    span = float(np.ptp(truth))
    expected = peak_signal_noise_ratio(truth, image, data_range=span)
    assert psnr_db(image.ravel(), truth.ravel()) == pytest.approx(expected, abs=1e-9)
    tensors = [torch.from_numpy(part) for part in pair]
    assert float(torch_psnr(*tensors, data_range=span)) == pytest.approx(expected, abs=1e-4)
    assert psnr_db(truth.ravel(), truth.ravel()) == math.inf
    assert math.isnan(psnr_db(truth.ravel(), np.ones(truth.size)))


def test_relative_error_has_the_best_factor_and_no_order(pair):
    first, second = (part.ravel() * np.exp(1j * part.ravel()) for part in pair)
    factors = np.linspace(0.9, 1.1, 201)[:, None] * np.exp(1j * np.linspace(-0.1, 0.1, 101))
    inner = np.vdot(first, second)
    powers = np.vdot(first, first).real, np.vdot(second, second).real
    squares = np.abs(factors) ** 2 * powers[0] - 2 * (factors.conj() * inner).real + powers[1]
    best = np.sqrt(squares.min() / powers[1])
    assert relative_error(first, second) == pytest.approx(best, rel=1e-3)
    assert relative_error(first, second) == pytest.approx(relative_error(second, first))
    assert relative_error(3j * second, second) < 1e-7


def test_contrast_correlation_ignores_what_is_constant(pair):
    first, second = (part.ravel().astype(complex) for part in pair)
    expected = np.corrcoef(first.real, second.real)[0, 1]
    assert contrast_correlation(first, second) == pytest.approx(expected)
    assert contrast_correlation(first + 100, second) == pytest.approx(expected)
    assert contrast_correlation(np.ones_like(first), second) == 0


def slow_rings(first: np.ndarray, second: np.ndarray) -> list[float]:
    """The correlation, pixel by pixel of the Fourier plane."""
    window = apodisation(first.shape)
    spectra = []
    for image in (first, second):
        mean = (image * window).sum() / window.sum()
        spectra.append(np.fft.fftshift(np.fft.fft2((image - mean) * window)))
    height, width = first.shape
    short = min(first.shape)
    sums = np.zeros((3, short), complex)
    for row in range(height):
        for col in range(width):
            frequency = math.hypot((row - height // 2) / height, (col - width // 2) / width)
            ring = round(frequency * short)
            if ring < short:
                a, b = spectra[0][row, col], spectra[1][row, col]
                sums[:, ring] += (a * b.conjugate(), abs(a) ** 2, abs(b) ** 2)
    cross, one, other = sums[:, 1 : short // 2 + 1]
    return (cross.real / np.sqrt((one * other).real)).tolist()


def test_rings_are_those_of_a_slow_reference(pair):
    first, second = (part[:40, :46] * np.exp(1j * part[:40, :46]) for part in pair)
    found = ring_correlation(first, second).value
    assert found.tolist() == pytest.approx(slow_rings(first, second), abs=1e-12)


@pytest.mark.parametrize("complex_", [True, False])
@pytest.mark.parametrize("disc", [True, False])
def test_samples_a_ring_predict_the_scatter_of_independent_noise(complex_, disc):
    rng = np.random.default_rng(5)
    rows, cols = np.indices((48, 48)) - 23.5
    inside = np.hypot(rows, cols) < 22 if disc else None
    values = []
    for _ in range(150):
        images = rng.standard_normal((2, 48, 48))
        if complex_:
            images = images + 1j * rng.standard_normal((2, 48, 48))
        rings = ring_correlation(*images, inside)
        values.append(rings.value)
    scatter = np.std(values, axis=0) * np.sqrt(rings.samples)
    assert scatter[2:].mean() == pytest.approx(1, abs=0.06)


def test_thresholds_are_the_published_formulae():
    samples = np.array([4.0, 100.0, 1e12])
    half_bit, one_bit = thresholds(samples)
    assert half_bit[1] == pytest.approx((0.2071 + 0.19102) / (1.2071 + 0.09102))
    assert one_bit[1] == pytest.approx((0.5 + 0.24142) / (1.5 + 0.14142))
    assert half_bit[2] == pytest.approx(0.1716, abs=1e-4)
    assert one_bit[2] == pytest.approx(1 / 3, abs=1e-4)
    assert (half_bit < one_bit).all()


def test_a_shared_mask_alone_gives_no_agreement():
    rows, cols = np.indices((96, 96)) - 47.5
    inside = np.hypot(rows, cols) < 40
    images = [np.where(inside, make_object((96, 96), "texture", s), 0) for s in (1, 2)]
    rings = ring_correlation(*images, inside)
    assert rings.value[4:].mean() < 0.15
    assert rings.crossing(rings.half_bit) < 0.05
    fooled = [np.fft.fft2(image) for image in images]
    power = np.prod([np.abs(part) ** 2 for part in fooled], axis=0)
    assert (fooled[0] * fooled[1].conj()).real.sum() / np.sqrt(power).sum() > 0.5


def test_a_blurred_image_correlates_but_does_not_transfer():
    truth = np.asarray(make_object((96, 96), "lines", 2))
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.fftfreq(96))
    blurred = np.fft.ifft2(np.fft.fft2(truth) * np.exp(-((frequency / 0.15) ** 2) * math.log(2)))
    rings = ring_correlation(blurred, truth)
    assert rings.crossing(0.5) > 0.4
    assert rings.transfer_crossing(0.5) == pytest.approx(0.15, abs=0.01)
