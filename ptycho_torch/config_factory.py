"""Builds the one payload of a run from a config file and flags.

A payload is built here and nowhere else; everything downstream reads it. The order of precedence
is flag, config file, default (`ptycho_torch.config`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ptycho_torch.config import ExecutionConfig, InferencePayload, TrainingPayload
from ptycho_torch.errors import ConfigError, DataFileError

Payload = TypeVar("Payload", bound=BaseModel)

SCHEDULER_ALIASES: Mapping[str, str] = {
    "default": "cosine",
    "warmupcosine": "cosine",
    "exponential": "exponential",
    "multistage": "multistep",
    "adaptive": "plateau",
    "reducelronplateau": "plateau",
}
ACCELERATOR_ALIASES: Mapping[str, str] = {"gpu": "cuda"}

_MISSING = {
    "test_data_file": "name the scan to reconstruct with --test_data",
    "model_path": "name the bundle, or the folder of its training run, with --model_path",
}


def create_training_payload(
    config_file: Path | None = None, *, in_memory: bool = False, **flags: Any
) -> TrainingPayload:
    """Build and check the settings of a training run.

    Args:
        config_file: YAML with any of the sections `data`, `model`, `training`, `inference` and
            `execution`, or None.
        in_memory: The scans are handed over beside the payload; their files need not exist.
        **flags: Field names of these sections with their values, such as `gridsize=2`. A value
            of None means "not given". A name that two sections share goes to the first of them
            in the order above.

    Returns:
        The payload, frozen.

    Raises:
        ConfigError: A setting is unknown, has the wrong type or is out of range.
        DataFileError: A file named in the settings does not exist.
    """
    values = _merge(_read_config(config_file), _route(TrainingPayload, flags))
    payload = _validate(TrainingPayload, values)
    if payload.data.train_data_file is None:
        raise ConfigError(
            "`train_data_file` is missing", "name the scan to train on with --train_data_file"
        )
    if not in_memory:
        _require_files(payload.data.train_data_file, payload.data.test_data_file)
    _check_combinations(payload)
    return payload


def create_inference_payload(config_file: Path | None = None, **flags: Any) -> InferencePayload:
    """Build and check the settings of an inference run.

    Args:
        config_file: YAML with any of `model_path`, `test_data_file`, `measurement` and the
            sections `inference` and `execution`, or None.
        **flags: Field names with their values; None means "not given".

    Returns:
        The payload, frozen.

    Raises:
        ConfigError: A setting is missing, unknown, has the wrong type or is out of range.
        DataFileError: The model or the scan does not exist.
    """
    values = _merge(_read_config(config_file), _route(InferencePayload, flags))
    payload = _validate(InferencePayload, values)
    _require_files(payload.model_path, payload.test_data_file)
    return payload


def create_execution_config(**flags: Any) -> ExecutionConfig:
    """Build the execution section alone, for commands that need no more.

    Args:
        **flags: Field names with their values; None means "not given".

    Returns:
        The section.

    Raises:
        ConfigError: A setting is unknown, has the wrong type or is out of range.
    """
    given = {name: _unalias(name, value) for name, value in flags.items() if value is not None}
    return _validate(ExecutionConfig, given)


def require_range(name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Refuse a number outside its range.

    Args:
        name: The setting, for the message.
        value: The number.
        lowest: Smallest number allowed.
        highest: Largest number allowed.

    Raises:
        ConfigError: The number is outside.
    """
    if not lowest <= value <= highest:
        raise ConfigError(f"`{name}` is {value}", f"give a number from {lowest:g} to {highest:g}")


def require_number_or_auto(name: str, text: str, lowest: float, highest: float) -> float | None:
    """Read a setting that is a number or `auto`.

    Args:
        name: The setting, for the message.
        text: What was given.
        lowest: Smallest number allowed.
        highest: Largest number allowed.

    Returns:
        The number; None for `auto`.

    Raises:
        ConfigError: It is neither, or outside the range.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest:
        hint = f"give auto, or a number from {lowest:g} to {highest:g}"
        raise ConfigError(f"`{name}` is {text!r}", hint)
    return value


def _route(payload_class: type[BaseModel], flags: Mapping[str, object]) -> dict[str, object]:
    """Sort flat flags into the payload's sections."""
    routed: dict[str, object] = {}
    for name, value in flags.items():
        if value is None:
            continue
        section = _section_of(payload_class, name)
        value = _unalias(name, value)
        if section is None:
            routed[name] = value
        else:
            part = routed.setdefault(section, {})
            assert isinstance(part, dict)
            part[name] = value
    return routed


def _section_of(payload_class: type[BaseModel], name: str) -> str | None:
    if name in payload_class.model_fields:
        return None
    for section, field in payload_class.model_fields.items():
        part = field.annotation
        if not isinstance(part, type) or not issubclass(part, BaseModel):
            continue
        if name in part.model_fields:
            return section
    raise ConfigError(f"`{name}` is not a setting of a {payload_class.__name__}")


def _unalias(name: str, value: object) -> object:
    """Translate the spellings of earlier PtychoPINN command lines."""
    if name == "scheduler":
        return SCHEDULER_ALIASES.get(str(value).lower(), value)
    if name == "accelerator":
        return ACCELERATOR_ALIASES.get(str(value), value)
    return value


def _read_config(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataFileError(f"cannot read config file `{path}`: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataFileError(f"`{path}` is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise DataFileError(f"`{path}` must hold sections, got {type(content).__name__}")
    return content


def _merge(base: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = {**old, **value}
        else:
            merged[key] = value
    return merged


def _validate(payload_class: type[Payload], values: dict[str, object]) -> Payload:
    try:
        return payload_class.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "missing":
            hint = _MISSING.get(where, f"set `{where}` in the file of --config")
            raise ConfigError(f"`{where}` is missing", hint) from error
        raise ConfigError(f"`{where}`: {message}, got {first['input']!r}") from error


def _require_files(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.exists():
            raise DataFileError(f"`{path}` does not exist", "check the path and the folder")


def _check_combinations(payload: TrainingPayload) -> None:
    data, execution = payload.data, payload.execution
    if data.gridsize > 1 and data.neighbor_count < data.group_size - 1:
        raise ConfigError(
            f"`neighbor_count` is {data.neighbor_count}, but a group at gridsize "
            f"{data.gridsize} needs {data.group_size - 1} neighbours",
            f"use --neighbor_count {data.group_size - 1} or more",
        )
    if execution.reconstruct and data.test_data_file is None:
        raise ConfigError(
            "`reconstruct` is on, but there is no `test_data_file`",
            "name the scan to reconstruct with --test_data_file",
        )
    if execution.resume and not execution.enable_checkpointing:
        raise ConfigError(
            "`resume` needs checkpoints, but `enable_checkpointing` is off",
            "drop --no-enable-checkpointing",
        )
