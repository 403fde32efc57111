"""The model bundle `wts.h5.zip`: weights, probe, settings and every scale, in one checked file.

| member | content |
|---|---|
| `manifest.json` | format, schema version, code version, size and SHA-256 of every member |
| `weights.safetensors` | state of `networks.PtychoPINN`, the probe included |
| `config.json` | sections `data` (grouping), `model` and `training`, without paths, and `probe` |
| `scales.json` | every scale with its origin (`physics.scaling`) |

The name is the one PtychoPINN's users know; the file is a zip (see `archive`). Loading is strict:
whatever is damaged, foreign, missing or of the wrong shape is refused with the reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ptycho_torch import __version__
from ptycho_torch.archive import encode_json, parse_json, read_archive, write_archive
from ptycho_torch.config import DataConfig, ModelConfig, TrainingConfig, TrainingPayload
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import BundleError
from ptycho_torch.physics.scaling import Scales

if TYPE_CHECKING:
    from torch import Tensor

    from ptycho_torch.networks import PtychoPINN

BUNDLE_FILE = "wts.h5.zip"
WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
SCALES = "scales.json"
PATHS = {"train_data_file", "test_data_file"}

Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle says about itself, without its network.

    Attributes:
        path: The file.
        manifest: Its manifest.
        data: Grouping of the training.
        model: Architecture and physics.
        training: How it was trained.
        scales: The frozen scales.
        probe_digest: SHA-256 of the probe in the training file, before any refinement.
        shapes: Shape of every tensor.
    """

    path: Path
    manifest: dict[str, Any]
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    scales: Scales
    probe_digest: str
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class InferenceBundle:
    """A bundle ready to predict.

    Attributes:
        info: Settings and scales.
        network: The trained network in evaluation mode, on the CPU.
    """

    info: BundleInfo
    network: PtychoPINN


def save_torch_bundle(
    folder: Path, network: PtychoPINN, payload: TrainingPayload, scales: Scales, file_probe: Array
) -> Path:
    """Write a trained network as a bundle; equal training gives equal bytes.

    Args:
        folder: Where `wts.h5.zip` goes.
        network: The trained network.
        payload: The settings it was trained with.
        scales: The scales it was trained with.
        file_probe: (mode, row, col) complex64 probe of the training file, so that inference can
            tell whether a scan has the same one.

    Returns:
        The file.
    """
    from safetensors.torch import save

    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    config = {
        "data": payload.data.model_dump(mode="json", exclude=PATHS),
        "model": payload.model.model_dump(mode="json"),
        "training": payload.training.model_dump(mode="json"),
        "probe": {"sha256": probe_digest(file_probe)},
    }
    members = {
        WEIGHTS: save(state),
        CONFIG: encode_json(config),
        SCALES: encode_json(scales.to_dict()),
    }
    path = folder / BUNDLE_FILE
    write_archive(path, members, __version__)
    return path


def probe_digest(probe: Array) -> str:
    """Identify a file's probe.

    Args:
        probe: (mode, row, col) complex64.

    Returns:
        SHA-256 in hexadecimal.
    """
    return hashlib.sha256(probe.astype("<c8").tobytes()).hexdigest()


def load_inference_bundle_torch(path: Path) -> InferenceBundle:
    """Load a bundle and rebuild its network.

    Args:
        path: The file, or the folder that holds `wts.h5.zip`.

    Returns:
        Network, settings and scales.

    Raises:
        BundleError: Anything about the file is not as it was written.
    """
    from ptycho_torch.networks import PtychoPINN

    info, tensors = _read(path)
    probe = tensors.get("probe")
    if probe is None or probe.ndim != 3:
        raise BundleError(f"`{info.path}` holds no `probe` of shape (mode, row, col)")
    network = PtychoPINN(info.model, probe)
    _check_tensors(info.path, network.state_dict(), tensors)
    network.load_state_dict(tensors)
    return InferenceBundle(info, network.eval())


def read_bundle_info(path: Path) -> BundleInfo:
    """Check a bundle and return what it says about itself; loads no torch.

    Args:
        path: The file, or the folder that holds `wts.h5.zip`.

    Returns:
        Settings, scales and tensor shapes.

    Raises:
        BundleError: Anything about the file is not as it was written.
    """
    from safetensors import SafetensorError, deserialize

    file, manifest, members = _open(path)
    try:
        tensors = deserialize(members[WEIGHTS])  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise BundleError(f"`{WEIGHTS}` in `{file}` cannot be read: {error}") from error
    return _info(file, manifest, members, {name: tuple(t["shape"]) for name, t in tensors})


def _read(path: Path) -> tuple[BundleInfo, dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    file, manifest, members = _open(path)
    try:
        tensors = load(members[WEIGHTS])
    except SafetensorError as error:
        raise BundleError(f"`{WEIGHTS}` in `{file}` cannot be read: {error}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return _info(file, manifest, members, shapes), tensors


def _open(path: Path) -> tuple[Path, dict[str, Any], dict[str, bytes]]:
    file = path / BUNDLE_FILE if path.is_dir() else path
    manifest, members = read_archive(file)
    missing = sorted({WEIGHTS, CONFIG, SCALES} - set(members))
    if missing:
        raise BundleError(f"`{file}` lacks {missing}", "train again")
    return file, manifest, members


def _info(
    file: Path,
    manifest: dict[str, Any],
    members: dict[str, bytes],
    shapes: dict[str, tuple[int, ...]],
) -> BundleInfo:
    config = parse_json(file, CONFIG, members[CONFIG])
    return BundleInfo(
        path=file,
        manifest=manifest,
        data=_section(file, config, "data", DataConfig),
        model=_section(file, config, "model", ModelConfig),
        training=_section(file, config, "training", TrainingConfig),
        scales=Scales.from_dict(parse_json(file, SCALES, members[SCALES])),
        probe_digest=_source_probe(file, config),
        shapes=shapes,
    )


def _source_probe(file: Path, config: dict[str, Any]) -> str:
    section = config.get("probe")
    if not isinstance(section, dict) or not isinstance(section.get("sha256"), str):
        raise BundleError(f"`{CONFIG}` in `{file}` does not say which probe it was trained with")
    return str(section["sha256"])


def _section(
    file: Path, config: dict[str, Any], name: str, section_class: type[Section]
) -> Section:
    """Validate one section; a bundle has no defaults, every field must be there."""
    values = config.get(name)
    if not isinstance(values, dict):
        raise BundleError(f"`{CONFIG}` in `{file}` has no section `{name}`")
    missing = sorted(set(section_class.model_fields) - PATHS - set(values))
    if missing:
        raise BundleError(f"section `{name}` of `{CONFIG}` in `{file}` lacks {missing}")
    try:
        return section_class.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"section `{name}` of `{CONFIG}` in `{file}`: {error}") from error


def _check_tensors(file: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    odd = sorted(set(expected) ^ set(found))
    if odd:
        raise BundleError(f"the weights in `{file}` do not fit the network: {odd}")
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape or tensor.dtype != found[name].dtype:
            raise BundleError(
                f"`{name}` in `{file}` is {tuple(found[name].shape)} {found[name].dtype}, "
                f"the network needs {tuple(tensor.shape)} {tensor.dtype}",
                "the bundle was written for another architecture",
            )
