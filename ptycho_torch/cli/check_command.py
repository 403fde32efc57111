"""`ptycho-torch check`: whether a scan is sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show

if TYPE_CHECKING:
    from ptycho_torch.reconstruct.examination import Examination

ScanFile = Annotated[Path, typer.Argument(help="Scan to look at, in any format.")]


@edge.guarded
def check(
    scan_file: ScanFile,
    epochs: Annotated[int, opt.flag("epochs", "rPIE epochs for each orientation.", 4)] = 4,
    seed: Annotated[int, opt.flag("seed", "Order of the patterns.", 0)] = 0,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a scan holds, what looks wrong, and the command that mends it.

    Exits with 1 when something looks wrong.
    """
    from ptycho_torch.config_factory import create_execution_config, require_range

    execution = create_execution_config(cpu_threads=cpu_threads)
    require_range("epochs", epochs, lowest=1)
    edge.talk(quiet=False)
    from ptycho_torch.data.formats import read_scan

    scan = read_scan(scan_file, measurement)
    from ptycho_torch.reconstruct.examination import examine
    from ptycho_torch.runtime import prepare_torch

    prepare_torch(execution, seed)
    found = examine(scan, epochs, seed)
    if as_json:
        show(found.as_dict(), as_json)
    else:
        print("\n".join(_lines(found)))
    if found.wrong:
        raise typer.Exit(1)


def _lines(found: Examination) -> list[str]:
    """Return what was found for a person to read."""
    rows = {**_facts(found), **_trials(found)}
    lines = [f"{name:<{max(map(len, rows))}}  {text}" for name, text in rows.items()]
    wrong = [remark for remark in found.remarks if not remark.advice]
    lines += ["", f"looks wrong: {len(wrong) or 'nothing'}"]
    for remark in sorted(found.remarks, key=lambda remark: remark.advice):
        kind = "worth knowing, " if remark.advice else ""
        lines += [f"  {kind}{remark.slug}: {remark.message}", f"    {remark.hint}"]
    if found.cure is not None:
        lines += ["", "to mend it:", f"  {found.cure}"]
    return lines


def _facts(found: Examination) -> dict[str, str]:
    seen = found.inspection
    patterns, probe = seen.lines()
    probe, _, positions = probe.removeprefix("probe of ").partition("; ")
    parts = "1: every pattern overlaps with others" if seen.components == 1 else seen.components
    return {
        "scan": found.source,
        "patterns": patterns.replace(" patterns of ", " of ", 1),
        "probe": probe,
        "positions": positions.removeprefix("positions "),
        "connected parts": str(parts),
    }


def _trials(found: Examination) -> dict[str, str]:
    """Say what was tried; nothing was where positions are in another unit."""
    rows = {}
    if found.orientation is not None:
        first, second = found.orientation.orientations[:2]
        clear = "clearly" if found.orientation.clear else "not clearly"
        rows["orientation"] = (
            f"`{first.name}` explains the patterns best, {clear}: R {first.r_factor:.3g}, "
            f"next `{second.name}` {second.r_factor:.3g}"
        )
    if found.frame is not None:
        scale, angle = found.frame.scale, found.frame.rotation_deg
        rows["position scale"] = f"best factor {scale:.2f}" + _verdict(found.frame.scale_wrong)
        rows["position rotation"] = f"best angle {angle:.1f} degrees" + _verdict(
            found.frame.rotation_wrong
        )
        if not found.frame.clear:
            rows["position scale"] = f"nothing fits clearly better than as given ({scale:.2f})"
            rows["position rotation"] = f"likewise ({angle:.1f} degrees)"
    if found.probe is not None:
        rows["given probe"] = (
            f"leaves {found.probe.given:.0%} of the mean pattern's misfit, a refined one "
            f"{found.probe.refined:.0%}"
            + ("" if found.probe.telling else "; photon noise leaves no room to judge")
        )
    if found.background is not None:
        rows["background"] = (
            f"about {found.background.counts_per_pixel:.3g} counts a pixel, "
            f"{found.background.share:.1%} of all" + _verdict(found.background.noticed)
        )
    return rows


def _verdict(wrong: bool) -> str:
    return ": remarked below" if wrong else ": nothing to mend"
