"""Files that are broken or hostile: one clear error each, no crash, and memory stays bounded."""

from __future__ import annotations

import bz2
import gzip
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ptycho_torch.data.formats import content, read_file, write_scan
from ptycho_torch.data.formats.stack import read_positions, read_stack
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DataFileError
from ptycho_torch.simulation import simulate_scan

FORMATS = ("npz", "cxi", "ptychodus", "ptychodus-npz", "ptychodus-training")
COUNTS = "entry_1/instrument_1/detector_1/data"
BOUND = 300 << 20
"""Far below what any of the files here promises."""


@pytest.fixture
def scan() -> ScanData:
    made = simulate_scan(seed=1, n_pixel=16, n_patterns=4, nphotons=1e4)
    return replace(made, pixel_size_m=2e-8, energy_ev=9e3, distance_m=1.5)


def assert_refused(
    path: Path, match: str = ".", read: Callable[[Path], object] = read_file
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=match) as caught:
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.hint
    assert caught.value.exit_code == 4
    assert peak < BOUND


def is_refused(path: Path) -> bool:
    """Any other failure than the one that names the file is a crash."""
    try:
        read_file(path)
    except DataFileError as error:
        return bool(error.hint)
    return False


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_cut_anywhere_is_refused(tmp_path, scan, form):
    write_scan(tmp_path / "whole", scan, form)
    whole = (tmp_path / "whole").read_bytes()
    cuts = sorted({*range(0, 9), *np.linspace(9, len(whole) - 1, 24).astype(int)})
    for cut in cuts:
        (tmp_path / "cut").write_bytes(whole[:cut])
        assert_refused(tmp_path / "cut")


@pytest.mark.parametrize("form", FORMATS)
def test_changed_bytes_never_crash(tmp_path, scan, form):
    write_scan(tmp_path / "whole", scan, form)
    whole = (tmp_path / "whole").read_bytes()
    dice = random.Random(7)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(dice.randint(1, 5)):
            start = dice.randrange(len(changed))
            changed[start : start + dice.choice((1, 4, 40))] = dice.randbytes(
                dice.choice((0, 1, 8))
            )
        (tmp_path / "changed").write_bytes(changed)
        is_refused(tmp_path / "changed")


ODD = {
    "text": np.array(b"seven"),
    "empty": np.zeros(0),
    "nan": np.nan,
    "structs": np.zeros(3, [("a", "f4"), ("b", "S3")]),
    "deep": np.ones((2, 2, 2, 2, 2)),
    "dates": np.array("2020-01-01", "M8[D]"),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_array_under_any_name_never_crashes(tmp_path, scan, odd):
    """Not every name matters; where it does, the file is refused."""
    refused = 0
    for form in FORMATS:
        write_scan(tmp_path / "whole", scan, form)
        for name in names(tmp_path / "whole"):
            changed = with_array(tmp_path / "whole", name, ODD[odd])
            refused += is_refused(changed)
    assert refused > 15


def names(path: Path) -> list[str]:
    if path.read_bytes().startswith(b"PK"):
        with np.load(path) as archive:
            return list(archive)
    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda n, i: found.append(n) if isinstance(i, h5py.Dataset) else None)
    return found


def with_array(path: Path, name: str, value: object) -> Path:
    changed = path.with_name("changed")
    if path.read_bytes().startswith(b"PK"):
        with np.load(path) as archive, changed.open("wb") as stream:
            np.savez(stream, **{**archive, name: value})
        return changed
    changed.write_bytes(path.read_bytes())
    with h5py.File(changed, "a") as file:
        del file[name]
        array = np.asarray(value)
        file[name] = array.astype("S") if array.dtype.kind == "M" else array
    return changed


