"""Reconstruct with pty-chi; runs inside its environment.

Its transform is not normalised, so the probe is divided by N. Objects are counted from a stated
origin; half a pixel less, because an even patch is centred between pixels.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from exchange import Problem, Recorder, main

# A torchvision built for CUDA misses its operators beside a CPU torch, and refuses to be imported.
# pty-chi takes nothing from it but a Gaussian blur, which is plain Python.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
with contextlib.suppress(RuntimeError):
    for _name in ("nms", "qnms"):
        _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import ptychi.api as api  # noqa: E402
from ptychi.api.task import PtychographyTask  # noqa: E402

OPTIONS = {
    "lsqml": api.LSQMLOptions,
    "rpie": api.RPIEOptions,
    "epie": api.EPIEOptions,
    "autodiff": api.AutodiffPtychographyOptions,
    "bh": api.BHOptions,
    "dm": api.DMOptions,
}


def run(problem: Problem) -> Recorder:
    """Run one of its reconstructors, or several stages one after the other.

    Args:
        problem: Its settings name the `algorithm` and hold `object`, `probe` and `reconstructor`
            options by their names in pty-chi; dots reach nested ones. `stages` are settings that
            replace these, each with `epochs` of its own; a stage begins with the object and probe
            of the last.
    """
    torch.set_num_threads(1)
    settings = problem.settings
    origin, shape = problem.canvas()
    recorder = Recorder.of(problem, origin)
    object_ = torch.ones(1, *shape, dtype=torch.complex64)
    probe = torch.from_numpy(problem.probe / problem.size)[None]
    done = 0
    for stage in settings.get("stages", [settings]):
        task = _task(problem, {**settings, **stage}, origin, object_, probe)
        recorder.start()
        for _ in range(stage["epochs"]):
            task.run(1)
            done += 1
            recorder.epoch(
                done,
                lambda task=task: task.get_data_to_cpu("object", as_numpy=True)[0],
                lambda task=task: task.get_data_to_cpu("probe", as_numpy=True)[0] * problem.size,
            )
        object_, probe = (task.get_data_to_cpu(name).clone() for name in ("object", "probe"))
    return recorder


def _task(
    problem: Problem, settings: dict[str, Any], origin: Any, object_: Any, probe: Any
) -> PtychographyTask:
    options = OPTIONS[settings["algorithm"]]()
    options.reconstructor_options.default_device = api.Devices.CPU
    options.reconstructor_options.num_epochs = settings["epochs"]
    options.reconstructor_options.random_seed = 0
    options.reconstructor_options.displayed_loss_function = None
    options.object_options.determine_position_origin_coords_by = "specified"
    options.object_options.position_origin_coords = [-float(low) - 0.5 for low in origin]
    options.probe_options.optimizable = settings.get("update_probe", False)
    for part in ("reconstructor", "object", "probe"):
        for name, value in settings.get(part, {}).items():
            _set(getattr(options, f"{part}_options"), name, value)
    positions = torch.from_numpy(problem.positions_px).float()
    return PtychographyTask(
        options,
        diffraction_data=torch.from_numpy(problem.counts),
        object_data=object_,
        probe_data=probe,
        probe_position_y_px=positions[:, 0],
        probe_position_x_px=positions[:, 1],
    )


def _set(options: Any, name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        options = getattr(options, part)
    if not hasattr(options, last):
        raise SystemExit(f"pty-chi has no option {name}")
    setattr(options, last, value)


if __name__ == "__main__":
    main(run)
