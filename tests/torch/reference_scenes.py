"""Scenes that nothing was tuned on: objects, probes, scans and detectors in plain NumPy, float64.

Nothing here imports the package that is judged with it. Objects are pictures of scikit-image,
phantoms, text, vortices and phases over 2 pi; probes are zone plates, pinholes, slits, diffusers,
vortices; scans are rasters, spirals, circles and random points; detectors have dead columns, hot
pixels, beam stops, saturation and background. Files are written as a user would write them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import data

Array = npt.NDArray[Any]

_ROOM_PX = 12
_PLANCK_LIGHT_EV_M = 1.23984198e-6
_ELECTRONVOLT_J = 1.602176634e-19


@dataclass(frozen=True)
class Scene:
    """One measurement: what is scanned with what, and what is wrong with it.

    Attributes:
        obj, probe, scan: Names of `object_of`, `probe_of` and `positions_of`.
        n_pixel: Edge of a pattern.
        patterns: How many.
        overlap: Linear overlap of neighbours.
        dose: Mean photons a pattern.
        aspect: Width of the scanned field over its height.
        modes: Shares of incoherent modes.
        seed: Of object, positions and noise.
        probe_defocus_rad, probe_zoom, probe_power, probe_shift_px, given_probe: How the probe
            that is handed over differs from the true one.
        position_noise_px, position_scale, orientation: How the positions do.
        dead_columns, hot_pixels, stop_px, saturation, background: Detector; saturation is a share
            of the largest value, background is photons a pixel.
        masked: Whether a mask tells dead, hot and stopped pixels.
    """

    obj: str = "natural"
    probe: str = "zone_plate"
    scan: str = "jitter"
    n_pixel: int = 64
    patterns: int = 100
    overlap: float = 0.75
    dose: float = 1e7
    aspect: float = 1.0
    modes: tuple[float, ...] = (1.0,)
    seed: int = 1
    probe_defocus_rad: float = 0.0
    probe_zoom: float = 1.0
    probe_power: float = 1.0
    probe_shift_px: tuple[int, int] = (0, 0)
    given_probe: str | None = None
    position_noise_px: float = 0.0
    position_scale: float = 1.0
    orientation: str = ""
    dead_columns: int = 0
    hot_pixels: int = 0
    stop_px: float = 0.0
    saturation: float = 0.0
    background: float = 0.0
    masked: bool = False

    @property
    def name(self) -> str:
        """What it is in one word for tables."""
        return f"{self.obj}/{self.probe}/{self.scan}/{self.patterns}x{self.n_pixel}/{self.dose:g}"


@dataclass(frozen=True)
class Measured:
    """A scene after the measurement.

    Attributes:
        counts: (n, N, N) float64, zero frequency at N // 2.
        probe: (mode, N, N) complex128, whose energy with the object gives the counts.
        positions_px: (n, 2) float64, the true (row, col) of the patch centres.
        obj: (H, W) complex128.
        given_probe, given_px: What the file says instead.
        mask: (N, N) bool, True where a pixel is good, or None.
    """

    counts: Array
    probe: Array
    positions_px: Array
    obj: Array
    given_probe: Array
    given_px: Array
    mask: Array | None


def object_of(kind: str, shape: tuple[int, int], seed: int) -> Array:
    """Make an object, (H, W) complex128."""
    if kind == "vortices":
        return _vortices(shape, seed)
    if kind == "noise":
        rng = np.random.default_rng(seed)
        return (0.6 + 0.4 * rng.random(shape)) * np.exp(1j * rng.random(shape))
    if kind == "sparse":
        return np.exp((-0.5 + 1.2j) * _specks(shape, seed))
    exponent = {
        "natural": lambda: (
            np.log(0.4 + 0.6 * _picture("camera", shape, seed))
            + 2j * _picture("astronaut", shape, seed + 1)
        ),
        "strong": lambda: (
            np.log(0.2 + 0.8 * _picture("coins", shape, seed))
            + 5j * _picture("camera", shape, seed + 1)
        ),
        "pure_phase": lambda: (
            1.5j * _picture("moon", shape, seed) + 1j * _picture("brick", shape, seed)
        ),
        "absorption": lambda: np.log(0.05 + 0.95 * _picture("coins", shape, seed)) + 0j,
        "binary_phase": lambda: 0.9j * math.pi * (_picture("text", shape, seed) > 0.5),
        "text": lambda: (
            np.log(0.3 + 0.7 * _picture("page", shape, seed)) - 0.8j * _picture("page", shape, seed)
        ),
        "phantom": lambda: (
            np.log(0.35 + 0.65 * _picture("shepp_logan_phantom", shape, seed, 0.4))
            + 1j * _picture("shepp_logan_phantom", shape, seed, 0.4)
        ),
        "over_2pi": lambda: -0.3 * _smooth(shape, seed + 1, 5) + 14j * _smooth(shape, seed, 9),
    }
    return np.asarray(np.exp(exponent[kind]()))


def _picture(name: str, shape: tuple[int, int], seed: int, zoom: float = 1.0) -> Array:
    """Crop a picture of scikit-image, mirrored on where it is too small; values 0 to 1."""
    image = np.asarray(getattr(data, name)(), np.float64)
    image = image[..., :3].mean(axis=-1) if image.ndim == 3 else image
    image = (image - image.min()) / np.ptp(image)
    image = np.clip(ndimage.zoom(image, zoom, order=1), 0, 1) if zoom != 1 else image
    lack = [max(0, wanted - have) for wanted, have in zip(shape, image.shape, strict=True)]
    image = np.pad(image, [(0, lack[0]), (0, lack[1])], mode="symmetric")
    rng = np.random.default_rng(seed + 17)
    row, col = (int(rng.integers(0, h - w + 1)) for h, w in zip(image.shape, shape, strict=True))
    return image[row : row + shape[0], col : col + shape[1]]


def _smooth(shape: tuple[int, int], seed: int, width_px: float) -> Array:
    noise = np.random.default_rng(seed).standard_normal(shape)
    field = ndimage.gaussian_filter(noise, width_px, mode="reflect")
    return np.asarray((field - field.min()) / np.ptp(field))


def _vortices(shape: tuple[int, int], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape, np.float64)
    phase, amplitude = np.zeros(shape), np.ones(shape)
    for number in range(max(3, shape[0] * shape[1] // 1600)):
        row, col = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        phase += (-1) ** number * np.arctan2(rows - row, cols - col)
        amplitude *= np.tanh(np.hypot(rows - row, cols - col) / 2)
    return np.asarray((0.3 + 0.7 * amplitude) * np.exp(1j * phase))


def _specks(shape: tuple[int, int], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    specks = np.zeros(shape)
    specks[rng.integers(0, shape[0], 40), rng.integers(0, shape[1], 40)] = 1
    specks = ndimage.gaussian_filter(specks, 1.5)
    return np.asarray(specks / specks.max())


def probe_of(kind: str, n_pixel: int, seed: int) -> Array:
    """Make a probe, (N, N) complex128 of unit energy."""
    n = n_pixel
    rows, cols = np.indices((n, n), np.float64) - n // 2
    radius = np.hypot(rows, cols)

    def bell(width: float) -> Array:
        return np.asarray(np.exp(-(radius**2) / (2 * (width * n) ** 2)) + 0j)

    def lens(pupil: Array, defocus_rad: float) -> Array:
        soft = ndimage.gaussian_filter(pupil.astype(np.float64), 0.6)
        return defocused(_focus(soft), defocus_rad * n / 64)

    made = {
        "zone_plate": lambda: lens((radius < 0.17 * n) & (radius > 0.065 * n), 40),
        "airy": lambda: lens(radius < 0.07 * n, 12),
        "slits": lambda: lens((abs(rows) < 0.08 * n) & (abs(cols) < 0.05 * n), 25),
        "pinhole": lambda: defocused(ndimage.gaussian_filter((radius < 0.19 * n) + 0j, 0.5), 8),
        "gauss": lambda: bell(0.11),
        "tight": lambda: bell(0.05),
        "curved": lambda: bell(0.13) * np.exp(2.4j * radius**2 / n),
        "off_centre": lambda: np.roll(bell(0.09) * np.exp(0.6j * radius**2 / n), (4, -3), (0, 1)),
        "vortex": lambda: (cols + 1j * rows) * bell(0.08),
        "long": lambda: (
            np.exp(-(rows**2) / (0.05 * n * n) - cols**2 / (0.01 * n * n))
            * np.exp(0.9j * (cols**2 - rows**2) / n)
        ),
        "diffuser": lambda: _diffused(bell(0.12), radius < 0.15 * n, seed),
    }[kind]()
    return np.asarray(made / np.linalg.norm(made))


def _focus(pupil: Array) -> Array:
    return np.asarray(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil))))


def _diffused(spot: Array, passed: Array, seed: int) -> Array:
    screen = np.random.default_rng(seed + 3).random(spot.shape)
    far = np.fft.fftshift(np.fft.fft2(spot * np.exp(2j * math.pi * screen)))
    return _focus(far * passed)


def defocused(probe: Array, strength_rad: float) -> Array:
    """Propagate a probe; the strength is the phase at the detector's edge."""
    edge = 2 * np.fft.fftfreq(probe.shape[-1])
    chirp = np.exp(1j * strength_rad * (edge[:, None] ** 2 + edge[None, :] ** 2))
    return np.asarray(np.fft.ifft2(np.fft.fft2(probe) * chirp))


