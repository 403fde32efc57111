"""How often `ptycho-torch check` speaks when it should, and when it should not.

Random scans that are sound (probes, objects, overlaps, doses and sizes all drawn at random), and
the same scans spoiled in one way each. For every slug the share of spoiled scans in which it is
found, and the share of sound scans in which it is a false alarm.

    python bench/bench_check.py [--scenes own|held-out] [--scans N] [--seed N] [--tried N]

`own` scans are drawn by the package's simulator, with which thresholds were chosen; `held-out` ones
by the reference of the tests, which shares no code, object or probe with it. Orientation, scale,
rotation, probe and background are tried on the first `--tried` scans only: that costs seconds each.
A remark that is advice (a regular raster) is no alarm.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from ptycho_torch.data.formats.geometry import even_diameter_px
from ptycho_torch.data.inspection import inspect_scan
from ptycho_torch.data.placement import scaled
from ptycho_torch.data.scan import Array, ScanData
from ptycho_torch.physics.forward import diffract
from ptycho_torch.physics.patches import extract, scan_canvas, split_positions
from ptycho_torch.physics.probe import shift_probe
from ptycho_torch.pretraining.objects import random_object
from ptycho_torch.pretraining.probes import random_probe
from ptycho_torch.reconstruct.examination import examine
from tests.torch.reference_scenes import Scene, measure

Spoil = Callable[[ScanData, np.random.Generator], ScanData | None]


def sound_scan(seed: int) -> ScanData:
    """Draw a scan with nothing wrong with it."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([32, 64, 128], p=[0.25, 0.6, 0.15]))
    probe = _pinhole(size, rng) if rng.uniform() < 0.15 else random_probe(size, rng)
    positions = _positions(probe, rng)
    corners, rest = split_positions(torch.from_numpy(positions), size)
    origin, shape = scan_canvas(corners, size)
    truth = torch.from_numpy(random_object(shape, rng))
    patches = extract(truth[None], (corners - origin)[None], size)[0]
    exact = diffract(patches, shift_probe(torch.from_numpy(probe), rest)).numpy()
    photons = 10 ** rng.uniform(2.3, 8)
    counts = rng.poisson(exact * (photons / exact.sum(axis=(1, 2)).mean()))
    return ScanData(
        diffraction=counts.astype(np.float32),
        measurement="counts",
        probe=(probe * np.sqrt(photons)).astype(np.complex64),
        positions_px=positions,
        source=f"seed {seed}",
    )


def held_out_scan(seed: int) -> ScanData:
    """Draw a scan with nothing wrong with it from the scenes of the tests."""
    rng = np.random.default_rng(seed)
    scene = Scene(
        obj=str(rng.choice(_OBJECTS)),
        probe=str(rng.choice(_PROBES)),
        scan=str(rng.choice(["jitter", "spiral", "raster", "circles", "random"])),
        n_pixel=int(rng.choice([32, 48, 64])),
        patterns=int(rng.integers(50, 160)),
        overlap=float(rng.uniform(0.62, 0.85)),
        dose=float(10 ** rng.uniform(2.5, 7.5)),
        seed=seed,
    )
    found = measure(scene)
    return ScanData(
        diffraction=found.counts.astype(np.float32),
        measurement="counts",
        probe=found.given_probe.astype(np.complex64),
        positions_px=found.given_px,
        source=f"{scene.name}, seed {seed}",
    )


_OBJECTS = (
    *("vortices", "noise", "sparse", "natural", "strong", "pure_phase", "absorption"),
    *("binary_phase", "text", "phantom", "over_2pi"),
)
_PROBES = (
    *("zone_plate", "airy", "slits", "pinhole", "gauss", "tight", "curved", "off_centre"),
    *("vortex", "long", "diffuser"),
)
DRAWN: dict[str, Callable[[int], ScanData]] = {"own": sound_scan, "held-out": held_out_scan}


def _pinhole(size: int, rng: np.random.Generator) -> Array:
    """A sharp disc: its far field has zeros where a detector has pixels."""
    rows, cols = np.indices((size, size)) - size // 2
    disc = np.hypot(rows, cols) < size * rng.uniform(0.1, 0.25)
    return (disc / np.sqrt(disc.sum()))[None].astype(np.complex64)


def _positions(probe: Array, rng: np.random.Generator) -> Array:
    step = max(1.5, even_diameter_px(probe) * rng.uniform(0.12, 0.42))
    rows, cols = (int(rng.integers(6, 15)) for _ in range(2))
    if rng.uniform() < 0.3:  # a Fermat spiral
        index = np.arange(rows * cols)
        angle, radius = index * np.pi * (3 - 5**0.5), step * 0.6 * np.sqrt(index)
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    grid = np.stack(np.divmod(np.arange(rows * cols), cols), axis=1).astype(np.float64)
    return np.asarray((grid + rng.uniform(-0.3, 0.3, grid.shape) * rng.uniform()) * step)


