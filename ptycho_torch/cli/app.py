"""`ptycho-torch`: every command of the package under one name."""

from __future__ import annotations

from typing import Annotated

import typer

from ptycho_torch import __version__
from ptycho_torch.cli import edge
from ptycho_torch.cli.check_command import check
from ptycho_torch.cli.convert_command import convert, join
from ptycho_torch.cli.data_commands import info, simulate, split
from ptycho_torch.cli.evaluate_command import evaluate
from ptycho_torch.cli.infer_command import infer
from ptycho_torch.cli.pretrain_command import pretrain
from ptycho_torch.cli.reconstruct_command import reconstruct
from ptycho_torch.cli.refine_command import refine
from ptycho_torch.cli.result_commands import parity
from ptycho_torch.cli.train_command import train

app = edge.plain_app("PtychoPINN: ptychographic reconstruction by an unsupervised network.")
_COMMANDS = (
    *(simulate, split, reconstruct, pretrain, train, infer, refine, evaluate, parity),
    *(check, join, convert, info),
)
for command in _COMMANDS:
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """PtychoPINN: ptychographic reconstruction by an unsupervised network."""


def main() -> None:
    """Parse the command line and run; leaves through `SystemExit`."""
    app(prog_name="ptycho-torch")


if __name__ == "__main__":
    main()
