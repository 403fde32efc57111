"""`ptycho-torch convert | join`: scans, products and reconstructions from format to format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.data_commands import facts
from ptycho_torch.cli.render import show

TargetFile = Annotated[Path, typer.Argument(help="File to write: .npz, .cxi, .nxs or .h5.")]
ToFormat = Annotated[
    str | None,
    opt.flag("to", "Format, where the ending does not say it (npz, cxi, ptychodus-npz, …)."),
]
PixelSize = Annotated[float | None, opt.flag("pixel_size_m", "Edge of an object pixel in metres.")]
Energy = Annotated[float | None, opt.flag("energy_ev", "Photon energy.")]
Distance = Annotated[float | None, opt.flag("distance_m", "Sample to detector in metres.")]
DetectorPixel = Annotated[
    float | None, opt.flag("detector_pixel_m", "Edge of a detector pixel in metres.")
]
Orientation = Annotated[
    str | None,
    opt.flag("orientation", "Turn the positions: swap, flip-rows, flip-cols, joined by commas."),
]
PositionUnit = Annotated[
    Literal["m", "mm", "um", "nm"] | None,
    opt.flag("position_unit", "What the positions are in, where they are not in object pixels."),
]
PositionScale = Annotated[
    float, opt.flag("position_scale", "Multiply the positions about their mean.", 1)
]
PositionRotation = Annotated[
    float, opt.flag("position_rotation_deg", "Turn the positions about their mean.", 0)
]
SubtractBackground = Annotated[
    float, opt.flag("subtract_background", "Take so many counts from every pixel.", 0)
]
MaskDefects = Annotated[
    bool, typer.Option("--mask_defects", "--mask-defects", help="Mask what `check` calls defects.")
]
Recentre = Annotated[
    bool, typer.Option("--recentre", help="Move the patterns' zero frequency to the middle.")
]
DropEmpty = Annotated[
    bool, typer.Option("--drop_empty", "--drop-empty", help="Leave out patterns without light.")
]


@edge.guarded
def convert(
    scan_file: Annotated[Path, typer.Argument(help="Scan, product or reconstruction.npz.")],
    target: TargetFile,
    to: ToFormat = None,
    scan_of: Annotated[
        Path | None, opt.flag("scan", "Scan a reconstruction was made from, for its lengths.")
    ] = None,
    pixel_size_m: PixelSize = None,
    energy_ev: Energy = None,
    distance_m: Distance = None,
    detector_pixel_m: DetectorPixel = None,
    orientation: Orientation = None,
    position_unit: PositionUnit = None,
    position_scale: PositionScale = 1.0,
    position_rotation_deg: PositionRotation = 0.0,
    subtract_background: SubtractBackground = 0.0,
    mask_defects: MaskDefects = False,
    recentre: Recentre = False,
    drop_empty: DropEmpty = False,
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Write a scan, a product or a reconstruction in another format, mended where asked."""
    flags = dict(locals())
    from ptycho_torch.data.formats.writing import format_of

    form = format_of(target, to)
    _check_ranges(flags)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_file, read_scan
    from ptycho_torch.data.formats.joined import Optics
    from ptycho_torch.data.formats.npz import holds_reconstruction

    optics = Optics(pixel_size_m, energy_ev, distance_m, detector_pixel_m)
    scan = None if scan_of is None else read_scan(scan_of, measurement)
    if holds_reconstruction(scan_file):
        from ptycho_torch.reconstruct.export import as_product
        from ptycho_torch.reconstruct.result import read_reconstruction

        item: Any = as_product(read_reconstruction(scan_file), str(scan_file), scan)
    else:
        item = read_file(scan_file, measurement)
    _write(target, form.name, _amended(optics.onto(item), flags), as_json)


def _check_ranges(flags: dict[str, Any]) -> None:
    from ptycho_torch.config_factory import require_range

    require_range("position_scale", flags["position_scale"], 1e-9, 1e9)
    require_range("position_rotation_deg", flags["position_rotation_deg"], -180, 180)
    require_range("subtract_background", flags["subtract_background"], 0)


def _amended(item: Any, flags: dict[str, Any]) -> Any:
    """Apply what `check` recommends."""
    from dataclasses import fields

    from ptycho_torch.data.amendments import Amendments, read_orientation
    from ptycho_torch.data.scan import ScanData
    from ptycho_torch.errors import ConfigError

    asked = {field.name: flags[field.name] for field in fields(Amendments)}
    asked["orientation"] = read_orientation(flags["orientation"]) if flags["orientation"] else ()
    amendments = Amendments(**asked)
    if not amendments.asked:
        return item
    if not isinstance(item, ScanData):
        raise ConfigError(
            f"`{item.source}` holds no patterns: nothing in it can be mended",
            "mend the scan, and reconstruct it again",
        )
    return amendments.onto(item)


@edge.guarded
def join(
    patterns: Annotated[Path, typer.Argument(help="Patterns: NPY, TIFF, HDF5 or NPZ.")],
    target: TargetFile,
    positions: Annotated[
        Path, opt.flag("positions", "Table with a header (x_px, y_um, …), or a product.")
    ],
    to: ToFormat = None,
    pixel_size_m: PixelSize = None,
    energy_ev: Energy = None,
    distance_m: Distance = None,
    detector_pixel_m: DetectorPixel = None,
    measurement: opt.MeasurementFlag = None,
    as_json: opt.Json = False,
) -> None:
    """Make one scan of patterns in one file and their positions in another."""
    from ptycho_torch.data.formats.writing import format_of

    form = format_of(target, to)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats.joined import Optics
    from ptycho_torch.data.formats.joined import join as joined

    optics = Optics(pixel_size_m, energy_ev, distance_m, detector_pixel_m)
    _write(target, form.name, joined(patterns, positions, optics, measurement), as_json)


def _write(target: Path, form: str, item: Any, as_json: bool) -> None:
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.data.formats import write_scan

    make_folder(target.absolute().parent)
    write_scan(target, item, form)
    show({"file": target.as_posix(), "format": form, **facts(item)}, as_json)