def _positioned(scan: ScanData, positions: Array) -> ScanData:
    return replace(scan, positions_px=np.ascontiguousarray(positions))


def _pixels(scan: ScanData, rng: np.random.Generator, count: int, lit: bool) -> Array:
    """Draw pixels: lit ones, or any outside the direct beam."""
    size = scan.n_pixel
    total = scan.diffraction.sum(axis=0)
    rows, cols = np.indices(total.shape) - size // 2
    allowed = total > 200 if lit else np.hypot(rows, cols) > size / 10
    places = np.argwhere(allowed & (np.hypot(rows, cols) > 2))
    return places[rng.permutation(len(places))[:count]]


def dead(scan: ScanData, rng: np.random.Generator) -> ScanData | None:
    """Three lit pixels never count."""
    counts = scan.diffraction.copy()
    places = _pixels(scan, rng, 3, lit=True)
    if len(places) < 3:
        return None
    for row, col in places:
        counts[:, row, col] = 0
    return replace(scan, diffraction=counts)


def hot(scan: ScanData, rng: np.random.Generator) -> ScanData:
    """Two pixels count at a high steady rate."""
    counts = scan.diffraction.copy()
    for row, col in _pixels(scan, rng, 2, lit=False):
        around = counts[:, max(0, row - 1) : row + 2, max(0, col - 1) : col + 2].mean()
        rate = 50 * around + rng.uniform(2, 50)
        counts[:, row, col] = rng.poisson(rate, len(scan))
    return replace(scan, diffraction=counts)


def saturated(scan: ScanData, rng: np.random.Generator) -> ScanData | None:
    """The brightest values are cut off, 30 to 3,000 of them."""
    values = np.sort(scan.diffraction.ravel())
    top = np.floor(values[-int(rng.integers(30, 3000))])
    if top < 10 or top == values[-1]:
        return None
    return replace(scan, diffraction=np.minimum(scan.diffraction, top))


def stopped(scan: ScanData, rng: np.random.Generator) -> ScanData | None:
    """A beam stop covers the middle, wholly or nearly, and much of the light."""
    rows, cols = np.indices(scan.diffraction.shape[1:]) - scan.n_pixel // 2
    inside = np.hypot(rows, cols) < scan.n_pixel * rng.uniform(0.035, 0.1)
    share = scan.diffraction[:, inside].sum() / scan.diffraction.sum()
    if not 0.03 < share < 0.97:
        return None
    left = np.where(inside, rng.choice([0, 0.01]), 1)
    return replace(scan, diffraction=rng.binomial(scan.diffraction.astype(int), left).astype("f4"))


def probe_elsewhere(scan: ScanData, rng: np.random.Generator) -> ScanData:
    """The probe of another experiment."""
    other = random_probe(scan.n_pixel, rng)
    if rng.uniform() < 0.5:  # or the right one, far out of focus
        f = np.fft.fftfreq(scan.n_pixel) * 2
        chirp = np.exp(1j * rng.choice([-1, 1]) * rng.uniform(30, 60) * (f[:, None] ** 2 + f**2))
        other = np.fft.ifft2(np.fft.fft2(scan.probe) * chirp)
    return replace(
        scan,
        probe=(other * np.linalg.norm(scan.probe) / np.linalg.norm(other)).astype(np.complex64),
    )


def background(scan: ScanData, rng: np.random.Generator) -> ScanData:
    """An even background of 5 to 50 % of all counts."""
    mean = scan.diffraction.mean() * rng.uniform(0.05, 0.5)
    light = rng.poisson(mean, scan.diffraction.shape)
    return replace(scan, diffraction=scan.diffraction + light.astype(np.float32))


def _scaled(low: float, high: float) -> Spoil:
    """Positions too narrow or too wide by a factor between two."""

    def spoil(scan: ScanData, rng: np.random.Generator) -> ScanData:
        factor = rng.uniform(low, high) ** rng.choice([-1, 1])
        return _positioned(scan, scaled(scan.positions_px, factor))

    return spoil


def _turned(scan: ScanData, rng: np.random.Generator) -> ScanData:
    angle = rng.uniform(4, 12) * rng.choice([-1, 1])
    return _positioned(scan, scaled(scan.positions_px, 1, angle))


def _repeat(scan: ScanData, rng: np.random.Generator) -> ScanData:
    positions = scan.positions_px.copy()
    index = int(rng.integers(1, len(scan)))
    positions[index] = positions[index - 1]
    return _positioned(scan, positions)


