"""Reconstruct with py4DSTEM; runs inside its environment.

It wants electrons and ångströms: a sampling of one is forced. Probe and patterns have their
origin in the corner, the transform is not normalised. It cuts the object's amplitude off at 1
after every epoch, so the probe is made stronger by a factor and the object starts that much weaker.
"""

from __future__ import annotations

import numpy as np
from exchange import Problem, Recorder, main
from py4DSTEM import DataCube
from py4DSTEM.process.phase import SingleslicePtychography

HEADROOM = 1.6


def run(problem: Problem) -> Recorder:
    """Run its gradient descent.

    Args:
        problem: Its settings hold arguments of `reconstruct` under `arguments`.
    """
    settings = problem.settings
    if len(problem.probe) > 1:
        raise SystemExit("one probe mode only")
    origin, shape = problem.canvas()
    middle = (problem.size / 2, problem.size / 2)
    probe = np.fft.ifftshift(problem.probe[0]) / problem.size * HEADROOM
    ptycho = SingleslicePtychography(
        energy=300e3,
        datacube=DataCube(problem.counts[:, None]),
        initial_object_guess=np.full(shape, 1 / HEADROOM, np.complex64),
        initial_probe_guess=probe,
        initial_scan_positions=problem.positions_px - origin,
        object_padding_px=((0, 0), (0, 0)),
        verbose=False,
    )
    ptycho.preprocess(
        plot_center_of_mass=False,
        plot_rotation=False,
        plot_probe_overlaps=False,
        force_com_rotation=0,
        force_com_transpose=False,
        force_com_shifts=middle,
        force_com_measured=[np.full((len(problem.counts), 1), value) for value in middle],
        force_scan_sampling=1.0,
        force_reciprocal_sampling=1 / problem.size,
        center_positions_in_fov=False,
    )
    _check(ptycho, problem, origin)
    recorder = Recorder.of(problem, origin)
    np.random.seed(0)
    recorder.start()
    for epoch in range(1, settings["epochs"] + 1):
        ptycho.reconstruct(
            num_iter=1,
            reset=epoch == 1,
            seed_random=epoch,
            progress_bar=False,
            fix_probe=not settings.get("update_probe", False),
            **settings["arguments"],
        )
        recorder.epoch(
            epoch,
            lambda: ptycho._object * HEADROOM,
            lambda: np.fft.fftshift(ptycho._probe)[None] * problem.size / HEADROOM,
        )
    return recorder


def _check(ptycho: SingleslicePtychography, problem: Problem, origin: np.ndarray) -> None:
    """End unless it took patterns and positions for what they are."""
    amplitude = np.fft.ifftshift(np.sqrt(problem.counts[:8]), axes=(-2, -1))
    if np.abs(ptycho._amplitudes[:8] - amplitude).max() > 1e-2 * amplitude.max():
        raise SystemExit("patterns do not survive its preprocessing")
    if np.abs(ptycho._positions_px - (problem.positions_px - origin)).max() > 1e-3:
        raise SystemExit("positions do not survive its preprocessing")


if __name__ == "__main__":
    main(run)
