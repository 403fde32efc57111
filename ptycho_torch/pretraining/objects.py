"""Objects of many kinds and contrasts, so that the network meets no single look.

An object is exp(-absorption + i phase). Its two maps come from the same material, from two
different families, or one of them is missing: samples absorb, shift the phase, or both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import skimage
from scipy.ndimage import binary_dilation, gaussian_filter, zoom
from skimage.color import rgb2gray
from skimage.io import imread

from ptycho_torch.data.scan import Array
from ptycho_torch.simulation.objects import draw_maps

TRAINING_PICTURES = (
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Pictures that scikit-image installs (no download), for training."""

HELD_OUT_PICTURES = ("astronaut.png", "coins.png", "color.png", "text.png")
"""Pictures that only validation shows."""

_LARGEST_ABSORPTION = 3.0
_LARGEST_PHASE_RAD = 6.5

_Family = Callable[[tuple[int, int], np.random.Generator], Array]


def random_object(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw an object.

    Args:
        shape: (H, W) in pixels.
        rng: Source of everything random.

    Returns:
        (H, W) complex64, 0.05 <= |O| <= 1, with a phase range of up to 6.5 rad.
    """
    first = _random_map(shape, rng)
    relation = rng.choice(
        ["material", "independent", "phase", "absorption"], p=[0.4, 0.3, 0.2, 0.1]
    )
    second = _random_map(shape, rng) if relation == "independent" else first
    absorption = _LARGEST_ABSORPTION * rng.uniform() ** 3 * (relation != "phase")
    phase_rad = _LARGEST_PHASE_RAD * rng.uniform(0.05, 1) ** 2 * (relation != "absorption")
    blur = max(0.0, rng.uniform(-0.3, 1.5))
    first, second = (gaussian_filter(part, blur, mode="nearest") for part in (first, second))
    transmission: Array = np.exp(-absorption * first + 1j * phase_rad * second).astype(np.complex64)
    return transmission


def _random_map(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A map within [0, 1] of a family drawn at random, flipped half of the time."""
    names = list(_FAMILIES)
    chosen = _FAMILIES[names[int(rng.integers(len(names)))]]
    found = chosen(shape, rng)
    return found if rng.uniform() < 0.5 else 1 - found


def _leaves(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Dead leaves: opaque discs and polygons that cover each other.

    Their sizes follow a power law, which gives edges at every scale as natural scenes have
    (Lee, Mumford and Huang, Int. J. Comput. Vis. 41, 2001, 10.1023/A:1011109015675).
    """
    rows, cols = np.indices(shape, dtype=np.float32)
    found = np.full(shape, rng.uniform(), np.float32)
    for _ in range(int(rng.integers(30, 160))):
        radius = 2.0 / (1 - rng.uniform(0, 0.96)) ** 0.7
        row, col = rng.uniform(-5, shape[0] + 5), rng.uniform(-5, shape[1] + 5)
        sides = int(rng.integers(2, 7))
        inside = np.ones(shape, bool)
        if sides == 2:
            inside = np.hypot(rows - row, cols - col) < radius
        else:
            start = rng.uniform(0, 2 * np.pi)
            for side in range(sides):
                angle = start + 2 * np.pi * side / sides
                inside &= (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle) < radius
        found[inside] = rng.uniform()
    return found


def _field(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A power-law field with an exponent drawn at random, sometimes cut into two levels."""
    rows, cols = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    falloff = np.maximum(np.hypot(rows, cols), 0.01) ** -rng.uniform(1.0, 2.5)
    values = np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * falloff).real
    values = (values - values.mean()) / values.std()
    if rng.uniform() < 0.3:
        return np.asarray(values > rng.uniform(-0.7, 0.7), dtype=np.float64)
    return np.asarray(np.clip(0.5 + values / 5, 0, 1))


def _bars(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Straight bars with sharp edges."""
    found: Array = draw_maps("lines", shape, rng)[0]
    return found


def _grating(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Stripes, or squares of two crossing sets, of two levels and of a pitch that changes."""
    found = _stripes(shape, rng)
    if rng.uniform() < 0.5:
        found = found != _stripes(shape, rng)
    return np.asarray(found, dtype=np.float64)


def _stripes(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    rows, cols = (axis - axis.mean() for axis in np.indices(shape, dtype=np.float64))
    angle, pitch_px = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(5), np.log(40)))
    along, across = (
        rows * np.cos(angle) + cols * np.sin(angle),
        cols * np.cos(angle) - rows * np.sin(angle),
    )
    chirp, bend = rng.normal(0, 0.2, 2) / max(shape)
    way = along * (1 + chirp * along) + bend * across**2
    return np.asarray(np.sin(2 * np.pi * way / pitch_px) > rng.uniform(-0.5, 0.5))


def _strokes(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Thin bent lines that cross, of a few widths."""
    found = np.zeros(shape)
    for _ in range(int(rng.integers(6, 40))):
        length = int(rng.integers(10, 3 * max(shape)))
        turns = np.cumsum(rng.normal(0, rng.uniform(0.005, 0.08), length))
        heading = rng.uniform(0, 2 * np.pi) + turns
        way = 0.5 * np.cumsum(np.stack([np.sin(heading), np.cos(heading)]), axis=1)
        start = np.array([[rng.uniform(0, edge)] for edge in shape])
        rows, cols = np.round(start + way).astype(int)
        inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
        line = np.zeros(shape, bool)
        line[rows[inside], cols[inside]] = True
        wider = int(rng.integers(0, 3))
        line = binary_dilation(line, iterations=wider) if wider else line
        found[line] = rng.uniform(0.3, 1)
    return found


def _picture(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A part of a photograph at a scale drawn at random, turned and mirrored."""
    name = TRAINING_PICTURES[int(rng.integers(len(TRAINING_PICTURES)))]
    return crop_picture(load_picture(name), shape, rng)


def crop_picture(picture: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Cut a random part out of a picture.

    Args:
        picture: (H, W) within [0, 1].
        shape: Size of the part in pixels.
        rng: Source of everything random.

    Returns:
        (H, W) float64 within [0, 1], contrast stretched.
    """
    scale = rng.uniform(0.4, 1.2)
    smallest = max(shape[0] / picture.shape[0], shape[1] / picture.shape[1])
    resized = zoom(picture, max(scale, smallest * 1.01), order=1)
    row, col = (int(rng.integers(resized.shape[i] - shape[i] + 1)) for i in (0, 1))
    part = resized[row : row + shape[0], col : col + shape[1]]
    if rng.uniform() < 0.5:
        part = part[::-1]
    if rng.uniform() < 0.5:
        part = part[:, ::-1]
    low, high = np.percentile(part, [1, 99])
    stretched: Array = np.clip((part - low) / max(high - low, 1e-3), 0, 1)
    return stretched


@cache
def load_picture(name: str) -> Array:
    """Read one of scikit-image's pictures.

    Args:
        name: Its file name.

    Returns:
        (H, W) float32 within [0, 1].
    """
    pixels = imread(Path(skimage.__file__).parent / "data" / name)
    grey = rgb2gray(pixels[..., :3]) if pixels.ndim == 3 else pixels / 255
    found: Array = np.asarray(grey, dtype=np.float32)
    return found


_FAMILIES: dict[str, _Family] = {
    "leaves": _leaves,
    "field": _field,
    "bars": _bars,
    "grating": _grating,
    "strokes": _strokes,
    "picture": _picture,
}


def held_out_object(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw an object of a family that training never shows: cells, spokes, other pictures.

    Args:
        shape: (H, W) in pixels.
        rng: Source of everything random.

    Returns:
        (H, W) complex64.
    """
    kind = str(rng.choice(["cells", "siemens", "picture"]))
    if kind == "picture":
        name = HELD_OUT_PICTURES[int(rng.integers(len(HELD_OUT_PICTURES)))]
        first = second = crop_picture(load_picture(name), shape, rng)
    else:
        first, second = draw_maps(kind, shape, rng)
    blur = rng.uniform(0.4, 1.0)
    first, second = (gaussian_filter(part, blur, mode="nearest") for part in (first, second))
    exponent = -rng.uniform(0.1, 0.8) * first + 1j * rng.uniform(0.5, 3) * second
    transmission: Array = np.exp(exponent).astype(np.complex64)
    return transmission