def _apart(scan: ScanData, rng: np.random.Generator) -> ScanData:
    positions = scan.positions_px.copy()
    positions[len(scan) // 2 :, int(rng.integers(2))] += 3 * scan.n_pixel
    return _positioned(scan, positions)


def _rolled(scan: ScanData, pixels: tuple[int, int]) -> ScanData:
    return replace(scan, diffraction=np.roll(scan.diffraction, pixels, axis=(1, 2)))


_ORIENTATIONS: dict[str, Spoil] = {
    "swapped": lambda s, _: _positioned(s, s.positions_px[:, ::-1]),
    "flipped": lambda s, _: _positioned(s, s.positions_px * (1, -1)),
}
SPOILED: dict[str, tuple[str, Spoil]] = {
    "dead pixels": ("dead-pixels", dead),
    "hot pixels": ("hot-pixels", hot),
    "saturated": ("saturated", saturated),
    "beam stop": ("beam-stop", stopped),
    "corner frame": ("zero-frequency", lambda s, _: _rolled(s, (s.n_pixel // 2,) * 2)),
    "off centre by N/8": ("off-centre", lambda s, _: _rolled(s, (s.n_pixel // 8, 0))),
    "metres": ("positions-unit", lambda s, _: _positioned(s, s.positions_px * 2e-8)),
    "micrometres": ("positions-unit", lambda s, _: _positioned(s, s.positions_px * 0.02)),
    "nanometres": ("positions-unit", lambda s, _: _positioned(s, s.positions_px * 20)),
    "two parts": ("disconnected", _apart),
    "a position twice": ("duplicate-positions", _repeat),
    "a frame twice": (
        "duplicate-patterns",
        lambda s, _: replace(s, diffraction=s.diffraction[[0, 0, *range(2, len(s))]]),
    ),
    "a shut shutter": (
        "empty-patterns",
        lambda s, _: replace(
            s, diffraction=np.concatenate([0 * s.diffraction[:1], s.diffraction[1:]])
        ),
    ),
}
TRIED: dict[str, tuple[str, Spoil]] = {
    **{name: ("orientation", spoil) for name, spoil in _ORIENTATIONS.items()},
    "another probe": ("probe-wrong", probe_elsewhere),
    "scale off by 10 to 20 %": ("position-scale", _scaled(1.1, 1.2)),
    "scale off by 20 to 60 %": ("position-scale", _scaled(1.2, 1.6)),
    "turned by 4 to 12 degrees": ("position-rotation", _turned),
    "background of 5 to 50 %": ("background", background),
}


def slugs(scan: ScanData, tried: bool) -> list[str]:
    """Return what is remarked about a scan."""
    remarks = examine(scan).remarks if tried else inspect_scan(scan).remarks
    return [remark.slug for remark in remarks if not remark.advice]


def main() -> int:
    """Count, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", choices=list(DRAWN), default="own")
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--tried", type=int, default=20)
    parser.add_argument(
        "--largest", type=int, default=128, help="edge of a pattern; others skipped"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    false, found, asked = Counter[str](), Counter[str](), Counter[str]()
    began = time.process_time()
    drawn = (DRAWN[chosen.scenes](chosen.seed * 100_000 + n) for n in itertools.count())
    small = (scan for scan in drawn if scan.n_pixel <= chosen.largest)
    for number, scan in enumerate(itertools.islice(small, chosen.scans)):
        seed = chosen.seed * 100_000 + number
        tried = number < chosen.tried
        alarms = slugs(scan, tried)
        false.update(set(alarms))
        false["any"] += bool(alarms)
        if alarms and chosen.verbose:
            photons = scan.diffraction.sum() / len(scan)
            print(f"{scan.source} N={scan.n_pixel} n={len(scan)} {photons:.3g}: {alarms}")
        for name, (slug, spoil) in {**SPOILED, **(TRIED if tried else {})}.items():
            spoiled = spoil(scan, np.random.default_rng(seed))
            if spoiled is None:
                continue
            seen = slugs(spoiled, name in TRIED)
            asked[name] += 1
            # A probe out of focus to the other side is the twin of one at turned positions.
            hit = slug in seen or (
                name == "another probe" and {"unexplained", "orientation"} & {*seen}
            )
            found[name] += bool(hit)
            if not hit and chosen.verbose:
                print(f"missed {name} {seed}: {seen}")
    report: dict[str, Any] = {
        "scenes": chosen.scenes,
        "scans": chosen.scans,
        "tried": chosen.tried,
        "false_alarms": dict(false),
        "found": {name: [found[name], asked[name]] for name in asked},
        "cpu_s": time.process_time() - began,
    }
    for name, (seen, of) in report["found"].items():
        print(f"{name:20} found in {seen} of {of}")
    print(f"sound scans with a remark: {false['any']} of {chosen.scans}; {dict(false)}")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
