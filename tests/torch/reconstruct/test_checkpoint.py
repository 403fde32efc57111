from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_torch.data.scan import ScanData
from ptycho_torch.errors import DataFileError, PreconditionError
from ptycho_torch.iterative import IterativeOutcome, run_options
from ptycho_torch.physics.scaling import compute_scales
from ptycho_torch.reconstruct import checkpoint as module
from ptycho_torch.reconstruct.checkpoint import CHECKPOINT_FILE, Checkpoint, Progress
from ptycho_torch.reconstruct.engine import Epoch, GradientOptions, RpieOptions
from ptycho_torch.reconstruct.probe_modes import with_modes
from ptycho_torch.reconstruct.result import Reconstruction
from ptycho_torch.reconstruct.stitch import Canvas
from ptycho_torch.simulation import simulate_scan

COMMON = {
    "epochs": 9,
    "update_probe": True,
    "probe_from": 1,
    "nphotons": 1e4,
    "regularisation": 0.1,
    "stop_early": True,
}
RPIE = RpieOptions(**COMMON, momentum=0.7, batch_growth=2, likelihood="poisson")
MOVING = replace(RPIE, correct_positions=True, regularisation=0.0)
ADAM = GradientOptions(**COMMON, correct_positions=True)
RUNS = {"rpie": (RPIE,), "two stages": (MOVING, RPIE), "adam": (ADAM,)}


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def scan() -> ScanData:
    return simulate_scan(seed=8, n_pixel=32, n_patterns=64, nphotons=1e4, kind="lines")


@pytest.fixture(autouse=True)
def every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Checkpoint.__init__, "__defaults__", (0.0, lambda: 0.0))


def flat(scan: ScanData) -> tuple[Reconstruction, torch.Tensor]:
    scales = compute_scales(scan.amplitude(), scan.probe)
    probe = with_modes(torch.from_numpy(scan.probe), 2).numpy() / np.float32(scales.probe_factor)
    shape = scan.object.shape
    canvas = Canvas(np.ones(shape, np.complex64), np.ones(shape, np.float32), (0, 0))
    start = Reconstruction(canvas, probe, scan.positions_px, np.arange(len(scan)), scales)
    amplitude = torch.from_numpy(scan.amplitude() * np.float32(scales.amplitude_scale))
    return start, amplitude


def run(
    scan: ScanData, name: str, path: Path | None = None, *, resume: bool = False
) -> IterativeOutcome:
    start, amplitude = flat(scan)
    return run_options(start, amplitude, None, RUNS[name], path, resume=resume)


def killed_after(monkeypatch: pytest.MonkeyPatch, epochs: int, act: Callable[[], object]) -> None:
    kept, written = Checkpoint.keep, []

    def keep(self: Checkpoint, progress: Callable[[], Progress]) -> None:
        kept(self, progress)
        written.append(1)
        if len(written) == epochs:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep)
        with pytest.raises(Killed):
            act()


def same(first: IterativeOutcome, second: IterativeOutcome) -> bool:
    one, two = first.reconstruction, second.reconstruction
    return (
        np.array_equal(one.canvas.object, two.canvas.object)
        and np.array_equal(one.probe, two.probe)
        and np.array_equal(one.positions_px, two.positions_px)
        and repr(first.epochs) == repr(second.epochs)
        and first.facts == second.facts
    )


@pytest.mark.parametrize(
    ("name", "after"),
    [("rpie", 1), ("rpie", 5), ("rpie", 7), ("two stages", 4), ("two stages", 12), ("adam", 5)],
)
def test_a_killed_run_ends_as_an_uninterrupted_one(scan, tmp_path, monkeypatch, name, after):
    path = tmp_path / CHECKPOINT_FILE
    whole = run(scan, name)
    killed_after(monkeypatch, after, lambda: run(scan, name, path))
    assert path.exists()
    resumed = run(scan, name, path, resume=True)
    assert same(whole, resumed)
    assert not path.exists()


def test_a_run_can_be_killed_again_and_again(scan, tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT_FILE
    killed_after(monkeypatch, 2, lambda: run(scan, "rpie", path))
    killed_after(monkeypatch, 2, lambda: run(scan, "rpie", path, resume=True))
    killed_after(monkeypatch, 2, lambda: run(scan, "rpie", path, resume=True))
    assert same(run(scan, "rpie"), run(scan, "rpie", path, resume=True))


def test_without_resume_a_run_starts_anew(scan, tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT_FILE
    killed_after(monkeypatch, 3, lambda: run(scan, "rpie", path))
    assert same(run(scan, "rpie"), run(scan, "rpie", path))


def test_what_was_half_written_when_a_run_was_killed_goes_with_its_checkpoint(scan, tmp_path):
    (tmp_path / f".{CHECKPOINT_FILE}.x1y2").write_bytes(b"half")
    (tmp_path / ".other").write_bytes(b"kept")
    run(scan, "rpie", tmp_path / CHECKPOINT_FILE)
    assert [path.name for path in tmp_path.iterdir()] == [".other"]


def test_nothing_to_resume_is_said(scan, tmp_path, caplog):
    run(scan, "rpie", tmp_path / CHECKPOINT_FILE, resume=True)
    assert "starting from the beginning" in caplog.text


def test_the_checkpoint_of_another_run_is_refused(scan, tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT_FILE
    killed_after(monkeypatch, 2, lambda: run(scan, "rpie", path))
    with pytest.raises(PreconditionError, match="other data or settings"):
        run(scan, "adam", path, resume=True)
    counts = scan.diffraction.copy()
    counts[0, 3, 3] += 1
    with pytest.raises(PreconditionError, match="other data or settings"):
        run(replace(scan, diffraction=counts), "rpie", path, resume=True)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[: len(b) // 2], lambda b: b"no archive", bytes.upper]
)
def test_a_damaged_checkpoint_is_named(scan, tmp_path, monkeypatch, spoil):
    path = tmp_path / CHECKPOINT_FILE
    killed_after(monkeypatch, 2, lambda: run(scan, "rpie", path))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataFileError, match=CHECKPOINT_FILE):
        run(scan, "rpie", path, resume=True)


def test_an_archive_without_a_header_is_no_checkpoint(tmp_path):
    path = tmp_path / CHECKPOINT_FILE
    np.savez(path, header=np.array('{"schema": 99}'))
    with pytest.raises(DataFileError, match="no checkpoint of this version"):
        Checkpoint(path, "x").load()


def test_short_epochs_are_not_spent_on_writing(tmp_path):
    now = [0.0]
    path = tmp_path / CHECKPOINT_FILE
    checkpoint = Checkpoint(path, "x", interval_s=2.0, clock=lambda: now[0])
    seen = []
    for second in range(7):
        now[0] = float(second)
        checkpoint.keep(lambda: Progress(epochs=[Epoch(1, 0.5)]))
        seen.append(path.exists())
        path.unlink(missing_ok=True)
    assert seen == [False, False, True, False, True, False, True]
