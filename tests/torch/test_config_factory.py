"""Settings: one immutable payload, built in one place, with one set of defaults."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import ptycho_torch
from ptycho_torch.config import InferencePayload, ModelConfig, TrainingPayload
from ptycho_torch.config_factory import (
    create_execution_config,
    create_inference_payload,
    create_training_payload,
    require_range,
)
from ptycho_torch.errors import ConfigError, DataFileError
from ptycho_torch.runtime import write_config

PACKAGE = Path(ptycho_torch.__file__).parent


class TestPayload:
    """One immutable payload holds every setting and is built in one place."""

    def test_it_cannot_be_changed(self, payload: TrainingPayload) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            payload.training.max_epochs = 3  # type: ignore[misc]

    def test_borders_are_big_by_default_everywhere(self, payload: TrainingPayload) -> None:
        for config in (payload.model, ModelConfig(), TrainingPayload().model):
            assert (config.object_big, config.probe_big) == (True, True)

    def test_shared_names_go_to_the_section_of_the_command(self, tiny: Any) -> None:
        train = create_training_payload(train_data_file=tiny.train, batch_size=3, n_images=5)
        assert (train.training.batch_size, train.data.n_images) == (3, 5)
        assert (train.inference.batch_size, train.inference.n_images) == (32, None)
        infer = create_inference_payload(
            model_path=tiny.test, test_data_file=tiny.test, batch_size=3, n_images=5
        )
        assert (infer.inference.batch_size, infer.inference.n_images) == (3, 5)

    def test_unknown_settings_are_refused(self, tiny: Any) -> None:
        with pytest.raises(ConfigError, match="`lr` is not a setting of a TrainingPayload"):
            create_training_payload(train_data_file=tiny.train, lr=3)

    def test_the_written_settings_give_the_same_payload(
        self, payload: TrainingPayload, tmp_path: Path
    ) -> None:
        write_config(tmp_path, payload)
        assert create_training_payload(tmp_path / "config.yaml") == payload

    @pytest.mark.parametrize(
        ("given", "meant"),
        [("Default", "cosine"), ("MultiStage", "multistep"), ("ReduceLROnPlateau", "plateau")],
    )
    def test_older_names_of_schedules_are_understood(
        self, given: str, meant: str, tiny: Any
    ) -> None:
        payload = create_training_payload(train_data_file=tiny.train, scheduler=given)
        assert payload.training.scheduler == meant

    def test_the_order_is_flag_then_file_then_default(self, tiny: Any, tmp_path: Path) -> None:
        config = tmp_path / "run.yaml"
        config.write_text("training: {max_epochs: 2, batch_size: 3}\n")
        payload = create_training_payload(config, train_data_file=tiny.train, max_epochs=7)
        assert payload.training.max_epochs == 7
        assert payload.training.batch_size == 3
        assert payload.training.learning_rate == TrainingPayload().training.learning_rate

    def test_an_empty_config_file_means_defaults(self, tiny: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.yaml").write_text("")
        payload = create_training_payload(tmp_path / "empty.yaml", train_data_file=tiny.train)
        assert payload == create_training_payload(train_data_file=tiny.train)

    def test_the_message_names_setting_and_value(self, tiny: Any) -> None:
        with pytest.raises(
            ConfigError, match=r"`training.seed`: .* less than 4294967296, got -?\d"
        ):
            create_training_payload(train_data_file=tiny.train, seed=2**40)

    def test_inference_needs_model_and_scan(self, tiny: Any) -> None:
        with pytest.raises(ConfigError, match="`test_data_file` is missing"):
            create_inference_payload(model_path=tiny.train)
        with pytest.raises(DataFileError, match="nix` does not exist"):
            create_inference_payload(model_path=Path("nix"), test_data_file=tiny.test)

    def test_a_section_can_stand_alone(self) -> None:
        assert create_execution_config(accelerator="gpu", cpu_threads=None).accelerator == "cuda"
        with pytest.raises(ConfigError, match="`cpu_threads`"):
            create_execution_config(cpu_threads=0)

    def test_a_range_is_held(self) -> None:
        require_range("alpha", 1.0, lowest=0, highest=1)
        with pytest.raises(ConfigError, match=r"`alpha` is 1\.5"):
            require_range("alpha", 1.5, lowest=0, highest=1)


def test_no_other_module_builds_a_payload() -> None:
    """CONFIG-001: a config that is rebuilt on the way loses what the user set."""
    names = {TrainingPayload.__name__, InferencePayload.__name__}
    builders = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in names)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == "model_copy")
        )
    }
    assert builders == set()
