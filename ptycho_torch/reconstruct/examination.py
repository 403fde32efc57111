"""All that can be said of a scan before it is reconstructed in earnest: facts, remarks, trials.

Beside what `data.inspection` sees, trials: which way round the positions are, in which scale and
turned how far, whether the given probe can explain the patterns, and whether light is on the
detector that nothing explains.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ptycho_torch.data.amendments import Amendments
from ptycho_torch.data.inspection import Inspection, inspect_scan
from ptycho_torch.data.placement import orientations, scaled
from ptycho_torch.data.remark import Remark
from ptycho_torch.data.scan import ScanData
from ptycho_torch.reconstruct.background import Background, find_background
from ptycho_torch.reconstruct.frame_trial import FrameTest, clearly_better, find_frame
from ptycho_torch.reconstruct.orientation import OrientationTest, find_orientation
from ptycho_torch.reconstruct.probe_trial import ProbeTest, try_probe
from ptycho_torch.reconstruct.trials import FEWEST, Trials

_EXPLAINED = 0.15
"""A frame is believed where it leaves less than this share of the mean pattern's misfit: a wrong
probe fits some wrong scale better than the right one, but none well."""

_UNBELIEVED = 0.5
"""An orientation that leaves more than this is none, however much the others leave."""
_TWIN = "flip rows, flip cols"


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        inspection: The facts.
        orientation: The eight orientations; None where there was nothing to try.
        frame: Scale and rotation of the positions; None likewise, or for few patterns.
        probe: The given probe against a refined one; None likewise.
        background: Light that nothing explains; None likewise.
        remarks: All that looks wrong.
        source: The scan's file.
    """

    inspection: Inspection
    orientation: OrientationTest | None
    frame: FrameTest | None
    probe: ProbeTest | None
    background: Background | None
    remarks: tuple[Remark, ...]
    source: str

    @property
    def wrong(self) -> bool:
        """Whether anything looks wrong, advice aside."""
        return any(not remark.advice for remark in self.remarks)

    @property
    def cure(self) -> str | None:
        """The command that undoes all that can be undone, or None."""
        flags = " ".join(dict.fromkeys(remark.cure for remark in self.remarks if remark.cure))
        if not flags:
            return None
        path = Path(self.source)
        target = path.with_name(f"{path.name.split('.')[0]}-cured.npz")
        return f"ptycho-torch convert {shlex.quote(self.source)} {shlex.quote(str(target))} {flags}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        probe = None if self.probe is None else {**asdict(self.probe), "wrong": self.probe.wrong}
        return {
            **self.inspection.as_dict(),
            "remarks": [asdict(remark) for remark in self.remarks],
            "cure": self.cure,
            "orientation": None if self.orientation is None else self.orientation.as_dict(),
            "frame": None if self.frame is None else asdict(self.frame),
            "probe": probe,
            "background": None if self.background is None else asdict(self.background),
        }


def examine(scan: ScanData, epochs: int = 4, seed: int = 0) -> Examination:
    """Look at a scan; try orientation, scale and rotation of its positions, then its probe.

    Args:
        scan: The measurement.
        epochs: rPIE epochs for each orientation.
        seed: Of the order of the patterns.

    Returns:
        What was found.

    Raises:
        DivergedError: A trial became non-finite.
    """
    inspection = inspect_scan(scan)
    nothing = Examination(inspection, None, None, None, None, inspection.remarks, scan.source)
    if inspection.unit_remark is not None or inspection.step_px is None:
        return nothing
    scan = _mended(scan, inspection)
    orientation = find_orientation(scan, epochs, seed)
    remarks = [*inspection.remarks]
    if orientation.contradicts:
        remarks.append(_orientation_remark(orientation))
    found = replace(nothing, orientation=orientation, remarks=tuple(remarks))
    if len(scan) < FEWEST:
        return found
    name = orientation.best if orientation.contradicts else "as given"
    turned = dict(orientations(scan.positions_px))[name]
    tried = _with_trials(found, replace(scan, positions_px=turned), seed)
    if orientation.contradicts and tried.probe is not None and tried.probe.refined > _UNBELIEVED:
        return _with_trials(replace(found, remarks=inspection.remarks), scan, seed)
    return tried


