"""For the tests of ptycho_torch: one thread, checked shapes, tiny scans, the CLI in-process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jaxtyping
import pytest
import torch
from typer.testing import CliRunner

jaxtyping.install_import_hook(
    ["ptycho_torch.physics", "ptycho_torch.networks", "ptycho_torch.losses"], "beartype.beartype"
)

from ptycho_torch.cli.edge import single_command  # noqa: E402
from ptycho_torch.cli.infer_command import infer  # noqa: E402
from ptycho_torch.cli.train_command import train  # noqa: E402
from ptycho_torch.config import TrainingPayload  # noqa: E402
from ptycho_torch.config_factory import create_training_payload  # noqa: E402
from ptycho_torch.data.formats import write_npz  # noqa: E402
from ptycho_torch.simulation import simulate_scan  # noqa: E402

torch.set_num_threads(1)

APPS = {"train": single_command(train, "train"), "infer": single_command(infer, "infer")}


@dataclass(frozen=True)
class Outcome:
    """What a command left on its streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class TinyScans:
    """Two scans of different objects, 32 px, small enough to train on in a second."""

    train: Path
    test: Path


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run."""

    folder: Path
    outcome: Outcome


@pytest.fixture(autouse=True)
def _quiet_globals() -> Iterator[None]:
    """Undo what a command line sets for its whole process."""
    package = logging.getLogger("ptycho_torch")
    yield
    package.handlers, package.propagate = [], True
    package.setLevel(logging.NOTSET)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyScans:
    folder = tmp_path_factory.mktemp("scans")
    scans = TinyScans(folder / "train.npz", folder / "test.npz")
    for path, seed in ((scans.train, 7), (scans.test, 8)):
        write_npz(path, simulate_scan(seed, n_pixel=32, n_patterns=25, step_px=4.5))
    return scans


def run_python(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a process of its own, with one thread."""
    return subprocess.run(
        [sys.executable, *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run_python


def call(command: str, *args: object) -> Outcome:
    """Run a command line in this process."""
    result = CliRunner().invoke(APPS[command], [str(arg) for arg in args])
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    return call


@pytest.fixture(scope="session")
def trained(tiny: TinyScans, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A gridsize-2 run of two epochs with patch statistics, shared by the tests that only read."""
    folder = tmp_path_factory.mktemp("trained")
    outcome = call(
        "train",
        *("--train_data_file", tiny.train, "--test_data_file", tiny.test),
        *("--output_dir", folder, "--gridsize", 2, "--batch_size", 4, "--max_epochs", 2),
        *("--log-patch-stats", "--patch-stats-limit", 2, "--deterministic"),
    )
    assert outcome.code == 0, outcome.err
    return TrainedRun(folder, outcome)


@pytest.fixture
def payload(tiny: TinyScans, tmp_path: Path) -> TrainingPayload:
    """Settings of a run of one epoch on the tiny scans."""
    return create_training_payload(
        train_data_file=tiny.train,
        test_data_file=tiny.test,
        output_dir=tmp_path / "run",
        n_images=8,
        max_epochs=1,
    )
