"""Files that appear complete or not at all, and pictures that show what they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ptycho_torch.artifacts import make_folder, write_bytes, write_json
from ptycho_torch.errors import PreconditionError
from ptycho_torch.pictures import draw_amplitude_grid, draw_field, draw_patch_grid


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file.json"
    write_json(target, {"old": 1})

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_json(target, {"new": 2})
    assert target.read_text() == '{\n  "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"value": float("nan")})
    assert not (tmp_path / "file.json").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PreconditionError, match="cannot make the folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(PreconditionError):
        write_bytes(tmp_path / "file" / "x", b"")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"), dtype=float)


def patches(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 8, 8)) * np.exp(1j * rng.normal(size=(count, 8, 8)))


@pytest.mark.parametrize("count", [1, 3, 16, 40])
def test_grids_of_any_size_are_drawn(count: int, tmp_path: Path) -> None:
    draw_patch_grid(tmp_path / "grid.png", patches(count))
    draw_amplitude_grid(tmp_path / "amplitude.png", patches(count), each=True)
    assert all(pixels(tmp_path / name).std() > 10 for name in ("grid.png", "amplitude.png"))


def test_more_than_sixteen_patches_are_not_shown(tmp_path: Path) -> None:
    draw_patch_grid(tmp_path / "all.png", patches(40))
    draw_patch_grid(tmp_path / "few.png", patches(40)[:16])
    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "few.png").read_bytes()


def test_one_bright_patch_darkens_the_others_only_on_a_shared_scale(tmp_path: Path) -> None:
    stack = patches(4)
    stack[0] *= 100
    for name, each in (("each", True), ("shared", False)):
        draw_amplitude_grid(tmp_path / f"{name}.png", stack, each=each)
    each, shared = (pixels(tmp_path / f"{name}.png") for name in ("each", "shared"))
    assert (shared < 30).mean() > 1.5 * (each < 30).mean()


def test_a_field_that_nothing_covers_is_still_a_picture(tmp_path: Path) -> None:
    field = np.zeros((12, 12), np.complex64)
    paths = draw_field(tmp_path, "empty", field, np.zeros((12, 12), bool))
    assert [path.name for path in paths] == ["empty_amplitude.png", "empty_phase.png"]
    assert all(path.exists() for path in paths)
