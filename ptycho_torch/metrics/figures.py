"""The figures of one aligned image beside a reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.metrics import structural_similarity

from ptycho_torch.metrics.correlation import RingCorrelation

Array = npt.NDArray[Any]

SSIM_WINDOW_PX = 7


def figures(found: Array, truth: Array, inside: Array, rings: RingCorrelation) -> dict[str, float]:
    """Measure how far an aligned image is from a reference.

    Args:
        found: (H, W) complex, aligned, gain and phase matched.
        truth: (H, W) complex.
        inside: (H, W) bool, True where the two are compared.
        rings: Their ring correlation.

    Returns:
        The row that `docs/reference/outputs.md` explains. What does not exist is NaN or infinite.
    """
    amplitudes = np.abs(found).astype(np.float64), np.abs(truth).astype(np.float64)
    difference = np.angle(found * np.conj(truth))
    # The phase of nothing is unknown: it counts as pure guessing does, never as agreement.
    phase_error = np.where((amplitudes[0] == 0) & (amplitudes[1] > 0), math.pi / 2, difference)
    # Phases are compared on the truth's branch, so a wrap is not an error.
    mean = truth[inside].sum(dtype=np.complex128)
    centred = np.angle(truth * np.exp(-1j * np.angle(mean))).astype(np.float64)
    row = {
        "mae_amplitude": float(np.abs(amplitudes[0] - amplitudes[1])[inside].mean()),
        "mae_phase_rad": float(np.abs(phase_error)[inside].mean()),
        "relative_error": relative_error(found[inside], truth[inside]),
        "contrast_correlation": contrast_correlation(found[inside], truth[inside]),
        "frc50_per_px": rings.crossing(0.5),
        "frc_half_bit_per_px": rings.crossing(rings.half_bit),
        "frc_one_bit_per_px": rings.crossing(rings.one_bit),
        "transfer50_per_px": rings.transfer_crossing(0.5),
    }
    pairs = {"amplitude": amplitudes, "phase": (centred + phase_error, centred)}
    for name, (image, reference) in pairs.items():
        row[f"ssim_{name}"] = ssim(image, reference, inside)
        row[f"psnr_{name}_db"] = psnr_db(image[inside], reference[inside])
    return row


def relative_error(found: Array, truth: Array) -> float:
    """Distance with the complex factor that fits best, sqrt(1 - |<found, truth>|^2 / …).

    Args:
        found: (n,) complex.
        truth: (n,) complex.

    Returns:
        |c found - truth| / |truth|, between 0 and 1, the same when both are exchanged.
    """
    power = float(np.square(np.abs(found), dtype=np.float64).sum())
    factor = (np.conj(found) * truth).sum(dtype=np.complex128) / power if power else 0.0
    return float(np.linalg.norm(factor * found - truth) / np.linalg.norm(truth))


def contrast_correlation(found: Array, truth: Array) -> float:
    """Correlation of what is not constant, which a flat object has none of.

    Args:
        found: (n,) complex, in the phase of the truth.
        truth: (n,) complex.

    Returns:
        Re <found - mean, truth - mean> over both lengths, in [-1, 1]; 0 for a constant.
    """
    parts = [values - values.mean(dtype=np.complex128) for values in (found, truth)]
    sizes = [float(np.linalg.norm(part)) for part in parts]
    whole = [float(np.linalg.norm(values)) for values in (found, truth)]
    if any(size <= 1e-9 * total for size, total in zip(sizes, whole, strict=True)):
        return 0.0
    return float(np.vdot(parts[1], parts[0]).real) / (sizes[0] * sizes[1])


def psnr_db(image: Array, reference: Array) -> float:
    """Peak signal to noise ratio, 10 log10(range^2 / mean squared error).

    Args:
        image: (n,) real.
        reference: (n,) real; its largest minus its smallest value is the range.

    Returns:
        Decibels; infinite for equal images, NaN where the reference is constant.
    """
    error = float(np.mean(np.square(image - reference)))
    span = float(np.ptp(reference))
    if error == 0:
        return math.inf
    return 10 * math.log10(span**2 / error) if span > 0 else math.nan


def ssim(image: Array, reference: Array, inside: Array) -> float:
    """Structural similarity over windows of 7 x 7 that lie wholly inside.

    Wang et al., IEEE Trans. Image Process. 13, 2004, 10.1109/TIP.2003.819861, with uniform
    windows, sample covariance and the reference's range, as scikit-image does by default.

    Args:
        image: (H, W) real.
        reference: (H, W) real.
        inside: (H, W) bool, True where the two are compared.

    Returns:
        The mean, up to 1; NaN where the reference is constant or no window fits.
    """
    span = float(np.ptp(reference[inside]))
    whole = ndimage.binary_erosion(inside, np.ones((SSIM_WINDOW_PX, SSIM_WINDOW_PX), bool))
    if span == 0 or not whole.any():
        return math.nan
    _, values = structural_similarity(  # type: ignore[no-untyped-call]
        reference, image, data_range=span, win_size=SSIM_WINDOW_PX, full=True
    )
    return float(values[whole].mean())