@pytest.mark.parametrize("kind", [">u2", ">f4", "f8", "f2", "i8", "u1"])
@pytest.mark.parametrize("form", ["npz", "cxi"])
def test_numbers_of_any_kind_and_byte_order_are_read(tmp_path, scan, form, kind):
    counts = np.minimum(scan.diffraction, 200)
    write_scan(tmp_path / "whole", replace(scan, diffraction=counts), form)
    name = "diff3d" if form == "npz" else COUNTS
    found = read_file(with_array(tmp_path / "whole", name, counts.astype(kind)))
    assert np.array_equal(found.diffraction, counts)
    assert found.diffraction.dtype == np.float32


@pytest.mark.parametrize(
    ("value", "match"), [(-1.0, "negative"), (np.nan, "NaN"), (np.inf, "infinite"), (1e300, "infi")]
)
@pytest.mark.parametrize("form", ["npz", "cxi", "ptychodus-training"])
def test_values_no_detector_gives_are_refused(tmp_path, scan, form, value, match):
    write_scan(tmp_path / "whole", scan, form)
    name = {"npz": "diff3d", "cxi": COUNTS}.get(form, "patterns")
    counts = scan.diffraction.astype(np.float64)
    counts[2, 3, 4] = value
    assert_refused(with_array(tmp_path / "whole", name, counts), match)


def hostile(path: Path, scan: ScanData, change: Callable[[h5py.File, Path], None]) -> Path:
    write_scan(path / "h.cxi", scan)
    with h5py.File(path / "h.cxi", "a") as file:
        del file[COUNTS]
        change(file, path)
    return path / "h.cxi"


def other_file(path: Path) -> Path:
    with h5py.File(path / "other.h5", "w") as file:
        file["secret"] = np.ones((4, 16, 16), np.float32)
    return path / "other.h5"


def external_link(file: h5py.File, path: Path) -> None:
    file[COUNTS] = h5py.ExternalLink(str(other_file(path)), "/secret")


def behind_a_link(file: h5py.File, path: Path) -> None:
    file["far"] = h5py.ExternalLink(str(other_file(path)), "/")
    file[COUNTS] = h5py.SoftLink("/far/secret")


def virtual(file: h5py.File, path: Path) -> None:
    layout = h5py.VirtualLayout((4, 16, 16), np.float32)
    layout[:] = h5py.VirtualSource(str(other_file(path)), "secret", (4, 16, 16))
    file.create_virtual_dataset(COUNTS, layout)


def external_storage(file: h5py.File, path: Path) -> None:
    (path / "raw").write_bytes(bytes(4096))
    file.create_dataset(COUNTS, (4, 16, 16), np.float32, external=[(str(path / "raw"), 0, 4096)])


@pytest.mark.parametrize("change", [external_link, behind_a_link, virtual, external_storage])
def test_nothing_is_read_from_another_file(tmp_path, scan, change):
    assert_refused(hostile(tmp_path, scan, change), "lies in another file")


def test_a_virtual_dataset_within_the_file_is_read(tmp_path, scan):
    def within(file: h5py.File, path: Path) -> None:
        file["raw"] = scan.diffraction
        layout = h5py.VirtualLayout((4, 16, 16), np.float32)
        layout[:] = h5py.VirtualSource(".", "raw", (4, 16, 16))
        file.create_virtual_dataset(COUNTS, layout)

    found = read_file(hostile(tmp_path, scan, within))
    assert np.array_equal(found.diffraction, scan.diffraction)


def circle(file: h5py.File, path: Path) -> None:
    file[COUNTS] = h5py.SoftLink(f"/{COUNTS}")


def circle_of_groups(file: h5py.File, path: Path) -> None:
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    file[COUNTS] = h5py.SoftLink("/a/x")