def _mended(scan: ScanData, inspection: Inspection) -> ScanData:
    """Take out of a scan what would disturb the trials."""
    cures = {remark.cure for remark in inspection.remarks}
    wanted = Amendments(
        mask_defects="--mask_defects" in cures,
        recentre="--recentre" in cures,
        drop_empty="--drop_empty" in cures,
    )
    return wanted.onto(scan)


def _with_trials(found: Examination, scan: ScanData, seed: int) -> Examination:
    trials = Trials(scan, seed)
    frame, probe, background = _tried(trials)
    if background.noticed:  # nothing explains it, and it may have moved the frame
        less = Amendments(subtract_background=background.counts_per_pixel)
        frame, probe, _ = _tried(Trials(less.onto(scan), seed))
    remarks = [*found.remarks, *_frame_remarks(frame)]
    if probe.wrong:
        remarks.append(_probe_remark(probe))
    if background.noticed:
        remarks.append(_background_remark(background))
    return replace(found, frame=frame, probe=probe, background=background, remarks=tuple(remarks))


def _tried(trials: Trials) -> tuple[FrameTest, ProbeTest, Background]:
    """Try the frame; another one than the given is believed only after longer trials of both."""
    positions = trials.scan.positions_px
    frame = find_frame(trials, positions)
    probe, refined = try_probe(trials, positions)
    if frame.clear:
        moved = scaled(positions, frame.scale, frame.rotation_deg)
        other, longer = try_probe(trials, moved)
        if other.refined < _EXPLAINED and clearly_better(trials, refined, longer):
            probe, refined = other, longer
        else:
            frame = replace(frame, clear=False)
    return frame, probe, find_background(trials, refined)


def _orientation_remark(test: OrientationTest) -> Remark:
    factors = {item.name: item.r_factor for item in test.orientations}
    return Remark(
        "orientation",
        f"the positions explain the patterns better after `{test.best}`: R factor "
        f"{factors[test.best]:.3g} instead of {factors['as given']:.3g}",
        "swap exchanges rows and columns, flip changes the sign of one of them"
        + (
            "; or the given probe is the twin of the true one, such as out of focus to the other "
            "side: patterns alone cannot tell these two apart"
            if test.best == _TWIN
            else ""
        ),
        f"--orientation {test.best.replace(', ', ',').replace(' ', '-')}",
    )


def _frame_remarks(test: FrameTest) -> Iterator[Remark]:
    better = f"patterns are predicted with {test.misfit / test.given_misfit:.0%} of the misfit"
    if test.scale_wrong:
        yield Remark(
            "position-scale",
            f"positions multiplied by {test.scale:.3f} explain the patterns better: {better}",
            "energy, distance or detector pixel are wrong by as much, or the stage's unit is",
            f"--position_scale {test.scale:.3f}",
        )
    if test.rotation_wrong:
        yield Remark(
            "position-rotation",
            f"positions turned by {test.rotation_deg:.1f} degrees explain the patterns better: "
            f"{better}",
            "the stage is turned against the detector",
            f"--position_rotation_deg {test.rotation_deg:.1f}",
        )


def _probe_remark(test: ProbeTest) -> Remark:
    seen = (
        f"the given probe leaves {test.given:.0%} of the misfit that the mean pattern has, a "
        f"refined one {test.refined:.0%}"
    )
    if test.refined_helps:
        return Remark(
            "probe-wrong",
            f"{seen}: the given probe is wrong",
            "let it be refined (`reconstruct` does; `train --prepare_probe on`), or give a better",
        )
    return Remark(
        "unexplained",
        f"{seen}: neither explains the patterns",
        "the probe is far off, or positions are wrong: their scale (pixel size), order or offsets",
    )


def _background_remark(background: Background) -> Remark:
    return Remark(
        "background",
        f"about {background.counts_per_pixel:.3g} counts a pixel, {background.share:.0%} of all, "
        "are an even background that did not come through the sample",
        "subtract a dark measurement, or this number",
        f"--subtract_background {background.counts_per_pixel:.3g}",
    )
