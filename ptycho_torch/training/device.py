"""Chooses the device a run computes on."""

from __future__ import annotations

import torch

from ptycho_torch.errors import PreconditionError


def choose_device(accelerator: str) -> torch.device:
    """Turn a setting into a device that is there.

    Args:
        accelerator: `auto`, `cpu`, `cuda` or `mps`.

    Returns:
        The device; `auto` prefers CUDA, then MPS.

    Raises:
        PreconditionError: torch does not find the device asked for.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if accelerator == "auto":
        return torch.device(next(name for name, found in present.items() if found))
    if not present[accelerator]:
        raise PreconditionError(
            f"`accelerator` is `{accelerator}`, but torch finds no such device",
            "use --accelerator cpu",
        )
    return torch.device(accelerator)