def with_modes(probe: Array, powers: tuple[float, ...]) -> Array:
    """Make orthogonal incoherent modes of a probe, (mode, N, N), energy 1 together."""
    size = probe.shape[-1]
    light = np.abs(probe) ** 2
    rows, cols = np.indices(probe.shape) / size
    rows, cols = (
        rows - (light * rows).sum() / light.sum(),
        cols - (light * cols).sum() / light.sum(),
    )
    found: list[Array] = []
    for shape in (np.ones_like(rows), cols, rows, rows * cols)[: len(powers)]:
        mode = (probe * shape).ravel()
        for other in found:
            mode = mode - other * np.vdot(other, mode)
        found.append(mode / np.linalg.norm(mode))
    shares = np.sqrt(np.array(powers) / sum(powers))
    return np.stack(found).reshape(-1, size, size) * shares[:, None, None]


def width_px(probe: Array) -> float:
    """Diameter of the disc of even light with the probe's participation area."""
    light = (np.abs(probe) ** 2).sum(axis=0)
    return 2 * math.sqrt(light.sum() ** 2 / (light**2).sum() / math.pi)


def positions_of(kind: str, count: int, step: float, aspect: float, seed: int) -> Array:
    """Make positions, (n, 2) float64 (row, col) about anywhere."""
    rng = np.random.default_rng(seed + 11)
    number = np.arange(count)
    columns = max(1, round(math.sqrt(count * aspect)))
    raster = np.stack(np.divmod(number, columns), axis=1).astype(np.float64)
    if kind == "raster":
        return raster * step
    if kind == "jitter":
        return np.asarray((raster + rng.uniform(-0.2, 0.2, raster.shape)) * step)
    if kind == "random":
        height = step * math.sqrt(count / aspect)
        return rng.random((count, 2)) * [height, height * aspect]
    if kind == "spiral":
        radius, angle = 0.57 * step * np.sqrt(number), number * math.pi * (3 - math.sqrt(5))
    elif kind == "circles":
        ring = np.ceil((np.sqrt(1 + 1.6 * number) - 1) / 2 - 1e-9)
        inside = number - 1 - 2.5 * ring * (ring - 1)
        radius, angle = ring * step, 2 * math.pi * inside / np.maximum(5 * ring, 1)
    else:
        raise KeyError(kind)
    stretch = math.sqrt(aspect)
    return np.stack([radius * np.sin(angle) / stretch, radius * np.cos(angle) * stretch], axis=1)


