"""`python -m ptycho_torch.train`: the same command as `ptycho-torch train`."""

from __future__ import annotations

from ptycho_torch.cli.edge import single_command
from ptycho_torch.cli.train_command import train


def main() -> None:
    """Parse the command line and run; leaves through `SystemExit`."""
    single_command(train, "train")(prog_name="python -m ptycho_torch.train")


if __name__ == "__main__":
    main()