@pytest.mark.parametrize("change", [circle, circle_of_groups])
def test_links_in_a_circle_end(tmp_path, scan, change):
    assert_refused(hostile(tmp_path, scan, change), "circle")


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (10**4, 10**4, 10**4), "chunks": (1, 100, 100)},
        {"shape": (4000, 512, 512), "chunks": (1, 512, 512), "compression": "gzip"},
        {"shape": (4000, 512, 512), "chunks": (4000, 512, 512), "compression": "gzip"},
        {"shape": (4000, 512, 512)},
    ],
)
def test_a_size_that_is_only_declared_takes_no_memory(tmp_path, scan, options):
    def declare(file: h5py.File, path: Path) -> None:
        file.create_dataset(COUNTS, dtype=np.uint16, **options)

    assert_refused(hostile(tmp_path, scan, declare), "promises|GB|too large|damaged")


def test_text_where_patterns_should_be_is_refused(tmp_path, scan):
    def text(file: h5py.File, path: Path) -> None:
        file[COUNTS] = ["a", "b"]

    assert_refused(hostile(tmp_path, scan, text))


@pytest.fixture
def small_limit(monkeypatch):
    """The rule for sizes out of proportion holds above 256 MB; tests need not be so large."""
    monkeypatch.setattr(content, "SMALL_BYTES", 1 << 20)


@pytest.mark.usefixtures("small_limit")
def test_a_zip_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "b.npz", diff3d=np.zeros((64, 256, 256), np.float32))
    assert_refused(tmp_path / "b.npz", "promises 16,777,216 bytes, but the file holds")


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress])
def test_a_packed_file_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path, pack):
    (tmp_path / "b.any").write_bytes(pack(bytes(1 << 26)))
    assert_refused(tmp_path / "b.any", "unpacks to more than")


def test_what_is_no_plain_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, match in (
        (tmp_path / "pipe", "no plain file"),
        (tmp_path, "a folder"),
        (Path("/dev/zero"), "no plain file"),
        (tmp_path / "absent", "No such file"),
        (tmp_path / ("x" * 300), "name too long"),
    ):
        for read in (read_file, read_stack):
            assert_refused(path, match, read)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_is_refused(tmp_path):
    (tmp_path / "s.npz").touch(mode=0)
    assert_refused(tmp_path / "s.npz", "Permission denied")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000, 1000)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 16, 16)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (4, 16, 16)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': {a,(",
        "(" * 3000,
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_lying_or_broken_npy_header_is_refused(tmp_path, header, wrapped):
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(4096)
    if wrapped:
        with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
            archive.writestr("diff3d.npy", data)
        assert_refused(tmp_path / "s.npz")
    else:
        (tmp_path / "s.npy").write_bytes(data)
        assert_refused(tmp_path / "s.npy", read=read_stack)


def test_a_damaged_tiff_or_table_is_refused(tmp_path, scan):
    tifffile.imwrite(
        tmp_path / "whole.tif", scan.diffraction.astype(np.uint16), photometric="minisblack"
    )
    whole = (tmp_path / "whole.tif").read_bytes()
    for cut in (2, 4, 9, 40, 200, 300):
        (tmp_path / "cut.tif").write_bytes(whole[:cut])
        assert_refused(tmp_path / "cut.tif", read=read_stack)
    (tmp_path / "p.csv").write_bytes(b"x_px,y_px\n\xff\xfe,1\n")
    assert_refused(tmp_path / "p.csv", read=lambda path: read_positions(path, None))


@pytest.mark.parametrize("form", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=str)
def test_a_tiff_whose_pages_lead_in_a_circle_is_refused(tmp_path, form):
    """Reading it would never end."""
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path, **form) as writer:
        for _ in range(3):
            writer.write(np.ones((16, 16), np.uint16), contiguous=False, metadata=None)
    assert read_stack(path).shape == (3, 16, 16)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[2]
        after = last.offset + file.tiff.tagnosize + len(last.tags) * file.tiff.tagsize
        link = struct.pack(file.tiff.offsetformat, first)
    whole = bytearray(path.read_bytes())
    whole[after : after + len(link)] = link
    path.write_bytes(whole)
    assert_refused(path, "in a circle", read_stack)
