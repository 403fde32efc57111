"""NPZ files: PtychoPINN's, and the doors to what other programs keep in one.

| key | meaning |
|---|---|
| `diff3d` or `diffraction` | (n, N, N), or (N, N, n) in old files; counts or amplitude |
| `probeGuess` | (N, N), (P, N, N) or (N, N, 1) |
| `xcoords`, `ycoords` | (n,) patch centres in object pixels, x = column, y = row |
| `objectGuess`, `mask` | optional, (H, W) complex and (N, N) bool, True where a pixel is good |
| `bad_pixels` | optional (Ptychodus), (N, N) bool, True where a pixel is bad |
| `measurement`, `nphotons`, `pixel_size_m`, `energy_ev`, `distance_m` | optional scalars |

The values are counts when they are of integer type or all whole numbers, amplitude otherwise;
the key `measurement` or the caller overrides. Pickled members are never loaded.
"""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, get_args

import numpy as np

from ptycho_torch.data.formats import tike
from ptycho_torch.data.formats.npz_archive import Members, npz_members, write_arrays
from ptycho_torch.data.scan import Array, Measurement, ScanData, as_complex64, as_float32
from ptycho_torch.errors import DataFileError

if TYPE_CHECKING:
    from ptycho_torch.data.formats.product import Product

logger = logging.getLogger(__name__)

_SCALARS = ("nphotons", "pixel_size_m", "energy_ev", "distance_m")
PRODUCT_MARK = "probe_position_x_m"
"""A product of Ptychodus: positions and results, but no patterns."""
RECONSTRUCTION_KEYS = frozenset({"object", "coverage", "origin", "positions", "scales"})
"""What a reconstruction of this package holds."""
_PATTERN_KEYS = ("diff3d", "diffraction")


def read_npz(
    path: Path, measurement: Measurement | None = None, content: BinaryIO | None = None
) -> ScanData | Product:
    """Read an NPZ file of PtychoPINN, tike or Ptychodus.

    Args:
        path: The file.
        measurement: What the stored values are; None decides by the module's rule.
        content: The archive, when the file is packed once more.

    Returns:
        The scan, or a product of Ptychodus.

    Raises:
        DataFileError: Pickled member, missing key, truncated archive, wrong shape, NaN,
            negative or contradictory values.
    """
    with npz_members(path, content) as members:
        if members.names >= tike.KEYS and not members.names & {*_PATTERN_KEYS}:
            return tike.read_tike(path, members.get)
        if PRODUCT_MARK in members.names:
            # Scans need no HDF5, so its library is loaded for products only.
            from ptycho_torch.data.formats.ptychodus_product import read_product_npz

            return read_product_npz(members)
        if members.names >= RECONSTRUCTION_KEYS:
            raise DataFileError(
                f"{path}: a reconstruction holds no patterns",
                hint="`ptycho-torch convert THIS TARGET --scan SCAN` makes a product of it",
            )
        patterns = _patterns(members)
        positions = _positions(members)
        patterns = _pattern_axis_first(patterns, len(positions), path)
        kind = _measurement(members, patterns, measurement)
        return ScanData(
            diffraction=as_float32(patterns),
            measurement=kind,
            probe=_probe(members),
            positions_px=positions,
            object=_object(members, positions, patterns.shape[-1]),
            mask=_mask(members),
            source=str(path),
            **{key: members.number(key) for key in _SCALARS},
        )


