"""What training and inference set up and say in the same way."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
import yaml
from pydantic import BaseModel

from ptycho_torch.artifacts import write_bytes
from ptycho_torch.config import ExecutionConfig
from ptycho_torch.errors import PreconditionError
from ptycho_torch.physics.scaling import Scales

CONFIG_FILE = "config.yaml"

logger = logging.getLogger(__name__)


def prepare_torch(execution: ExecutionConfig, seed: int) -> None:
    """Set threads and the seed, before anything random happens.

    Args:
        execution: Number of threads.
        seed: For torch's global generator, which draws the initial weights.
    """
    torch.set_num_threads(execution.cpu_threads)
    torch.manual_seed(seed)


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


def log_scales(scales: Scales, source: str = "") -> None:
    """Log every scale with its origin, in the same form for training and inference.

    Args:
        scales: The scales.
        source: Put before each origin, such as `from the bundle: `.
    """
    for name, value in scales.to_dict().items():
        if name != "origins":
            logger.info("%s=%r (%s%s)", name, value, source, scales.origins[name])


def write_config(folder: Path, payload: BaseModel) -> None:
    """Write all settings of a run as `config.yaml`, which `--config` reads back.

    Args:
        folder: The run's folder.
        payload: The settings.
    """
    text = yaml.safe_dump(payload.model_dump(mode="json"), sort_keys=False)
    write_bytes(folder / CONFIG_FILE, text.encode())
