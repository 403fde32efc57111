"""One edit of a `plan.yaml`: one key of it, every other byte as it was."""

from __future__ import annotations

import json
from typing import Any

import yaml

from planctl.errors import PlanError
from planctl.models.plan.parse import parse_plan


def with_hub(text: str, path: str, hub: str) -> str:
    """Return a plan's text with another hub.

    Args:
        text: The plan, valid; line ends and comments stay.
        path: Its repository-relative path, for messages.
        hub: Hub relative to the initiative's `reports/`.

    Raises:
        PlanError: The plan is not one planctl can edit in place.
    """
    return _with_key(text, path, "hub", hub, hub)


def with_value(text: str, path: str, key: str, value: str | tuple[str, ...]) -> str:
    """Return a plan's text with another `priority`, `depends_on` or `title`.

    Args:
        text: The plan, valid; line ends and comments stay.
        path: Its repository-relative path, for messages.
        key: The key at the top level.
        value: Its value; a text is quoted where YAML might read something else.

    Raises:
        PlanError: The plan is not one planctl can edit in place.
    """
    # JSON is YAML.
    plain = isinstance(value, str) and value.isalpha()
    written = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return _with_key(text, path, key, value, written)


def _with_key(text: str, path: str, key: str, value: Any, written: str) -> str:
    parse_plan(text, path)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise PlanError(path, "is written in `{…}` form", hint=f"add `{key}: {written}` by hand")
    nodes = {str(name.value): (name, node) for name, node in root.value}
    there = key in nodes
    edited = _replaced(text, nodes[key], written) if there else _added(text, nodes, key, written)
    if getattr(parse_plan(edited, path), key) != value:
        hint = f"write `{key}: {written}`"
        raise PlanError(path, "cannot be edited in place", key=key, hint=hint)
    return edited


def _replaced(text: str, pair: tuple[yaml.Node, yaml.Node], written: str) -> str:
    key, value = pair
    start, end = value.start_mark.index, value.end_mark.index
    if start == end:
        # `hub:` without a value: the node is empty and may lie anywhere after the colon.
        start = end = text.index(":", key.end_mark.index) + 1
        written = f" {written}"
    elif isinstance(value, yaml.SequenceNode) and not value.flow_style:
        # A list over several lines ends, for YAML, where the next key begins.
        start = text.index(":", key.end_mark.index) + 1
        end = value.value[-1].end_mark.index
        written = f" {written}"
    return text[:start] + written + text[end:]


def _added(text: str, nodes: dict[str, tuple[yaml.Node, yaml.Node]], key: str, written: str) -> str:
    at = text.find("\n", nodes["id"][1].end_mark.index) + 1
    newline = "\r\n" if text[:at].endswith("\r\n") else "\n"
    if at == 0:
        return f"{text}{newline}{key}: {written}{newline}"
    return f"{text[:at]}{key}: {written}{newline}{text[at:]}"
