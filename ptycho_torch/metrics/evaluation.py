"""Compare a reconstruction with a truth, and the flat object with the same truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ptycho_torch.errors import PreconditionError
from ptycho_torch.metrics.alignment import MAX_SHIFT_PX, Aligned, align
from ptycho_torch.metrics.correlation import ring_correlation

Array = npt.NDArray[Any]

_SMALLEST_WINDOW_PX = 16


def evaluate(
    found: Array, origin: tuple[int, int], truth: Array, positions_px: Array
) -> dict[str, dict[str, float]]:
    """Judge a reconstruction inside the scan window.

    The window spans the outermost positions. Shift, phase ramp, gain and global phase are removed
    before anything is measured.

    Args:
        found: (H, W) complex reconstruction.
        origin: Object pixel (row, col) of `found[0, 0]`.
        truth: (H', W') complex, object pixel (0, 0) first.
        positions_px: (n, 2) float64 positions of the scan.

    Returns:
        Rows `reconstruction` and `flat`, each with `mae_amplitude`, `mae_phase_rad`,
        `relative_error`, `ssim_amplitude`, `ssim_phase`, `psnr_amplitude_db`, `psnr_phase_db`,
        `frc50_per_px`, `frc_half_bit_per_px`, `frc_one_bit_per_px`, `shift_row_px`,
        `shift_col_px`.

    Raises:
        PreconditionError: The window is too small or not covered by both images.
    """
    low = np.ceil(positions_px.min(axis=0)).astype(int)
    high = np.floor(positions_px.max(axis=0)).astype(int) + 1
    if min(high - low) < _SMALLEST_WINDOW_PX:
        raise PreconditionError(
            f"the scan window is {high[0] - low[0]} x {high[1] - low[1]} px",
            hint=f"at least {_SMALLEST_WINDOW_PX} px each way are needed to judge an image",
        )
    reference = _window(truth, low, high, "truth")
    start = np.array(origin)
    margin = int(min(MAX_SHIFT_PX, *(low - start), *(np.array(found.shape) + start - high)))
    if margin < 0:
        raise PreconditionError(
            "the reconstruction does not cover the scan window",
            hint="reconstruct every position that is to be judged",
        )
    padded = _window(found, low - start - margin, high - start + margin, "reconstruction")
    flat = align(np.ones_like(reference), reference, 0)
    return {
        "reconstruction": _row(align(padded, reference, margin), reference),
        "flat": _row(flat, reference),
    }


def _window(image: Array, low: Array, high: Array, name: str) -> Array:
    if min(low) < 0 or np.any(high > image.shape):
        raise PreconditionError(
            f"the {name} of shape {image.shape} does not cover the scan window "
            f"{tuple(int(v) for v in low)} to {tuple(int(v) for v in high)}",
            hint="check that both use the pixel frame of the positions",
        )
    return image[low[0] : high[0], low[1] : high[1]]


def _row(aligned: Aligned, truth: Array) -> dict[str, float]:
    found = aligned.image
    amplitudes = np.abs(found), np.abs(truth).astype(np.float64)
    difference = np.angle(found * np.conj(truth))
    # Phases are compared on the truth's branch, so a wrap is not an error.
    centred = np.angle(truth * np.exp(-1j * np.angle(truth.sum(dtype=np.complex128))))
    phases = centred + difference, centred.astype(np.float64)
    rings = ring_correlation(found, truth)
    row = {
        "mae_amplitude": float(np.abs(amplitudes[0] - amplitudes[1]).mean()),
        "mae_phase_rad": float(np.abs(difference).mean()),
        "relative_error": _relative_error(found, truth),
        "frc50_per_px": rings.crossing(0.5),
        "frc_half_bit_per_px": rings.crossing(rings.half_bit),
        "frc_one_bit_per_px": rings.crossing(rings.one_bit),
        "shift_row_px": aligned.shift_px[0],
        "shift_col_px": aligned.shift_px[1],
    }
    for name, (image, reference) in (("amplitude", amplitudes), ("phase", phases)):
        row |= _similarity(image, reference, name)
    return row


def _relative_error(found: Array, truth: Array) -> float:
    """|c found - truth| / |truth| with the complex factor c that fits best."""
    power = float(np.square(np.abs(found)).sum())
    factor = (np.conj(found) * truth).sum() / power if power else 0.0
    return float(np.linalg.norm(factor * found - truth) / np.linalg.norm(truth))


def _similarity(image: Array, reference: Array, name: str) -> dict[str, float]:
    span = float(np.ptp(reference))
    if span == 0:
        same = bool(np.allclose(image, reference))
        psnr, ssim = (math.inf if same else 0.0), float(same)
    else:
        error = float(np.mean((image - reference) ** 2))
        psnr = math.inf
        if error > 0:
            psnr = float(peak_signal_noise_ratio(reference, image, data_range=span))  # type: ignore[no-untyped-call]
        ssim = float(structural_similarity(reference, image, data_range=span))  # type: ignore[no-untyped-call]
    unit = {"amplitude": "psnr_amplitude_db", "phase": "psnr_phase_db"}[name]
    return {f"ssim_{name}": ssim, unit: psnr}
