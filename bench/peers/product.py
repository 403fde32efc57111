"""The project's own method, run with its defaults as any other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tracing import Trace, scaled_probe

from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import IterativeSettings, run_stages
from ptycho_torch.methods.scene import flat_object, prepare_scene

NAME = "ptycho_torch reconstruct"


def run_product(
    scan: ScanData, epochs: Sequence[int], name: str = NAME, **settings: Any
) -> list[Trace]:
    """Run `ptycho-torch reconstruct --method pie` for several numbers of epochs.

    Its steps follow a schedule that stretches with their number, so every number is a run of its
    own, from the flat object.

    Args:
        scan: What to reconstruct.
        epochs: How many passes, one run each.
        name: What tables call it.
        settings: Of `IterativeSettings`.

    Returns:
        A trace with one object for each.
    """
    scene = prepare_scene(replace(scan, probe=scaled_probe(scan), object=None))
    start = flat_object(scene)
    traces = []
    for number in epochs:
        asked = IterativeSettings(epochs=number, **settings)
        began = time.process_time()
        found = run_stages(start, scene.amplitude, scene.mask, asked).reconstruction
        spent = time.process_time() - began
        traces.append(
            Trace(
                name,
                [number],
                [spent],
                [found.canvas.object],
                found.canvas.origin,
                found.probe,
                found.positions_px,
            )
        )
    return traces
