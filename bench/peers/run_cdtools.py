"""Reconstruct with CDTools; runs inside its environment.

It counts positions in metres of a geometry; one is made up here and its own function turns pixels
into metres. Its probe is centred and its transform orthonormal, as in the problem.
"""

from __future__ import annotations

import numpy as np
import torch
from cdtools import tools
from cdtools.datasets import Ptycho2DDataset
from cdtools.models import FancyPtycho
from exchange import Problem, Recorder, main

WAVELENGTH_M, DISTANCE_M, PIXEL_M = 1e-9, 1.0, 1e-5


def run(problem: Problem) -> Recorder:
    """Run Adam.

    Args:
        problem: Its settings hold `loss` and `batch_size`, and either `lr` or `stages` of
            (epochs, lr), since a rate that is quick at first is too high in the end.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = problem.settings
    origin, shape = problem.canvas()
    detector = {
        "distance": DISTANCE_M,
        "basis": torch.tensor([[0, -PIXEL_M], [-PIXEL_M, 0], [0, 0]]),
        "corner": None,
    }
    basis = tools.initializers.exit_wave_geometry(
        detector["basis"], problem.counts.shape[1:], WAVELENGTH_M, DISTANCE_M
    )
    corners = problem.positions_px - problem.size // 2 - origin
    translations = tools.interactions.pixel_to_translations(
        basis, torch.from_numpy(corners).float()
    )
    back = tools.interactions.translations_to_pixel(basis, translations.float())
    if float((back - torch.from_numpy(corners)).abs().max()) > 1e-2:
        raise SystemExit("positions do not survive the way through metres")
    dataset = Ptycho2DDataset(
        translations,
        torch.from_numpy(problem.counts),
        wavelength=WAVELENGTH_M,
        detector_geometry=detector,
    )
    model = FancyPtycho(
        WAVELENGTH_M,
        detector,
        basis,
        problem.probe,
        np.ones(shape, np.complex64),
        min_translation=[0, 0],
        background=1e-6 * np.ones(problem.counts.shape[1:], np.float32),
        mask=dataset.mask,
        loss=settings.get("loss", "amplitude mse"),
        plot_level=0,
    )
    model.background.requires_grad = False
    model.probe.requires_grad = settings.get("update_probe", False)
    recorder = Recorder.of(problem, origin)
    done = 0
    for epochs, rate in settings.get("stages", [(settings["epochs"], settings.get("lr"))]):
        steps = model.Adam_optimize(
            epochs,
            dataset,
            batch_size=settings["batch_size"],
            lr=rate,
            calculation_width=settings["batch_size"],
            thread=False,
        )
        # Making the optimiser loads half of torch, which is no part of its work.
        recorder.start()
        for _ in steps:
            done += 1
            recorder.epoch(
                done,
                lambda: model.obj.detach().numpy(),
                lambda: (model.probe * model.probe_norm).detach().numpy(),
            )
    return recorder


if __name__ == "__main__":
    main(run)
