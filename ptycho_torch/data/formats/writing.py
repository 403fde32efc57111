"""Which formats are written, and how a file becomes one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptycho_torch.data.formats.npz import write_npz
from ptycho_torch.data.formats.npz_archive import write_arrays
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import ConfigError, DataFileError

if TYPE_CHECKING:
    import h5py

    from ptycho_torch.data.formats.product import Product


@dataclass(frozen=True)
class Format:
    """A format that is written.

    Attributes:
        name: For `--to`.
        suffixes: Endings of file names that mean it; the first format of an ending counts.
        title: What a person calls it.
        patterns: Whether it holds patterns, so that a product alone cannot become one.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    patterns: bool


FORMATS = (
    Format("npz", (".npz",), "NPZ of PtychoPINN", True),
    Format("cxi", (".cxi",), "CXI 1.6, which is NXcxi_ptycho too", False),
    Format("nxcxi", (".nxs",), "NXcxi_ptycho, which is CXI 1.6 too", False),
    Format("ptychodus", (".h5", ".hdf5"), "product of Ptychodus, without patterns", False),
    Format("ptychodus-npz", (), "the same in NPZ", False),
    Format("ptychodus-training", (), "training data of Ptychodus, HDF5", True),
)
SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
"""Endings by which a format is known."""


def format_of(target: Path, name: str | None = None) -> Format:
    """Return the format a file is to be written in.

    Args:
        target: The file.
        name: A format's name; None goes by the ending.

    Returns:
        The format.

    Raises:
        ConfigError: There is none of that name, or none has that ending.
    """
    if name is not None:
        found = [form for form in FORMATS if form.name == name]
        if not found:
            known = ", ".join(form.name for form in FORMATS)
            raise ConfigError(f"format `{name}` is not written", f"there is {known}")
        return found[0]
    for form in FORMATS:
        if target.suffix.lower() in form.suffixes:
            return form
    written = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
    raise ConfigError(
        f"`{target}` has another ending", f"{written} are written, or say which with `--to`"
    )


def write_scan(path: Path | str, item: ScanData | Product, to: str | None = None) -> None:
    """Write a scan, or a product.

    Args:
        path: Target; written beside it first and moved into place.
        item: What to write. Of a scan, products hold probe, positions and object.
        to: The format's name; None goes by the end of the target's name.

    Raises:
        ConfigError: No format has that name or ending.
        DataFileError: The format needs something that is not known: patterns, an object, pixel
            size, energy or distance.
    """
    target = Path(path)
    form = format_of(target, to)
    if form.patterns and not isinstance(item, ScanData):
        raise DataFileError(
            f"{item.source}: holds no patterns, which {form.title} has",
            hint="`ptycho-torch join PATTERNS TARGET --positions THIS` brings them together",
        )
    if form.name == "npz" and isinstance(item, ScanData):
        write_npz(target, item)
    elif form.name == "ptychodus-npz":
        from ptycho_torch.data.formats.ptychodus_product import product_arrays

        write_arrays(target, product_arrays(_product(item)))
    else:
        from ptycho_torch.data.formats.hdf5 import written

        write = _writer(form, item)
        with written(target) as file:
            write(file)


def _product(item: ScanData | Product) -> Product:
    from ptycho_torch.data.formats.product import product_of

    return product_of(item) if isinstance(item, ScanData) else item


def _writer(form: Format, item: ScanData | Product) -> Callable[[h5py.File], Any]:
    from ptycho_torch.data.formats import cxi_writer, ptychodus, ptychodus_product

    if form.name == "ptychodus":
        product = _product(item)
        return lambda file: ptychodus_product.write_product_hdf5(file, product)
    if not isinstance(item, ScanData):
        return lambda file: cxi_writer.write_cxi_product(file, item)
    if form.name == "ptychodus-training":
        return lambda file: ptychodus.write_training_file(file, item)
    return lambda file: cxi_writer.write_cxi(file, item)
