"""Reads the scans a payload names, before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from ptycho_torch.config import InferencePayload, TrainingPayload
from ptycho_torch.data.formats import read_scan
from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import ConfigError, DataFileError


@dataclass(frozen=True)
class TrainingScans:
    """The scans of one training run.

    Attributes:
        train: What the network is trained on.
        test: What it is validated on and reconstructs at the end, or None.
    """

    train: ScanData
    test: ScanData | None


def load_training_scans(payload: TrainingPayload) -> TrainingScans:
    """Read the scans of a training run.

    Args:
        payload: The run's settings.

    Returns:
        The scans.

    Raises:
        ConfigError: More groups are asked for than the scan has patterns.
        DataFileError: A file is damaged, or the two scans do not fit together.
    """
    data = payload.data
    if data.train_data_file is None:
        raise ConfigError("`train_data_file` is missing", "name the scan to train on")
    train = read_scan(data.train_data_file, data.measurement)
    _check_groups(train, data.n_images)
    if data.test_data_file is None:
        return TrainingScans(train, None)
    test = read_scan(data.test_data_file, data.measurement)
    if train.n_pixel != test.n_pixel:
        raise DataFileError(
            f"`{train.source}` has patterns of {train.n_pixel} px, "
            f"`{test.source}` of {test.n_pixel} px",
            "train and test must come from the same detector crop",
        )
    return TrainingScans(train, test)


def load_inference_scan(payload: InferencePayload) -> ScanData:
    """Read the scan to reconstruct.

    Args:
        payload: The run's settings.

    Returns:
        The scan.

    Raises:
        ConfigError: More groups are asked for than the scan has patterns.
        DataFileError: The file is damaged.
    """
    scan = read_scan(payload.test_data_file, payload.measurement)
    _check_groups(scan, payload.inference.n_images)
    return scan


def _check_groups(scan: ScanData, n_images: int | None) -> None:
    if n_images is not None and n_images > len(scan):
        raise ConfigError(
            f"`n_images` is {n_images}, but `{scan.source}` has {len(scan)} patterns",
            f"use --n_images {len(scan)} or less",
        )
