"""Statistics of patches, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_torch.instrumentation.patch_stats import PatchStatsLogger, patch_statistics


def test_statistics_of_two_known_patches() -> None:
    amplitude = np.array([[[1.0, 3.0]], [[4.0, 4.0]]])
    patches = amplitude * np.exp(0.7j)
    found = patch_statistics(patches)
    assert found["global_mean"] == pytest.approx(3)
    assert found["global_std"] == pytest.approx(np.sqrt(1.5))
    assert found["var_zero_mean"] == pytest.approx(0.5), "(1 + 1 + 0 + 0) / 4"
    assert found["per_patch"][0] == pytest.approx(
        {"index": 0, "mean": 2, "std": 1, "min": 1, "max": 3}
    )
    assert found["per_patch"][1]["std"] == pytest.approx(0)


def batch(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, 8, 8, dtype=torch.complex64, generator=generator)


def test_only_as_many_batches_as_the_limit(tmp_path: Path) -> None:
    recorder = PatchStatsLogger(tmp_path, "train", limit=2)
    for index in range(5):
        recorder.record(batch(index), index)
    recorder.write()
    entries = json.loads((tmp_path / "analysis/torch_patch_stats.json").read_text())
    assert [entry["batch_idx"] for entry in entries] == [0, 1]
    assert [len(entry["per_patch"]) for entry in entries] == [8, 8]


def test_a_new_pass_replaces_the_record(tmp_path: Path) -> None:
    recorder = PatchStatsLogger(tmp_path, "train", limit=1)
    recorder.record(batch(0), 0)
    recorder.restart()
    recorder.record(batch(1), 0)
    assert recorder.state()[0]["global_mean"] == pytest.approx(float(batch(1).abs().mean()))


def test_nothing_recorded_writes_nothing(tmp_path: Path) -> None:
    assert PatchStatsLogger(tmp_path, "train", limit=1).write() == []
    assert list(tmp_path.iterdir()) == []


def test_the_picture_shows_the_patches(tmp_path: Path) -> None:
    pictures = []
    for seed in (0, 0, 1):
        recorder = PatchStatsLogger(tmp_path, "train", limit=1)
        recorder.record(batch(seed), 0)
        pictures.append(recorder.write()[1].read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]
