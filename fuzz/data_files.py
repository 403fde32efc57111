"""Data files as fuzzing targets: small ones of every kind that is read, and the readers.

Random bytes seldom reach what lies behind a header, so one mutation in two changes an array of an
archive or HDF5 file into something of another type, shape or value.
"""

from __future__ import annotations

import io
import os
import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

from ptycho_torch.data.formats import read_file, write_scan
from ptycho_torch.data.formats.hdf5 import FAILURES as HDF5_FAILURES
from ptycho_torch.data.formats.npz_archive import FAILURES as NPZ_FAILURES
from ptycho_torch.data.formats.product import product_of
from ptycho_torch.data.formats.stack import read_positions, read_stack
from ptycho_torch.data.scan import ScanData
from ptycho_torch.simulation import simulate_scan

FOLDER = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}"
ODD_ARRAYS: tuple[Callable[[Any], Any], ...] = (
    lambda a: np.zeros(0),
    lambda a: np.zeros((0, *a.shape[1:]), a.dtype),
    lambda a: np.array("text"),
    lambda a: np.array(b"text"),
    lambda a: np.full(a.shape, np.nan),
    lambda a: np.full(a.shape, np.inf, np.float32),
    lambda a: np.full(a.shape, -1.0),
    lambda a: np.full(a.shape, 1e300),
    lambda a: np.zeros(a.shape),
    lambda a: np.ones(a.shape, bool),
    lambda a: np.ones(a.shape, np.int8),
    lambda a: np.full(a.shape, 2**63, np.uint64),
    lambda a: np.ones(a.shape, complex),
    lambda a: np.asarray(a)[..., None],
    lambda a: np.asarray(a).ravel(),
    lambda a: np.asarray(a)[:1] if a.ndim else a,
    lambda a: np.repeat(np.asarray(a)[None], 2, axis=0),
    lambda a: np.asarray(a).astype(np.asarray(a).dtype.newbyteorder(">")),
    lambda a: np.zeros(a.shape, [("real", "f8"), ("imag", "f8")]),
    lambda a: np.zeros(a.shape, [("a", "f4"), ("b", "S3")]),
    lambda a: np.ones(a.shape, np.float16),
    lambda a: np.float64(7.0),
    lambda a: np.datetime64("2020-01-01"),
)


def small_scan() -> ScanData:
    """Return four patterns of 16 pixels with everything a format may hold."""
    made = simulate_scan(seed=1, n_pixel=16, n_patterns=4, nphotons=1e4)
    mask = np.ones((16, 16), bool)
    mask[0, 0] = False
    counts = np.where(mask, made.diffraction, 0)
    known = {"pixel_size_m": 2e-8, "energy_ev": 9e3, "distance_m": 1.5}
    return replace(made, diffraction=counts, mask=mask, **known)


def seeds() -> dict[str, bytes]:
    """Return a sound file of every kind, by kind."""
    scan = small_scan()
    made = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for form in ("npz", "cxi", "ptychodus-training", "ptychodus", "ptychodus-npz"):
        write_scan(FOLDER / "seed", scan, form)
        made[form] = (FOLDER / "seed").read_bytes()
    write_scan(FOLDER / "seed", product_of(scan), "cxi")
    made["cxi-product"] = (FOLDER / "seed").read_bytes()
    made["ptyr"] = _ptyr(scan)
    made["mat"] = _matlab(scan)
    made["tike"] = _npz(data=scan.diffraction, scan=scan.positions_px, probe=scan.probe[None, None])
    stream = io.BytesIO()
    np.save(stream, scan.diffraction)
    made["npy"] = stream.getvalue()
    stream = io.BytesIO()
    tifffile.imwrite(stream, scan.diffraction.astype(np.uint16), photometric="minisblack")
    made["tiff"] = stream.getvalue()
    rows = "\n".join(f"{x:.3f},{y:.3f}" for y, x in scan.positions_px)
    made["table"] = f"# motors\nx_um,y_um\n{rows}\n".encode()
    return made


