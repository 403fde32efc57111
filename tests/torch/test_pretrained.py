"""The file of a pretrained network: what comes back, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch

from ptycho_torch import __version__
from ptycho_torch.archive import encode_json, read_archive, write_archive
from ptycho_torch.errors import BundleError
from ptycho_torch.networks.canvas import CanvasNetwork
from ptycho_torch.pretrained import (
    CONFIG,
    PRETRAINED_FILE,
    TRAINING,
    WEIGHTS,
    load_pretrained,
    save_pretrained,
    shipped_bundle,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / PRETRAINED_FILE
    network = CanvasNetwork(8)
    with torch.no_grad():
        network.leave[0].weight.normal_()
    save_pretrained(path, network, {"seed": 3})
    return path


def rewritten(bundle: Path, **members: bytes | None) -> Path:
    """The bundle with members replaced or left out, its manifest made anew."""
    _, content = read_archive(bundle)
    names = {"weights": WEIGHTS, "config": CONFIG, "training": TRAINING}
    for short, value in members.items():
        if value is None:
            del content[names[short]]
        else:
            content[names[short]] = value
    path = bundle.with_name("rewritten.zip")
    write_archive(path, content, __version__)
    return path


def test_a_network_comes_back_to_half_precision(bundle: Path) -> None:
    torch.manual_seed(3)
    expected = CanvasNetwork(8)
    with torch.no_grad():
        expected.leave[0].weight.normal_()
    found = load_pretrained(bundle)
    assert found.training == {"seed": 3}
    assert not found.network.training
    for name, part in expected.state_dict().items():
        torch.testing.assert_close(
            found.network.state_dict()[name], part, rtol=1e-3, atol=1e-4, msg=name
        )


def test_a_folder_is_looked_into(bundle: Path) -> None:
    assert load_pretrained(bundle.parent).path == bundle


def test_equal_training_gives_equal_bytes(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    found = load_pretrained(bundle)
    save_pretrained(again, found.network, found.training)
    assert again.read_bytes() == bundle.read_bytes()


def test_another_kind_of_network_is_refused(bundle: Path) -> None:
    config = encode_json({"kind": "patch", "width_channels": 8, "blocks": 1})
    with pytest.raises(BundleError, match="kind 'patch'"):
        load_pretrained(rewritten(bundle, config=config))


@pytest.mark.parametrize("width", [0, 10**6, "8", True, None])
def test_an_impossible_size_is_refused_before_anything_is_made(bundle: Path, width: object) -> None:
    config = encode_json({"kind": "canvas", "width_channels": width, "blocks": 1})
    with pytest.raises(BundleError, match="names the network"):
        load_pretrained(rewritten(bundle, config=config))


def test_weights_of_another_size_are_refused(bundle: Path) -> None:
    config = encode_json({"kind": "canvas", "width_channels": 16, "blocks": 1})
    with pytest.raises(BundleError, match="do not fit"):
        load_pretrained(rewritten(bundle, config=config))


def test_a_trained_model_is_told_apart(bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"lacks \['training\.json'\]"):
        load_pretrained(rewritten(bundle, training=None))


def test_a_changed_byte_is_noticed(bundle: Path) -> None:
    raw = bytearray(bundle.read_bytes())
    raw[len(raw) // 2] ^= 1
    bundle.write_bytes(raw)
    with pytest.raises(BundleError):
        load_pretrained(bundle)


class TestTheShippedOne:
    def test_says_how_it_was_made_and_helps_below_1e5_photons(self) -> None:
        found = load_pretrained()
        assert found.path == shipped_bundle()
        assert found.training["scenes"] > 1000
        dim = [r for r in found.training["validation"] if r["photons_from"] < 1e5]
        assert len(dim) == 3
        assert all(row["amplitude_ratio"] < 1 and row["phase_ratio"] < 1 for row in dim)

    def test_is_small_and_holds_no_pickle(self) -> None:
        assert shipped_bundle().stat().st_size < 1_500_000
        with zipfile.ZipFile(shipped_bundle()) as archive:
            assert {Path(name).suffix for name in archive.namelist()} == {".json", ".safetensors"}
            assert json.loads(archive.read(CONFIG))["kind"] == "canvas"
