"""Reconstruct with PtyLab; runs inside its environment.

It counts positions in metres from the centre of its object and rounds them to whole pixels: what
is left is lost on it. Its transform is centred and orthonormal, as in the problem.
"""

from __future__ import annotations

import os

os.environ["TQDM_DISABLE"] = "1"

import numpy as np
from exchange import Problem, Recorder, main
from PtyLab import Engines
from PtyLab.ExperimentalData.ExperimentalData import ExperimentalData
from PtyLab.Monitor.Monitor import DummyMonitor
from PtyLab.Params.Params import Params
from PtyLab.Reconstruction.Reconstruction import Reconstruction

WAVELENGTH_M, DISTANCE_M, PIXEL_M = 1e-9, 1.0, 1e-5


def run(problem: Problem) -> Recorder:
    """Run one of its engines.

    Args:
        problem: Its settings name the `engine` (`ePIE`, `mPIE`, …) and hold its attributes under
            `attributes` and those of its parameters under `params`.
    """
    np.random.seed(0)
    settings = problem.settings
    rounded = np.round(problem.positions_px).astype(int)
    centre = (rounded.min(axis=0) + rounded.max(axis=0)) // 2
    data = ExperimentalData(None)
    data.ptychogram = problem.counts
    data.wavelength, data.zo, data.dxd = WAVELENGTH_M, DISTANCE_M, PIXEL_M
    data.encoder = (rounded - centre) * (WAVELENGTH_M * DISTANCE_M / (problem.size * PIXEL_M))
    for name in ("entrancePupilDiameter", "spectralDensity", "theta", "emptyBeam"):
        setattr(data, name, None)
    data._setData()
    params = Params()
    params.fftshiftSwitch = True
    for name, value in settings.get("params", {}).items():
        setattr(params, name, value)
    found = Reconstruction(data, params)
    found.npsm = len(problem.probe)
    found.initialObject = "ones"
    found.initializeObjectProbe()
    found.probe[:] = problem.probe[None, None, :, None]
    origin = centre - found.No // 2
    corners = found.positions + origin
    if np.any(corners != rounded - problem.size // 2):
        raise SystemExit("positions do not survive the way through metres")
    engine = getattr(Engines, settings["engine"])(found, data, params, DummyMonitor())
    engine.numIterations = settings["epochs"]
    if not settings.get("update_probe", False):
        engine.betaProbe = 0.0
    for name, value in settings.get("attributes", {}).items():
        setattr(engine, name, value)
    recorder = Recorder.of(problem, origin, rounded.astype(float))

    def watch(loop: int, state: Reconstruction) -> None:
        recorder.epoch(loop + 1, lambda: state.object[0, 0, 0, 0], lambda: state.probe[0, 0, :, 0])

    recorder.start()
    engine.reconstruct(vis_after_each_iteration=watch)
    return recorder


if __name__ == "__main__":
    main(run)