def read(data: bytes) -> None:
    """Read bytes as every kind of data file that they may be."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "input"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        if data[:6] in (b"\x93NUMPY",) or data[:2] in (b"II", b"MM"):
            read_stack(path)
        elif data[:4] in (b"PK\x03\x04", b"\x89HDF", b"MATL") or data[:3] in (
            b"BZh",
            b"\x1f\x8b\x08",
        ):
            read_file(path)
        else:
            read_positions(path, 1e-8)


def mutated_arrays(data: bytes, random_: random.Random) -> bytes | None:
    """Return a file with one to three of its arrays made into something else, or None."""
    if data.startswith(b"PK"):
        return _mutated_npz(data, random_)
    return _mutated_hdf5(data, random_) if b"\x89HDF\r\n" in data[:600] else None


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _mutated_npz(data: bytes, random_: random.Random) -> bytes | None:
    try:
        with np.load(io.BytesIO(data)) as archive:
            arrays = dict(archive)
    except NPZ_FAILURES:  # bytes that were mutated before
        return None
    for _ in range(random_.randint(1, 3)):
        if not arrays:
            return None
        key = random_.choice(sorted(arrays))
        if random_.random() < 0.1:
            arrays.pop(key)
        else:
            arrays[key] = np.asarray(random_.choice(ODD_ARRAYS)(np.asarray(arrays[key])))
    return _npz(**arrays)


def _mutated_hdf5(data: bytes, random_: random.Random) -> bytes | None:
    stream = io.BytesIO(data)
    try:
        with h5py.File(stream, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            names = [name for name in names if isinstance(file.get(name), h5py.Dataset)]
            for _ in range(random_.randint(1, 3)):
                _mutate_dataset(file, random_.choice(names), random_)
    except (*HDF5_FAILURES, MemoryError, IndexError):  # bytes that were mutated before
        return None
    return stream.getvalue()


def _mutate_dataset(file: Any, name: str, random_: random.Random) -> None:
    if name not in file:
        return
    old = np.asarray(file[name][()])
    attributes = dict(file[name].attrs)
    del file[name]
    kind = random_.random()
    if kind < 0.1:
        return
    if kind < 0.2:
        target = random_.choice((h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/passwd", "/a")))
        file[name] = target
        return
    if kind < 0.3:
        file.create_dataset(name, (10**6, 10**6), np.float32, chunks=(1, 1024))
    else:
        value = np.asarray(random_.choice(ODD_ARRAYS)(old))
        file[name] = value.astype("S") if value.dtype.kind in "UM" else value
    if random_.random() < 0.8:
        odd = {key: random_.choice(("x", np.nan, [1, 2], -1.0, 0)) for key in attributes}
        file[name].attrs.update(attributes if random_.random() < 0.7 else odd)


def _ptyr(scan: ScanData) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["content/obj/S/data"] = scan.object[None]  # type: ignore[index]
        file["content/obj/S/_psize"], file["content/obj/S/_origin"] = [2e-8, 2e-8], [0.0, 0.0]
        file["content/probe/S/data"] = scan.probe
        file["content/positions/S"] = scan.positions_px * 2e-8
    return stream.getvalue()


def _matlab(scan: ScanData) -> bytes:
    pair = np.dtype([("real", "<f8"), ("imag", "<f8")])

    def stored(array: Any) -> Any:
        out = np.empty(array.T.shape, pair)
        out["real"], out["imag"] = array.T.real, array.T.imag
        return out

    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file["object"], file["probe"] = stored(scan.object), stored(scan.probe[0][..., None, None])
        file["outputs/probe_positions"] = scan.positions_px.T
        file["p/dx_spec"], file["p/lambda"] = np.full((2, 1), 2e-8), np.full((1, 1), 1.4e-10)
    data = bytearray(stream.getvalue())
    data[:11] = b"MATLAB 7.3 "
    return bytes(data)