def measure(scene: Scene) -> Measured:
    """Measure a scene.

    Args:
        scene: What is scanned, and what is wrong.

    Returns:
        Counts, the truth, and what the file will say.
    """
    rng = np.random.default_rng(scene.seed)
    probe = with_modes(probe_of(scene.probe, scene.n_pixel, scene.seed), scene.modes)
    step = (1 - scene.overlap) * width_px(probe)
    positions = positions_of(scene.scan, scene.patterns, step, scene.aspect, scene.seed)
    positions = positions - positions.min(axis=0) + scene.n_pixel // 2 + _ROOM_PX
    height, width = np.ceil(positions.max(axis=0)).astype(int) + scene.n_pixel // 2 + _ROOM_PX
    obj = object_of(scene.obj, (int(height), int(width)), scene.seed)
    clean = np.stack([intensity_at(obj, probe, place) for place in positions])
    gain = scene.dose / clean.sum(axis=(1, 2)).mean()
    counts = rng.poisson(clean * gain + scene.background).astype(np.float64)
    good = _spoil_detector(scene, counts, rng)
    return Measured(
        counts=counts,
        probe=probe * math.sqrt(gain),
        positions_px=positions,
        obj=obj,
        given_probe=_given_probe(scene, probe) * math.sqrt(gain),
        given_px=_given_positions(scene, positions, rng),
        mask=good if scene.masked else None,
    )


def _spoil_detector(scene: Scene, counts: Array, rng: np.random.Generator) -> Array:
    """Change the counts in place; returns the pixels that are still good."""
    size = scene.n_pixel
    good = np.ones((size, size), bool)
    top = counts.max()
    good[:, rng.choice(size, scene.dead_columns, replace=False)] = False
    rows, cols = np.indices(good.shape) - size // 2
    good &= np.hypot(rows, cols) >= scene.stop_px
    counts[:, ~good] = 0
    hot = tuple(rng.integers(0, size, (2, scene.hot_pixels)))
    counts[:, hot[0], hot[1]] = np.round(top / 2)
    good[hot] = False
    if scene.saturation:
        np.minimum(counts, np.round(top * scene.saturation), out=counts)
    return good


