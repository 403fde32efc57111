"""`python -m ptycho_torch.inference`: the same command as `ptycho-torch infer`."""

from __future__ import annotations

from ptycho_torch.cli.edge import single_command
from ptycho_torch.cli.infer_command import infer


def main() -> None:
    """Parse the command line and run; leaves through `SystemExit`."""
    single_command(infer, "inference")(prog_name="python -m ptycho_torch.inference")


if __name__ == "__main__":
    main()
