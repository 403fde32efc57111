"""Another start where the given probe is too far off to be refined.

Iterations mend a probe that resembles the true one; from elsewhere they end in a wrong object,
with a misfit that photon noise does not explain. Then two things are still known of the probe. The
root of the mean pattern is about the modulus of its pupil, for the object spreads the light only a
little. And most of what is left is smooth phase: the probe is out of focus. So start probes are
made of the mean pattern and of the given probe, with a ladder of defocus on both sides, and each is
tried in a few epochs on patterns near the middle; misfit alone decides. Around the best one,
defocus, astigmatism, coma and spherical aberration are then tried in falling steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.aberrations import aberrated, aberration_basis, defocus_phase, pupil_axes
from ptycho_torch.physics.probe import probe_energy
from ptycho_torch.reconstruct.engine import run_engine
from ptycho_torch.reconstruct.judge import Judge
from ptycho_torch.reconstruct.options import RpieOptions
from ptycho_torch.reconstruct.probe_modes import with_modes

TRIAL_EPOCHS = 3
TRIAL_PATTERNS = 64
_TRIAL_BATCH = 8
_STEP_RAD = 1.5
_MOST_STEPS = 6
_WIDEST = 1 / 4
_ZOOMS = (0.5, 0.7, 1.4, 2.0)
_POLISH_RAD = (0.75, 0.4)
_GOOD = 0.1
_BETTER = 0.8


@dataclass(frozen=True)
class StartProbe:
    """A probe to start from.

    Attributes:
        origin: What it was made of, in words.
        defocus_rad: Defocus added to that, see `physics.aberrations`.
        probe: (mode, N, N) complex64 of unit energy.
    """

    origin: str
    defocus_rad: float
    probe: Tensor


@dataclass(frozen=True)
class FoundStart:
    """A start probe that explains the patterns better than the given one.

    Attributes:
        start: The probe as it was made.
        probe: (mode, N, N) complex64, the same after its trial.
        r_given: R factor of the trial of the given probe.
        r_found: The same for this one.
        tried: How many were tried.
    """

    start: StartProbe
    probe: Tensor
    r_given: float
    r_found: float
    tried: int


@dataclass(frozen=True)
class Tried:
    """A start probe after its trial."""

    start: StartProbe
    r_factor: float
    refined: Tensor


class ProbeSearch:
    """Start probes for a scan, and trials of them.

    Args:
        amplitude: (n, N, N) unit-dose amplitude of all patterns.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Of the run; the trials follow its likelihood and seed.
    """

    def __init__(
        self, amplitude: Tensor, positions_px: Array, mask: Tensor | None, options: RpieOptions
    ) -> None:
        distance = np.linalg.norm(positions_px - np.median(positions_px, axis=0), axis=1)
        middle = np.sort(np.argsort(distance, kind="stable")[:TRIAL_PATTERNS])
        self._amplitude, self._positions = amplitude[torch.from_numpy(middle)], positions_px[middle]
        self._mask = mask
        self._options = replace(
            options,
            epochs=TRIAL_EPOCHS,
            batch_size=_TRIAL_BATCH,
            batch_growth=1,
            probe_from=1,
            correct_positions=False,
            regularisation=0.0,
            stop_early=False,
        )
        self.judge = Judge(self._amplitude, mask, options.nphotons)
        self.modulus = pupil_modulus(amplitude, mask)
        self.tried = 0

    def find(self, given: Tensor, refined: Tensor) -> FoundStart | None:
        """Look for a start that explains the patterns better.

        Args:
            given: (mode, N, N) complex64 of unit energy, the run's start.
            refined: (mode, N, N) complex64, what the run has made of it so far.

        Returns:
            The best start, or None when what the run has is about as good.
        """
        as_given = self.trial(StartProbe("the given probe", 0.0, given))
        so_far = self.trial(StartProbe("the given probe, refined", 0.0, refined))
        best = min((as_given, so_far), key=lambda tried: tried.r_factor)
        for start in starts(given, self.modulus):
            best = min((best, self.trial(start)), key=lambda tried: tried.r_factor)
            if self.judge.left(best.r_factor) < _GOOD:
                break
        best = self._polished(best)
        known = min(as_given.r_factor, so_far.r_factor)
        if self.judge.left(best.r_factor) > _BETTER * self.judge.left(known):
            return None
        probe = placed_like(best.refined, given)
        return FoundStart(best.start, probe, as_given.r_factor, best.r_factor, self.tried)

    def trial(self, start: StartProbe) -> Tried:
        """Try a start in a few epochs.

        Args:
            start: The probe.

        Returns:
            How far it came; an infinite R factor for one that diverged.
        """
        self.tried += 1
        try:
            found = run_engine(
                self._amplitude, self._positions, start.probe, self._options, mask=self._mask
            )
        except DivergedError:
            return Tried(start, math.inf, start.probe)
        return Tried(start, found.r_factors[-1], found.probe)

    def _polished(self, best: Tried) -> Tried:
        """Try low aberrations in falling steps, until noise is all that is left."""
        light = torch.fft.fft2(best.start.probe).abs().square().sum(dim=0)
        terms = aberration_basis(light)
        per_rad = _chirp_in(terms[0], light)
        for step in _POLISH_RAD:
            for number, term in enumerate(terms):
                for sign in (1, -1):
                    if self.judge.left(best.r_factor) < _GOOD:
                        return best
                    start = replace(
                        best.start,
                        defocus_rad=best.start.defocus_rad + (number == 0) * sign * step * per_rad,
                        probe=aberrated(best.start.probe, sign * step * term),
                    )
                    best = min((best, self.trial(start)), key=lambda tried: tried.r_factor)
        return best


def starts(given: Tensor, modulus: Tensor) -> Iterator[StartProbe]:
    """Make start probes.

    Args:
        given: (mode, N, N) complex64 of unit energy.
        modulus: (N, N) float32 modulus of the pupil in the order of `fft2`.

    Yields:
        The given probe in and out of focus and of other sizes; probes whose pupil is the mean
        pattern's root, flat or with the given probe's phase, in and out of focus.
    """
    centred = recentred(given)
    for strength in ladder(torch.fft.fft2(centred).abs().square().sum(dim=0)):
        yield _defocused("the given probe", centred, strength)
    phase = torch.fft.fft2(centred[0]).angle()
    for name, turned in (
        ("the mean pattern", _centring_phase(modulus)),
        ("the mean pattern with the given probe's phase", phase),
    ):
        pupil = torch.polar(modulus, turned.to(modulus.dtype))
        probe = with_modes(torch.fft.ifft2(pupil)[None], len(given))
        for strength in ladder(modulus.square()):
            yield _defocused(name, probe, strength)
    for zoom in _ZOOMS:
        yield StartProbe(f"the given probe, {zoom:g} times as wide", 0.0, zoomed(centred, zoom))


def ladder(light: Tensor) -> list[float]:
    """Defocus on both sides, in steps that neighbours bridge, until the spot fills the frame.

    Args:
        light: (N, N) intensity of the pupil in the order of `fft2`.

    Returns:
        Phases at the detector's edge in radians, 0 among them.
    """
    size = light.shape[-1]
    chirp = defocus_phase(size, 1.0)
    weight = light.double() / light.double().sum()
    mean = float((weight * chirp).sum())
    spread = math.sqrt(float((weight * (chirp - mean).square()).sum()))
    if spread == 0:
        return [0.0]
    # The phase's slope moves a ray of the frequency u by 2 s u / pi pixels.
    widest = _WIDEST * size * math.pi / (2 * math.sqrt(mean))
    step = _STEP_RAD / spread
    steps = min(_MOST_STEPS, round(widest / step))
    return [number * step for number in range(-steps, steps + 1)]


def pupil_modulus(amplitude: Tensor, mask: Tensor | None) -> Tensor:
    """Root of the mean pattern; pixels that were not measured take their nearest neighbour's.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        mask: (row, col) bool, True where a pixel was measured, or None.

    Returns:
        (N, N) float32 in the order of `fft2`.
    """
    root = amplitude.square().mean(dim=0).sqrt()
    if mask is not None and bool(mask.any()):
        nearest = ndimage.distance_transform_edt(
            ~mask.numpy(), return_distances=False, return_indices=True
        )
        root = root[tuple(torch.from_numpy(axis.astype(np.int64)) for axis in nearest)]
    ordered: Tensor = torch.fft.ifftshift(root)
    return ordered


def recentred(probe: Tensor) -> Tensor:
    """Move a probe's weight to the middle by whole pixels, round the frame's edges.

    Args:
        probe: (mode, N, N) complex.

    Returns:
        (mode, N, N) complex.
    """
    half = probe.shape[-1] // 2
    row, col = (half - place for place in _middle(probe))
    return torch.roll(probe, (row, col), dims=(-2, -1))


def placed_like(probe: Tensor, given: Tensor) -> Tensor:
    """Move a probe to where the given one has its weight, so that the object does not move.

    Args:
        probe: (mode, N, N) complex.
        given: (mode, N, N) complex; one with its weight near the edge stays unheeded.

    Returns:
        (mode, N, N) complex.
    """
    half = probe.shape[-1] // 2
    row, col = (place - half for place in _middle(given))
    if max(abs(row), abs(col)) > half / 4:
        return recentred(probe)
    return torch.roll(recentred(probe), (row, col), dims=(-2, -1))


def zoomed(probe: Tensor, zoom: float) -> Tensor:
    """Magnify a probe about the middle of its frame.

    Args:
        probe: (mode, N, N) complex.
        zoom: Above 1 makes it wider.

    Returns:
        (mode, N, N) complex64 of unit energy.
    """
    half = probe.shape[-1] // 2
    axis = (np.arange(probe.shape[-1]) - half) / zoom + half
    grid = np.meshgrid(axis, axis, indexing="ij")
    modes = [ndimage.map_coordinates(mode, grid, order=1) for mode in probe.numpy()]
    wider = torch.from_numpy(np.stack(modes).astype(np.complex64))
    unit: Tensor = wider / math.sqrt(probe_energy(wider))
    return unit


def _defocused(name: str, probe: Tensor, strength: float) -> StartProbe:
    changed = aberrated(probe, defocus_phase(probe.shape[-1], strength))
    return StartProbe(name, strength, changed)


def _centring_phase(modulus: Tensor) -> Tensor:
    """Phase that moves the transform's origin to the middle of the frame."""
    rows, cols = pupil_axes(modulus.shape[-1])
    return -math.pi * (rows + cols) * (modulus.shape[-1] // 2)


def _middle(probe: Tensor) -> tuple[int, int]:
    """(row, col) of a probe's weight, with the frame taken as a ring on both axes."""
    light = probe.abs().square().sum(dim=0)
    size = light.shape[-1]
    turn = torch.polar(torch.ones(size), 2 * math.pi * torch.arange(size) / size)
    angles = [float((light.sum(dim=axis) * turn).sum().angle()) for axis in (1, 0)]
    row, col = (round(angle * size / (2 * math.pi)) % size for angle in angles)
    return row, col


def _chirp_in(term: Tensor, light: Tensor) -> float:
    """How much of `defocus_phase` a radian of a term holds."""
    weight = light.double() / light.double().sum()
    chirp = defocus_phase(light.shape[-1], 1.0)
    chirp = chirp - (weight * chirp).sum()
    square = float((weight * chirp.square()).sum())
    return float((weight * term * chirp).sum()) / square if square > 0 else 0.0