def _given_probe(scene: Scene, probe: Array) -> Array:
    given = probe
    if scene.given_probe is not None:
        given = with_modes(probe_of(scene.given_probe, scene.n_pixel, scene.seed), scene.modes)
    if scene.probe_defocus_rad:
        given = np.stack([defocused(mode, scene.probe_defocus_rad) for mode in given])
    if scene.probe_zoom != 1:
        axis = (np.arange(scene.n_pixel) - scene.n_pixel // 2) / scene.probe_zoom
        grid = np.meshgrid(*[axis + scene.n_pixel // 2] * 2, indexing="ij")
        given = np.stack([ndimage.map_coordinates(mode, grid, order=3) for mode in given])
    return np.roll(given, scene.probe_shift_px, axis=(-2, -1)) * math.sqrt(scene.probe_power)


def _given_positions(scene: Scene, positions: Array, rng: np.random.Generator) -> Array:
    noise = rng.normal(size=positions.shape) * scene.position_noise_px / math.sqrt(2)
    middle = positions.mean(axis=0)
    given = (positions + noise - middle) * scene.position_scale
    given = given[:, ::-1] if "swap" in scene.orientation else given
    signs = [-1 if axis in scene.orientation else 1 for axis in ("rows", "cols")]
    return np.asarray(given * signs + middle)


def intensity_at(obj: Array, probe: Array, position: Array) -> Array:
    """Intensity on the detector at one position, (N, N), by numpy.fft in float64.

    The whole pixels of the position cut the object; the rest shifts the probe by the Fourier
    shift theorem.
    """
    size = probe.shape[-1]
    corner, rest = corner_of(position, size)
    patch = obj[corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    wave = patch * np.fft.ifft2(np.fft.fft2(probe) * shift_ramp(size, rest))
    far = np.fft.fftshift(np.fft.fft2(wave, norm="ortho"), axes=(-2, -1))
    return np.asarray((np.abs(far) ** 2).sum(axis=0))


def corner_of(position: Array, size: int) -> tuple[Array, Array]:
    """Corner of a patch in whole pixels, and what is left of its position."""
    whole = np.floor(np.asarray(position) + 0.5).astype(int)
    return whole - size // 2, np.asarray(position) - whole


def shift_ramp(size: int, rest: Array) -> Array:
    """Factor in Fourier space that shifts an image by a part of a pixel."""
    frequency = np.fft.fftfreq(size)
    along = frequency[:, None] * rest[0] + frequency[None, :] * rest[1]
    return np.asarray(np.exp(-2j * math.pi * along))


def write_npz(path: Path, measured: Measured, *, truth: bool = True) -> None:
    """Write what a user would have: counts, probe, coordinates, mask, and the truth if asked."""
    more: dict[str, Array] = {} if measured.mask is None else {"mask": measured.mask}
    if truth:
        more["objectGuess"] = measured.obj.astype(np.complex64)
    np.savez(
        path,
        diff3d=measured.counts.astype(np.int64 if measured.counts.max() > 2**31 else np.int32),
        probeGuess=measured.given_probe.astype(np.complex64),
        xcoords=measured.given_px[:, 1],
        ycoords=measured.given_px[:, 0],
        **more,
    )


def write_cxi(path: Path, measured: Measured) -> None:
    """Write CXI 1.6: metres, joules, (x, y, z) of the sample."""
    energy_ev, distance_m, pitch_m = 8000.0, 2.0, 75e-6
    size = measured.counts.shape[-1]
    pixel_m = _PLANCK_LIGHT_EV_M / energy_ev * distance_m / (size * pitch_m)
    metres = np.zeros((len(measured.counts), 3))
    metres[:, :2] = measured.given_px[:, ::-1] * pixel_m
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        entry = file.create_group("entry_1")
        detector = entry.create_group("instrument_1/detector_1")
        detector["data"] = measured.counts.astype(np.uint32)
        detector["distance"] = distance_m
        detector["x_pixel_size"] = detector["y_pixel_size"] = pitch_m
        if measured.mask is not None:
            detector["mask"] = np.where(measured.mask, 0, 1).astype(np.uint32)
        entry["instrument_1/source_1/energy"] = energy_ev * _ELECTRONVOLT_J
        entry["sample_1/geometry_1/translation"] = metres
        entry["image_1/data"] = measured.given_probe.astype(np.complex64)
