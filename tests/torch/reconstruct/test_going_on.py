from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_torch.alarms import settling_alarms
from ptycho_torch.data.scan import ScanData
from ptycho_torch.iterative import IterativeOutcome, IterativeSettings, run_stages
from ptycho_torch.methods.run import MethodSettings
from ptycho_torch.methods.scene import flat_object, prepare_scene
from ptycho_torch.metrics import evaluate
from ptycho_torch.reconstruct import checkpoint as module
from ptycho_torch.reconstruct.checkpoint import Checkpoint
from ptycho_torch.reconstruct.judge import Judge
from ptycho_torch.reconstruct.options import Epoch
from ptycho_torch.simulation import simulate_scan


@pytest.fixture(scope="module")
def scan() -> ScanData:
    rows, cols = np.indices((32, 32)) - 16
    square = rows**2 + cols**2
    beam = np.exp(-square / (2 * 3.0**2) + 0.1j * square)[None]
    sound = simulate_scan(
        seed=4, n_pixel=32, n_patterns=64, nphotons=1e7, step_px=2.4, kind="siemens", probe=beam
    )
    # Half as wide again and too flat: it can be refined, but not in 24 epochs.
    wide = np.exp(-square / (2 * 4.5**2) + 0.05j * square)[None]
    return replace(sound, probe=wide.astype(np.complex64))


def run(scan: ScanData, path: Path | None = None, **settings: object) -> IterativeOutcome:
    scene = prepare_scene(scan)
    asked = IterativeSettings(**{"search_probe": "never", **settings})
    return run_stages(flat_object(scene), scene.amplitude, scene.mask, asked, path)


def error(found: IterativeOutcome, scan: ScanData) -> float:
    canvas = found.reconstruction.canvas
    rows = evaluate(canvas.object, canvas.origin, scan.object, scan.positions_px)
    return rows["reconstruction"]["relative_error"]


@pytest.fixture(scope="module")
def gone_on(scan) -> IterativeOutcome:
    return run(scan)


def test_a_run_that_has_not_settled_goes_on(scan, gone_on):
    once = run(scan, go_on=False)
    assert len(once.epochs) <= 24
    assert once.facts["falling"] > 0.1
    assert 24 < len(gone_on.epochs) <= 72
    assert error(gone_on, scan) < 0.6 * error(once, scan)
    # The curve goes on where it was.
    assert repr(gone_on.epochs[: len(once.epochs)]) == repr(once.epochs)


def test_what_has_settled_ends(scan):
    noisy = simulate_scan(seed=4, n_pixel=32, n_patterns=64, nphotons=1e4, step_px=2.4)
    found = run(noisy)
    assert len(found.epochs) <= 24
    assert found.facts["falling"] is None


class Killed(Exception):
    pass


def test_a_run_killed_in_a_later_round_ends_with_the_same_bits(
    scan, gone_on, tmp_path, monkeypatch
):
    monkeypatch.setattr(module.Checkpoint.__init__, "__defaults__", (0.0, lambda: 0.0))
    kept, written = Checkpoint.keep, []

    def keep(self: Checkpoint, progress: object) -> None:
        kept(self, progress)
        written.append(1)
        if len(written) == 30:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep)
        with pytest.raises(Killed):
            run(scan, tmp_path / "kept.npz")
    resumed = run(scan, tmp_path / "kept.npz", resume=True)
    assert np.array_equal(
        resumed.reconstruction.canvas.object, gone_on.reconstruction.canvas.object
    )
    assert repr(resumed.epochs) == repr(gone_on.epochs)


def test_a_number_of_epochs_that_was_given_is_obeyed():
    assert MethodSettings().passes("pie").go_on
    assert not MethodSettings(epochs=5).passes("pie").go_on


def epochs(*r_factors: float) -> list[Epoch]:
    return [Epoch(number, r) for number, r in enumerate(r_factors, 1)]


def test_falling_is_told_apart_from_resting():
    generator = torch.Generator().manual_seed(1)
    amplitude = torch.rand((50, 8, 8), generator=generator) + 0.5
    judge = Judge(amplitude / 8, None, 1e9)
    assert judge.falling(epochs(0.2, 0.18, 0.17, 0.16)) == pytest.approx(0.36, abs=0.01)
    assert judge.falling(epochs(0.2, 0.2, 0.199, 0.199)) is None
    assert judge.falling(epochs(0.2, 0.18, 0.16)) is None
    assert judge.falling(epochs(2e-3, 1.8e-3, 1.7e-3, 1.6e-3)) is None


def test_the_remark_names_the_way_out():
    assert settling_alarms(None, 24) == ()
    (remark,) = settling_alarms(0.25, 24)
    assert remark.slug == "not-settled"
    assert "25%" in remark.message
    assert "--epochs 72" in remark.hint
