"""Scenes, files, metric and method of an independent reference, against the command line.

Nothing in the package was tuned on these scenes. The floors hold with a margin of a half or more
over what was measured; `bench/bench_scenes.py` has the figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ptycho_torch.cli.app import app
from ptycho_torch.reconstruct.assemble import canvas_intensity
from ptycho_torch.reconstruct.stitch import Canvas
from tests.torch.reference_ptychography import Judgement, judge, r_factor, textbook_rpie
from tests.torch.reference_scenes import Measured, Scene, intensity_at, measure
from tests.torch.reference_scenes import write_cxi as write_reference_cxi
from tests.torch.reference_scenes import write_npz as write_reference_npz


@dataclass(frozen=True)
class Run:
    """What a command made of a scene."""

    measured: Measured
    code: int
    metrics: dict[str, Any]
    saved: dict[str, Any]

    @property
    def warned(self) -> set[str]:
        """Slugs of all warnings."""
        return {warning["slug"] for warning in self.metrics["warnings"]}

    def judged(self) -> Judgement:
        """Errors by the reference's metric, in the frame of the true object."""
        moved = self.measured.given_px.mean(axis=0) - self.saved["positions"].mean(axis=0)
        origin = self.saved["origin"] + np.rint(moved).astype(int)
        return judge(self.saved["object"], origin, self.measured)


def reconstructed(scene: Scene, folder: Path, *flags: str, cxi: bool = False) -> Run:
    return reconstructed_from(measure(scene), folder, *flags, cxi=cxi)


def reconstructed_from(measured: Measured, folder: Path, *flags: str, cxi: bool = False) -> Run:
    path = folder / ("scan.cxi" if cxi else "scan.npz")
    (write_reference_cxi if cxi else write_reference_npz)(path, measured)
    command = ["reconstruct", str(path), "--output_dir", str(folder / "out"), *flags]
    outcome = CliRunner().invoke(app, [*command, "--no_pictures", "--quiet", "--json"])
    assert outcome.exit_code in (0, 5), outcome.output
    if outcome.exit_code == 5:
        return Run(measured, 5, {}, {})
    metrics = json.loads((folder / "out" / "metrics.json").read_text("utf-8"))
    with np.load(folder / "out" / "reconstruction.npz", allow_pickle=False) as archive:
        saved = {name: archive[name] for name in archive.files}
    return Run(measured, 0, metrics, saved)


@pytest.mark.parametrize("probe", ["diffuser", "vortex"])
def test_the_forward_model_is_the_references(probe: str) -> None:
    measured = measure(Scene(obj="strong", probe=probe, n_pixel=32, patterns=5, modes=(0.8, 0.2)))
    truth = measured.obj.astype(np.complex64)
    canvas = Canvas(truth, np.ones(truth.shape, np.float32), (0, 0))
    modes = torch.from_numpy(measured.probe.astype(np.complex64))
    found = canvas_intensity(canvas, measured.positions_px, modes).numpy()
    wanted = [intensity_at(measured.obj, measured.probe, p) for p in measured.positions_px]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6 * np.max(wanted))


SMALL = Scene(n_pixel=32, patterns=100, overlap=0.75, dose=1e7)
SOUND = {
    "zone plate, spiral": (replace(SMALL, probe="zone_plate", scan="spiral"), 0.01),
    "diffuser, raster": (
        replace(SMALL, obj="binary_phase", probe="diffuser", scan="raster", aspect=2.0),
        0.12,  # a raster without jitter leaves periodic artefacts open
    ),
    "vortices": (replace(SMALL, obj="vortices", probe="curved", scan="random"), 0.05),
    "phase over 2 pi": (replace(SMALL, obj="over_2pi", probe="zone_plate", scan="jitter"), 0.02),
    "absorption, few photons": (
        replace(SMALL, obj="absorption", probe="pinhole", scan="circles", dose=1e4),
        0.09,
    ),
    "36 patterns": (replace(SMALL, obj="phantom", probe="curved", patterns=36), 0.012),
}


class TestSoundScenes:
    @pytest.mark.parametrize(("scene", "floor"), SOUND.values(), ids=list(SOUND))
    def test_errors_stay_below_the_floor_and_are_told_as_they_are(
        self, scene: Scene, floor: float, tmp_path: Path
    ) -> None:
        run = reconstructed(scene, tmp_path)
        judged, told = run.judged(), run.metrics["reconstruction"]
        assert judged.error < min(floor, 0.5 * judged.flat)
        assert told["relative_error"] == pytest.approx(judged.error, rel=0.15, abs=2e-3)
        assert told["mae_amplitude"] == pytest.approx(judged.amplitude, rel=0.2, abs=2e-3)
        assert told["mae_phase_rad"] == pytest.approx(judged.phase_rad, rel=0.2, abs=2e-3)
        own = r_factor(
            run.measured,
            run.saved["object"],
            run.saved["origin"],
            run.saved["probe"],
            run.saved["positions"],
        )
        assert run.metrics["r_factor"] == pytest.approx(own, rel=0.01)
        assert not run.warned - {"raster-grid"}


