"""The flags of `ptycho-torch reconstruct`, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ptycho_torch.cli import options as opt

DEFAULT_TRAIN_STEPS = 1000
STRONGEST = 10.0

ScanFile = Annotated[Path, typer.Argument(help="Scan to read, in any format.")]
Method = Annotated[
    Literal["auto", "net", "pie", "hybrid"],
    opt.flag("method", "auto chooses by dose, patterns and bundle, and says why.", "auto"),
]
Bundle = Annotated[Path | None, opt.flag("bundle", "Trained network: the bundle or its folder.")]
Pretrained = Annotated[
    bool, typer.Option("--pretrained", help="Use the network that is shipped; it fits any scan.")
]
TrainSteps = Annotated[
    int | None,
    opt.flag("train_steps", "Steps of a network trained on this scan.", DEFAULT_TRAIN_STEPS),
]
OutputDir = Annotated[
    Path,
    typer.Option(
        *("--output_dir", "--output-dir", "--out"),
        help="Folder for everything the run leaves. [default: outputs]",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None, opt.flag("epochs", "Passes over all patterns; after a network 9.", 24)
]
Modes = Annotated[
    int | None, opt.flag("modes", "Incoherent probe modes; without it as many as in the file.")
]
UpdateProbe = Annotated[bool, opt.flag("update_probe", "Refine the probe.", True)]
CorrectPositions = Annotated[
    bool, opt.flag("correct_positions", "Refine the positions first.", False)
]
SearchProbe = Annotated[
    Literal["auto", "always", "never"],
    opt.flag("search_probe", "Another start probe; auto when a refined one fails.", "auto"),
]
Likelihood = Annotated[
    Literal["auto", "amplitude", "poisson"],
    opt.flag("likelihood", "What steps follow; auto is Poisson at low dose.", "auto"),
]
Engine = Annotated[
    Literal["rpie", "adam"],
    opt.flag("engine", "Of the iterations: rpie is faster, adam ends lower.", "rpie"),
]
Regularisation = Annotated[
    str,
    opt.flag("regularisation", "Smoothing in units of the photon noise: auto or a number.", "auto"),
]
Stop = Annotated[
    Literal["auto", "never"],
    opt.flag("stop", "auto ends once epochs change less than the noise.", "auto"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from what a killed run left in the folder.")
]
Nphotons = Annotated[
    float | None, opt.flag("nphotons", "Mean photons per pattern; without it the counts.")
]
Seed = Annotated[int, opt.flag("seed", "Origin of every random number.", 0)]
Pictures = Annotated[bool, opt.flag("pictures", "Draw object, probe and the course of R.", True)]
