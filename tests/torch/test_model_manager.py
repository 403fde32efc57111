"""The model bundle: what goes in comes out bit for bit, and nothing else is let in."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from ptycho_torch import archive
from ptycho_torch.archive import MANIFEST, read_archive, write_archive
from ptycho_torch.bundle import (
    BUNDLE_FILE,
    load_inference_bundle_torch,
    probe_digest,
    read_bundle_info,
    save_torch_bundle,
)
from ptycho_torch.config import ModelConfig, TrainingPayload
from ptycho_torch.errors import BundleError
from ptycho_torch.networks import PtychoPINN
from ptycho_torch.physics.scaling import Scales, compute_scales

PROBE = np.ones((1, 16, 16), np.complex64)


@pytest.fixture
def scales() -> Scales:
    """10⁹ photons and a mean Σx² of 1024."""
    return compute_scales(np.full((3, 16, 16), 2.0, np.float32), PROBE, 1e9)


@pytest.fixture
def network() -> PtychoPINN:
    torch.manual_seed(0)
    probe = torch.from_numpy(PROBE) / 16
    return PtychoPINN(ModelConfig(width_channels=8, probe_big=False), probe)


@pytest.fixture
def bundle(tmp_path: Path, network: PtychoPINN, scales: Scales) -> Path:
    settings = {"model": {"width_channels": 8, "probe_big": False}, "data": {"gridsize": 3}}
    payload = TrainingPayload.model_validate(settings)
    return save_torch_bundle(tmp_path, network, payload, scales, PROBE)


class TestRoundTrip:
    """Saving and loading change nothing."""

    def test_weights_probe_and_settings_survive(self, bundle: Path, network: PtychoPINN) -> None:
        loaded = load_inference_bundle_torch(bundle)
        assert not loaded.network.training
        for name, tensor in network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name], tensor), name
        assert loaded.info.data.gridsize == 3
        assert loaded.info.model.probe_big is False
        assert loaded.info.probe_digest == probe_digest(PROBE)

    def test_the_intensity_scale_survives_bit_for_bit(self, bundle: Path, scales: Scales) -> None:
        found = load_inference_bundle_torch(bundle.parent).info.scales
        assert round(found.intensity_scale, 4) == 988.2118
        assert found == scales
        assert found.to_dict() == scales.to_dict()
        assert found.intensity_scale.hex() == scales.intensity_scale.hex()

    def test_equal_contents_give_equal_bytes(
        self, bundle: Path, tmp_path: Path, network: PtychoPINN, scales: Scales
    ) -> None:
        settings = {"model": {"width_channels": 8, "probe_big": False}, "data": {"gridsize": 3}}
        settings["execution"] = {"output_dir": "elsewhere", "quiet": True}
        again = tmp_path / "again"
        payload = TrainingPayload.model_validate(settings)
        save_torch_bundle(again, network, payload, scales, PROBE)
        assert (again / BUNDLE_FILE).read_bytes() == bundle.read_bytes()

    def test_no_path_and_no_time_is_inside(self, bundle: Path, tmp_path: Path) -> None:
        assert str(tmp_path).encode() not in bundle.read_bytes()
        with zipfile.ZipFile(bundle) as zipped:
            assert {info.date_time for info in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}

    def test_info_needs_no_network(self, bundle: Path, network: PtychoPINN) -> None:
        info = read_bundle_info(bundle)
        assert info.shapes == {n: tuple(t.shape) for n, t in network.state_dict().items()}
        assert info.manifest["schema_version"] == 1

    def test_the_trained_bundle_predicts_what_the_trained_network_predicts(
        self, trained: Any
    ) -> None:
        from ptycho_torch.parity import compare_paths

        result = compare_paths(trained.folder, None, n_images=8, tolerance=0.1)
        assert result.equal
        assert max(result.relative_difference.values()) < 1e-6


Forgery = Callable[[dict[str, bytes], dict[str, Any]], None]


def forge(bundle: Path, change: Forgery) -> None:
    """Rewrite a bundle with changed members, its hashes made right again."""
    manifest, members = read_archive(bundle)
    change(members, manifest)
    write_archive(bundle, members, "0.1.0")


def rewrite(bundle: Path, members: Mapping[str, bytes], compression: int = 0) -> None:
    """Rewrite a bundle as a plain zip, whatever it holds."""
    with zipfile.ZipFile(bundle, "w", compression) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)


def contents(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def edited(content: bytes, **changes: Any) -> bytes:
    value = json.loads(content)
    for name, new in changes.items():
        if new is None:
            del value[name]
        else:
            value[name] = new
    return archive.encode_json(value)


class TestRefusals:
    """Every bundle that is not exactly what training wrote is refused, with the reason."""

    def test_any_changed_byte(self, bundle: Path) -> None:
        original = bundle.read_bytes()
        step = max(1, len(original) // 400)
        for place in [*range(0, len(original), step), *range(len(original) - 300, len(original))]:
            damaged = bytearray(original)
            damaged[place] ^= 0x41
            bundle.write_bytes(damaged)
            with pytest.raises(BundleError):
                read_archive(bundle)

    def test_a_changed_weight_is_named(self, bundle: Path) -> None:
        members = contents(bundle)
        weights = bytearray(members["weights.safetensors"])
        weights[-1] ^= 1
        rewrite(bundle, {**members, "weights.safetensors": bytes(weights)})
        with pytest.raises(BundleError, match=r"member `weights.safetensors` .* not the one in"):
            load_inference_bundle_torch(bundle)

    def test_bytes_after_the_end(self, bundle: Path) -> None:
        bundle.write_bytes(bundle.read_bytes() + b"\0")
        with pytest.raises(BundleError):
            load_inference_bundle_torch(bundle)

    def test_a_truncated_file(self, bundle: Path) -> None:
        bundle.write_bytes(bundle.read_bytes()[:-500])
        with pytest.raises(BundleError, match="is damaged"):
            load_inference_bundle_torch(bundle)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="cannot read bundle"):
            load_inference_bundle_torch(tmp_path / "nix.zip")

    def test_a_missing_scale(self, bundle: Path) -> None:
        def drop(members: dict[str, bytes], _: dict[str, Any]) -> None:
            members["scales.json"] = edited(members["scales.json"], intensity_scale=None)

        forge(bundle, drop)
        with pytest.raises(BundleError, match="scale `intensity_scale` is missing"):
            load_inference_bundle_torch(bundle)

    def test_a_missing_setting(self, bundle: Path) -> None:
        def drop(members: dict[str, bytes], _: dict[str, Any]) -> None:
            config = json.loads(members["config.json"])
            del config["model"]["object_big"]
            members["config.json"] = archive.encode_json(config)

        forge(bundle, drop)
        with pytest.raises(BundleError, match=r"section `model` .* lacks \['object_big'\]"):
            load_inference_bundle_torch(bundle)

    def test_an_unknown_schema(self, bundle: Path) -> None:
        members = contents(bundle)
        members[MANIFEST] = edited(members[MANIFEST], schema_version=99)
        rewrite(bundle, members)
        with pytest.raises(BundleError, match="unknown schema version 99"):
            load_inference_bundle_torch(bundle)

    def test_a_foreign_zip(self, bundle: Path) -> None:
        rewrite(bundle, {"readme.json": b"{}"})
        with pytest.raises(BundleError, match=r"has no `manifest.json`: not a model bundle"):
            load_inference_bundle_torch(bundle)

    @pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a/../../b.json"])
    def test_a_member_that_leaves_the_folder(self, name: str, bundle: Path) -> None:
        rewrite(bundle, {**contents(bundle), name: b"{}"})
        with pytest.raises(BundleError, match="leaves the bundle's folder"):
            load_inference_bundle_torch(bundle)

    @pytest.mark.parametrize("name", ["model.pkl", "weights.pt", "state.dill"])
    def test_a_pickle(self, name: str, bundle: Path) -> None:
        rewrite(bundle, {**contents(bundle), name: pickle.dumps(print)})
        with pytest.raises(BundleError, match="is a pickle, which can run code"):
            load_inference_bundle_torch(bundle)

    def test_a_pickle_in_the_place_of_the_weights(self, bundle: Path) -> None:
        buffer = io.BytesIO()
        torch.save({"a": torch.ones(1)}, buffer)
        forge(bundle, lambda members, _: members.update({"weights.safetensors": buffer.getvalue()}))
        with pytest.raises(BundleError, match=r"`weights.safetensors` in .* cannot be read"):
            load_inference_bundle_torch(bundle)

    def test_an_extra_member(self, bundle: Path) -> None:
        rewrite(bundle, {**contents(bundle), "extra.json": b"{}"})
        with pytest.raises(BundleError, match=r"disagree about the members \['extra.json'\]"):
            load_inference_bundle_torch(bundle)

    def test_a_missing_member(self, bundle: Path) -> None:
        forge(bundle, lambda members, _: members.pop("scales.json"))
        with pytest.raises(BundleError, match=r"lacks \['scales.json'\]"):
            load_inference_bundle_torch(bundle)

    def test_an_oversized_member(self, bundle: Path) -> None:
        rewrite(bundle, {**contents(bundle), "config.json": b" " * (archive.MAX_JSON_BYTES + 1)})
        with pytest.raises(BundleError, match=r"has 1048577 bytes, more than"):
            load_inference_bundle_torch(bundle)

    def test_a_compressed_member(self, bundle: Path) -> None:
        rewrite(bundle, contents(bundle), zipfile.ZIP_DEFLATED)
        with pytest.raises(BundleError, match="is compressed"):
            load_inference_bundle_torch(bundle)

    def test_a_wrong_shape(self, bundle: Path) -> None:
        def reshape(members: dict[str, bytes], _: dict[str, Any]) -> None:
            tensors = load(members["weights.safetensors"])
            name = next(n for n in tensors if n.endswith("weight") and tensors[n].ndim == 4)
            tensors[name] = tensors[name][:1].contiguous()
            members["weights.safetensors"] = save(tensors)

        forge(bundle, reshape)
        with pytest.raises(BundleError, match="the network needs"):
            load_inference_bundle_torch(bundle)

    def test_missing_tensors_never_become_random_weights(self, bundle: Path) -> None:
        def drop(members: dict[str, bytes], _: dict[str, Any]) -> None:
            tensors = load(members["weights.safetensors"])
            tensors.pop(next(n for n in tensors if n.endswith("bias")))
            members["weights.safetensors"] = save(tensors)

        forge(bundle, drop)
        with pytest.raises(BundleError, match="do not fit the network"):
            load_inference_bundle_torch(bundle)

    def test_twice_the_same_member(self, bundle: Path) -> None:
        members = contents(bundle)
        rewrite(bundle, members)
        with (
            zipfile.ZipFile(bundle, "a") as zipped,
            pytest.warns(UserWarning, match="Duplicate name"),
        ):
            zipped.writestr("config.json", b"{}")
        with pytest.raises(BundleError, match="occurs twice"):
            load_inference_bundle_torch(bundle)


def test_a_failed_write_leaves_the_old_bundle(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bundle.read_bytes()

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_archive(bundle, {"config.json": b"{}"}, "0")
    assert bundle.read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == [BUNDLE_FILE]