class TestSpoiltScenes:
    """What is wrong with the data costs little where it can be helped, and is named elsewhere."""

    def test_masked_defects_cost_nothing(self, tmp_path: Path) -> None:
        spoilt = replace(SMALL, dead_columns=2, hot_pixels=3, stop_px=2, masked=True)
        run = reconstructed(spoilt, tmp_path)
        assert run.judged().error < 0.012

    def test_a_probe_of_another_power_and_place_costs_nothing(self, tmp_path: Path) -> None:
        spoilt = replace(SMALL, probe_power=30.0, probe_shift_px=(2, -2))
        assert reconstructed(spoilt, tmp_path).judged().error < 0.02

    def test_cxi_gives_what_npz_gives(self, tmp_path: Path) -> None:
        run = reconstructed(replace(SMALL, scan="spiral"), tmp_path, cxi=True)
        assert run.judged().error < 0.01

    def test_positions_turned_about_are_named(self, tmp_path: Path) -> None:
        assert "misfit" in reconstructed(replace(SMALL, orientation="swap"), tmp_path).warned

    @pytest.mark.parametrize(
        ("spoilt", "slug"),
        [
            ({"dead_columns": 3}, "dead-pixels"),
            ({"hot_pixels": 3}, "hot-pixels"),
            ({"orientation": "rows"}, "orientation"),
            ({"given_probe": "tight"}, "probe-wrong"),
            ({}, None),
        ],
        ids=["dead columns", "hot pixels", "orientation", "probe", "sound"],
    )
    def test_check_names_what_is_wrong_and_nothing_else(
        self, spoilt: dict[str, Any], slug: str | None, tmp_path: Path
    ) -> None:
        scene = replace(SMALL, obj="over_2pi", probe="off_centre", scan="random", **spoilt)
        write_reference_npz(tmp_path / "scan.npz", measure(scene), truth=False)
        outcome = CliRunner().invoke(app, ["check", str(tmp_path / "scan.npz"), "--json"])
        named = {remark["slug"] for remark in json.loads(outcome.stdout)["remarks"]}
        assert (slug in named) if slug else not named
        assert outcome.exit_code == int(slug is not None)


class TestWrongScenes:
    """What is wrong is put right where it can be, and never passed over in silence."""

    @pytest.mark.slow
    def test_another_probe_than_the_given_is_found(self, tmp_path: Path) -> None:
        scene = replace(SMALL, n_pixel=48, patterns=81, given_probe="gauss")
        run = reconstructed(scene, tmp_path)
        assert run.judged().error < 0.03
        assert run.metrics["probe_search"]["r_factor_found"] < 0.1

    def test_frames_without_light_are_left_out_and_named(self, tmp_path: Path) -> None:
        measured = measure(SMALL)
        measured.counts[[5, 40, 41, 77]] = 0
        run = reconstructed_from(measured, tmp_path)
        assert run.warned == {"empty-patterns"}
        assert run.judged().error < 0.012

    def test_an_object_that_is_wrong_is_named_though_its_r_factor_is_low(
        self, tmp_path: Path
    ) -> None:
        scene = replace(SMALL, dose=1e5, position_noise_px=2.0)
        run = reconstructed(scene, tmp_path)
        assert run.judged().error > 0.03
        assert run.metrics["r_factor"] < 0.15
        assert "misfit" in run.warned


@pytest.mark.slow
class TestLargeScenes:
    @pytest.mark.parametrize(
        ("scene", "floor"),
        [
            (Scene("over_2pi", "zone_plate", "random", patterns=300, seed=6), 0.02),
            (Scene("vortices", "long", "random", seed=8), 0.12),
            (Scene("natural", "zone_plate", "spiral", patterns=400, dose=1e6, aspect=4.0), 0.03),
            (Scene("natural", "curved", "jitter", modes=(0.7, 0.2, 0.1), seed=2), 0.2),
            (Scene("natural", "curved", "jitter", n_pixel=128, patterns=120, dose=1e6), 0.2),
            (Scene("strong", "pinhole", "jitter", n_pixel=96, patterns=120, dose=1e8), 0.06),
            (Scene("natural", "gauss", "spiral", n_pixel=256, patterns=40, dose=1e7), 0.33),
        ],
        ids=lambda value: value.name if isinstance(value, Scene) else str(value),
    )
    def test_errors_stay_below_the_floor(self, scene: Scene, floor: float, tmp_path: Path) -> None:
        assert reconstructed(scene, tmp_path).judged().error < floor

    def test_better_on_the_whole_than_the_textbook_after_as_many_passes(
        self, tmp_path: Path
    ) -> None:
        ratios = []
        for number, (scene, _) in enumerate(SOUND.values()):
            folder = tmp_path / str(number)
            folder.mkdir()
            run = reconstructed(scene, folder)
            book = textbook_rpie(run.measured, epochs=24)
            ratios.append(run.judged().error / judge(book.obj, book.origin, run.measured).error)
        assert np.exp(np.mean(np.log(ratios))) < 0.8

    @pytest.mark.parametrize("kind", ["text", "vortices", "over_2pi", "noise", "strong"])
    def test_the_pretrained_network_does_no_harm_to_objects_unlike_its_own(
        self, kind: str, tmp_path: Path
    ) -> None:
        scene = Scene(kind, "long", "spiral", n_pixel=32, patterns=120, overlap=0.8, dose=3e3)
        errors = {}
        for method, flags in (("pie", ()), ("net", ("--pretrained",))):
            folder = tmp_path / method
            folder.mkdir()
            errors[method] = reconstructed(scene, folder, "--method", method, *flags).judged().error
        assert errors["net"] < 1.3 * errors["pie"]
