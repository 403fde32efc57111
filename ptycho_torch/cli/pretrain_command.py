"""`ptycho-torch pretrain`: one network for any scan, from simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show


@edge.guarded
def pretrain(
    output: Annotated[Path, opt.flag("output", "Bundle to write.", "pretrained.zip")] = Path(
        "pretrained.zip"
    ),
    scenes: Annotated[int, opt.flag("scenes", "Simulated scans to learn from.", 2000)] = 2000,
    held_out: Annotated[int, opt.flag("held_out", "Scans of other families to judge by.", 60)] = 60,
    steps: Annotated[int, opt.flag("steps", "Steps of the optimiser.", 16000)] = 16000,
    width_channels: Annotated[
        int, opt.flag("width_channels", "Channels of the network's first level.", 16)
    ] = 16,
    seed: Annotated[int, opt.flag("seed", "Of scenes, weights and order.", 0)] = 0,
    workers: Annotated[int, opt.flag("workers", "Processes that draw scenes.", 1)] = 1,
    judge: Annotated[
        Path | None, opt.flag("judge", "Judge this bundle (or `shipped`) instead of training.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Train the network of --pretrained over many simulated objects, probes and doses."""
    from ptycho_torch.config_factory import create_execution_config, require_range

    for name, value, lowest, highest in (
        ("scenes", scenes, 2, 900_000),
        ("held_out", held_out, 1, 10_000),
        ("steps", steps, 1, 10_000_000),
        ("width_channels", width_channels, 1, 256),
        ("seed", seed, 0, 2**31),
        ("workers", workers, 1, 256),
    ):
        require_range(name, value, lowest=lowest, highest=highest)
    execution = create_execution_config(output_dir=output.parent)
    edge.talk(quiet=False)
    from ptycho_torch.artifacts import make_folder
    from ptycho_torch.pretraining.fit import FitOptions
    from ptycho_torch.pretraining.run import PretrainSettings, judge_bundle, pretrain
    from ptycho_torch.runtime import prepare_torch

    prepare_torch(execution, seed)
    fit = FitOptions(width_channels=width_channels, steps=steps, seed=seed)
    settings = PretrainSettings(scenes, held_out, workers, fit)
    if judge is not None:
        show(judge_bundle(None if judge == Path("shipped") else judge, settings), as_json)
        return
    make_folder(output.parent)
    show({"bundle": output.as_posix(), **pretrain(output, settings)}, as_json)