def holds_reconstruction(path: Path) -> bool:
    """Tell whether a file is a reconstruction of this package; nothing but names is read.

    Args:
        path: The file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return False
    return names >= RECONSTRUCTION_KEYS


def write_npz(path: Path | str, scan: ScanData) -> None:
    """Write a scan so that `read_scan` gives it back; equal scans give equal bytes.

    Args:
        path: Target; written beside it first and moved into place.
        scan: What to write.
    """
    arrays: dict[str, Array] = {
        "diff3d": scan.diffraction,
        "measurement": np.array(scan.measurement),
        "probeGuess": scan.probe[0] if len(scan.probe) == 1 else scan.probe,
        "xcoords": scan.positions_px[:, 1],
        "ycoords": scan.positions_px[:, 0],
    }
    arrays |= {
        k: v for k, v in (("objectGuess", scan.object), ("mask", scan.mask)) if v is not None
    }
    arrays |= {k: np.array(getattr(scan, k)) for k in _SCALARS if getattr(scan, k) is not None}
    write_arrays(Path(path), arrays)


def _patterns(members: Members) -> Array:
    present = [key for key in _PATTERN_KEYS if key in members.names]
    if not present:
        raise DataFileError(
            f"{members.path}: neither `diff3d` nor `diffraction` is there; "
            f"the file has {sorted(members.names)}",
            hint="name the stack of patterns `diff3d`",
        )
    stacks = [members.get(key) for key in present]
    if len(stacks) == 2 and not np.array_equal(stacks[0], stacks[1]):
        raise DataFileError(
            f"{members.path}: `diff3d` and `diffraction` are both there and differ",
            hint="keep only the stack that belongs to these positions",
        )
    if stacks[0].dtype.kind not in "iuf" or stacks[0].ndim != 3:
        raise DataFileError(
            f"{members.path}: `{present[0]}` has shape {stacks[0].shape} and type "
            f"{stacks[0].dtype}, expected three axes of real numbers",
            hint="store the patterns as (n, N, N)",
        )
    logger.info("%s: patterns from key `%s`", members.path, present[0])
    return stacks[0]


def _numbers(members: Members, key: str, why: str) -> Array:
    """Return a member as a flat float64 array."""
    found = members.require(key, why)
    if found.dtype.kind not in "fiu":
        raise DataFileError(f"{members.path}: `{key}` holds {found.dtype}, not numbers", hint=why)
    return found.astype(np.float64).ravel()


def _positions(members: Members) -> Array:
    why = "positions are the patch centres in object pixels, x = column, y = row"
    columns, rows = (_numbers(members, key, why) for key in ("xcoords", "ycoords"))
    if len(columns) != len(rows):
        raise DataFileError(
            f"{members.path}: {len(columns)} `xcoords` but {len(rows)} `ycoords`", hint=why
        )
    return np.stack([rows, columns], axis=1)


def _pattern_axis_first(patterns: Array, count: int, path: Path) -> Array:
    """Tell (n, N, N) from the old (N, N, n) by the number of positions, then by the light."""
    first, middle, last = patterns.shape
    modern = first == count and middle == last
    legacy = last == count and first == middle
    if modern and legacy:
        legacy = _light_falls_along(patterns, 0)
        modern = not legacy
    if legacy:
        logger.info("%s: old axis order (N, N, n); moved the pattern axis first", path)
        return np.moveaxis(patterns, -1, 0)
    if not modern:
        raise DataFileError(
            f"{path}: patterns of shape {patterns.shape} do not fit {count} positions",
            hint="expected (n, N, N) or (N, N, n) with one position a pattern",
        )
    return patterns


def _light_falls_along(patterns: Array, axis: int) -> bool:
    """True when total light varies more along `axis` than along the last one.

    Light falls off by orders of magnitude across the detector but hardly from pattern to
    pattern, so the axis with the larger spread is a detector axis.
    """

    def spread(kept: int) -> float:
        others = tuple(index for index in range(3) if index != kept)
        light = patterns.astype(np.float64).sum(axis=others)
        return float(light.std() / max(light.mean(), np.finfo(np.float64).tiny))

    return spread(axis) > spread(2)


def _measurement(members: Members, patterns: Array, asked: Measurement | None) -> Measurement:
    stated = members.optional("measurement")
    if asked is not None:
        kind, reason = asked, "as the caller says"
    elif stated is not None:
        kind, reason = _known_measurement(members.path, stated), "as the file says"
    elif patterns.dtype.kind in "iu":
        kind, reason = "counts", f"because their type is {patterns.dtype}"
    elif np.array_equal(patterns, np.rint(patterns)):
        kind, reason = "counts", "because every value is a whole number"
    else:
        kind, reason = "amplitude", "because the values are not whole numbers"
    logger.info("%s: patterns taken as %s, %s", members.path, kind, reason)
    return kind


def _known_measurement(path: Path, stated: Array) -> Measurement:
    for kind in get_args(Measurement):
        if str(stated) == kind:
            return kind  # type: ignore[no-any-return]
    raise DataFileError(
        f"{path}: `measurement` is {str(stated)!r}", hint="expected `counts` or `amplitude`"
    )


def _probe(members: Members) -> Array:
    probe = members.require("probeGuess", "give a starting guess of the probe, (N, N) complex")
    if probe.ndim == 2:
        probe = probe[None]
    elif probe.ndim == 3 and probe.shape[-1] == 1 and probe.shape[0] == probe.shape[1]:
        probe = np.moveaxis(probe, -1, 0)
    if probe.dtype.kind not in "cf" or probe.ndim != 3:
        raise DataFileError(
            f"{members.path}: `probeGuess` has shape {probe.shape} and type {probe.dtype}",
            hint="expected (N, N), (P, N, N) or (N, N, 1) complex",
        )
    return as_complex64(probe)


def _object(members: Members, positions: Array, size: int) -> Array | None:
    found = members.numbers("objectGuess", "cfiu", "give the object as (H, W) complex")
    if found is None:
        return None
    if found.ndim == 3 and found.shape[-1] == 1:
        found = found[..., 0]
    start = np.rint(positions) - size // 2
    fits = found.ndim == 2 and start.min() >= 0
    if not fits or np.any(start.max(axis=0) + size > found.shape):
        logger.warning(
            "%s: `objectGuess` of shape %s does not cover the scan; left out",
            members.path,
            found.shape,
        )
        return None
    return as_complex64(found)


def _mask(members: Members) -> Array | None:
    """Return True where a pixel is good; Ptychodus stores the bad ones instead."""
    mask, bad = (
        members.numbers(key, "biuf", "give the mask as (N, N) booleans")
        for key in ("mask", "bad_pixels")
    )
    if mask is not None:
        return np.asarray(mask.astype(bool))
    return None if bad is None or not bad.any() else np.asarray(~bad.astype(bool))
