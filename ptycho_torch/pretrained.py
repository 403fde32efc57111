"""The pretrained bundle: a canvas network that serves any scan, in one checked file.

| member | content |
|---|---|
| `manifest.json` | format, schema version, code version, size and SHA-256 of every member |
| `weights.safetensors` | float16 weights of `networks.canvas.CanvasNetwork` |
| `config.json` | `kind` = `canvas`, `width_channels`, `blocks` |
| `training.json` | seed, scenes, steps and what the validation showed |

The container is that of model bundles (`archive`); loading is as strict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptycho_torch import __version__
from ptycho_torch.archive import encode_json, parse_json, read_archive, write_archive
from ptycho_torch.errors import BundleError

if TYPE_CHECKING:
    from ptycho_torch.networks.canvas import CanvasNetwork

KIND = "canvas"
PRETRAINED_FILE = "pretrained.zip"
WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
TRAINING = "training.json"
_MAX_WIDTH, _MAX_BLOCKS = 256, 16


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network with what it says about itself.

    Attributes:
        path: The file.
        network: In evaluation mode, float32, on the CPU.
        training: Content of `training.json`.
    """

    path: Path
    network: CanvasNetwork
    training: dict[str, Any]


def shipped_bundle() -> Path:
    """Return the bundle that the package brings along.

    Returns:
        Its path.
    """
    return Path(str(files("ptycho_torch") / PRETRAINED_FILE))


def save_pretrained(path: Path, network: CanvasNetwork, training: Mapping[str, Any]) -> None:
    """Write a pretrained network; equal training gives equal bytes.

    Args:
        path: Target; an older file is replaced.
        network: The trained network; its weights are rounded to float16.
        training: How it was trained, plain values for JSON.
    """
    from safetensors.torch import save

    state = {name: part.cpu().half().contiguous() for name, part in network.state_dict().items()}
    members = {
        WEIGHTS: save(state),
        CONFIG: encode_json(
            {"kind": KIND, "width_channels": network.width, "blocks": network.blocks}
        ),
        TRAINING: encode_json(dict(training)),
    }
    write_archive(path, members, __version__)


def load_pretrained(path: Path | None = None) -> Pretrained:
    """Load a pretrained network.

    Args:
        path: The file, or the folder that holds `pretrained.zip`; None takes the shipped one.

    Returns:
        The network.

    Raises:
        BundleError: The file is missing, of another kind, or not as it was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ptycho_torch.networks.canvas import CanvasNetwork

    file = shipped_bundle() if path is None else path
    file = file / PRETRAINED_FILE if file.is_dir() else file
    _, members = read_archive(file)
    missing = sorted({WEIGHTS, CONFIG, TRAINING} - set(members))
    if missing:
        raise BundleError(
            f"`{file}` lacks {missing}: not a pretrained network",
            "give what `ptycho-torch pretrain` wrote; a trained model goes to --bundle",
        )
    width, blocks = _architecture(file, parse_json(file, CONFIG, members[CONFIG]))
    network = CanvasNetwork(width, blocks)
    try:
        tensors = load(members[WEIGHTS])
    except SafetensorError as error:
        raise BundleError(f"`{WEIGHTS}` in `{file}` cannot be read: {error}") from error
    expected = {name: tuple(part.shape) for name, part in network.state_dict().items()}
    found = {name: tuple(part.shape) for name, part in tensors.items()}
    if expected != found:
        odd = sorted(set(expected.items()) ^ set(found.items()))[:4]
        raise BundleError(f"the weights in `{file}` do not fit its network: {odd}")
    network.load_state_dict({name: part.float() for name, part in tensors.items()})
    training = parse_json(file, TRAINING, members[TRAINING])
    return Pretrained(file, network.eval(), training)


def _architecture(file: Path, config: dict[str, Any]) -> tuple[int, int]:
    if config.get("kind") != KIND:
        raise BundleError(
            f"`{CONFIG}` in `{file}` names the kind {config.get('kind')!r}, not {KIND!r}",
            "a trained model goes to --bundle",
        )
    values = config.get("width_channels"), config.get("blocks")
    for value, highest in zip(values, (_MAX_WIDTH, _MAX_BLOCKS), strict=True):
        if type(value) is not int or not 1 <= value <= highest:
            raise BundleError(f"`{CONFIG}` in `{file}` names the network {values}")
    width, blocks = values
    assert isinstance(width, int)
    assert isinstance(blocks, int)
    return width, blocks
