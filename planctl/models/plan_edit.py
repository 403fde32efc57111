"""One edit of a `plan.yaml`: its `hub:` line, every other byte as it was."""

from __future__ import annotations

import yaml

from planctl.errors import PlanError
from planctl.models.plan_yaml import parse_plan


def with_hub(text: str, path: str, hub: str) -> str:
    """Return a plan's text with another hub.

    Args:
        text: The plan, valid; line ends and comments stay.
        path: Its repository-relative path, for messages.
        hub: Hub relative to the initiative's `reports/`.

    Raises:
        PlanError: The plan is not one planctl can edit in place.
    """
    parse_plan(text, path)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise PlanError(path, "is written in `{…}` form", hint=f"add `hub: {hub}` by hand")
    nodes = {str(key.value): (key, value) for key, value in root.value}
    edited = _replaced(text, nodes["hub"], hub) if "hub" in nodes else _added(text, nodes, hub)
    if parse_plan(edited, path).hub != hub:
        raise PlanError(path, "cannot be edited in place", key="hub", hint=f"write `hub: {hub}`")
    return edited


def _replaced(text: str, pair: tuple[yaml.Node, yaml.Node], hub: str) -> str:
    key, value = pair
    start, end = value.start_mark.index, value.end_mark.index
    if start == end:
        # `hub:` without a value: the node is empty and may lie anywhere after the colon.
        start = end = text.index(":", key.end_mark.index) + 1
        hub = f" {hub}"
    return text[:start] + hub + text[end:]


def _added(text: str, nodes: dict[str, tuple[yaml.Node, yaml.Node]], hub: str) -> str:
    at = text.find("\n", nodes["id"][1].end_mark.index) + 1
    newline = "\r\n" if text[:at].endswith("\r\n") else "\n"
    if at == 0:
        return f"{text}{newline}hub: {hub}{newline}"
    return f"{text[:at]}hub: {hub}{newline}{text[at:]}"
