"""`ptycho-torch parity`: whether training and inference predict the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show


@edge.guarded
def parity(
    model_path: Annotated[Path, opt.flag("model_path", "Output folder of a training run.")],
    train_data_file: Annotated[
        Path | None, opt.flag("data", "The training scan; without it the run's own path.")
    ] = None,
    n_images: Annotated[int, opt.flag("n_images", "Groups to compare.", 64)] = 64,
    tolerance: Annotated[float, opt.flag("tolerance", "Relative difference allowed.", 0.1)] = 0.1,
    as_json: opt.Json = False,
) -> None:
    """Predict the same groups as training and as inference do; exit 1 when they differ."""
    from ptycho_torch.config_factory import require_range

    require_range("n_images", n_images, lowest=1)
    require_range("tolerance", tolerance, lowest=0)
    edge.talk(quiet=True)
    from ptycho_torch.parity import compare_paths

    result = compare_paths(model_path, train_data_file, n_images, tolerance)
    show(result.summary(), as_json)
    if not result.equal:
        raise typer.Exit(1)
