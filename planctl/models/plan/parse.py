"""From the text of a `plan.yaml` to a `Plan`, with the line of everything that is wrong."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from planctl.errors import PlanError
from planctl.models.plan.plan import Collect, Phase, Plan, Step, Waiver

Place = tuple[str | int, ...]
_HINT = "`planctl schema plan` prints what may stand here"
# libyaml, where PyYAML was built with it, is ten times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 1_000_000
_MAX_DEPTH = 40
# Aliases (`*name`) repeat what they name: a short file can mean more than memory holds.
_MAX_VALUES = 100_000


class _Source:
    """The YAML as plain values, and the line on which each one stands."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        self.step_ids: list[tuple[str, int, Place]] = []
        self._loader = yaml.SafeLoader("")
        self._values = 0

    def value(self, node: yaml.Node, place: Place = ()) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._values += 1
        if len(place) > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise PlanError(self.path, "is nested too deeply or repeats too much", line=line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, i)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise PlanError(self.path, "a key is a list or a mapping", line=line, hint=_HINT)
            key = str(key_node.value)
            if key in result:
                raise PlanError(
                    self.path, "stands twice", line=line, key=_dotted((*place, key)), hint=_HINT
                )
            self.lines[(*place, key)] = line
            result[key] = self.value(value_node, (*place, key))
            if key == "id" and place[-2:-1] == ("steps",):
                self.step_ids.append((str(result[key]), line, place))
        return result

    def _scalar(self, node: yaml.Node) -> Any:
        # A plain `dc5415e3` reads as a float and `2025-11-14` as a date: ids stay what was typed.
        if node.tag.endswith((":timestamp", ":float", ":int")):
            text = str(node.value)
            try:
                return int(text) if text.isdigit() and not text.startswith("0") else float(text)
            except ValueError:
                return text
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError) as error:
            line = node.start_mark.line + 1
            raise PlanError(self.path, f"`{node.value}` is no {node.tag}", line=line) from error

    def line_of(self, place: Place) -> int | None:
        """Return the line of a place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


@lru_cache(maxsize=1024)
def parse_plan(text: str, path: str) -> Plan:
    """Read a plan; the same text again costs nothing.

    Args:
        text: The file's text.
        path: Repository-relative path, for messages.

    Raises:
        PlanError: Not YAML, empty, or not a plan; with line, key and hint.
    """
    if len(text) > _MAX_BYTES:
        raise PlanError(path, f"is larger than {_MAX_BYTES:,} bytes")
    source = _Source(path)
    raw = _compose(text, source)
    if not isinstance(raw, dict):
        raise PlanError(path, "is not a mapping", line=1, hint=_HINT)
    try:
        return Plan.model_validate(raw)
    except ValidationError as error:
        raise _first(error, source) from error


def step_lines(text: str, path: str) -> dict[str, int]:
    """Return the line on which each step of a plan says its `id`.

    Args:
        text: The file's text.
        path: Repository-relative path, for messages.

    Raises:
        PlanError: Not YAML, or empty.
    """
    source = _Source(path)
    _compose(text, source)
    return {step: line for step, line, _ in source.step_ids}


def _refuse_depth(text: str, source: _Source) -> None:
    """Look how deep a text is nested before libyaml does: it recurses until the stack is gone."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            line = None if event.start_mark is None else event.start_mark.line + 1
            raise PlanError(source.path, "is nested too deeply or repeats too much", line=line)


def _compose(text: str, source: _Source) -> Any:
    try:
        _refuse_depth(text, source)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise PlanError(source.path, f"is not YAML: {error.problem}", line=line) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PlanError(source.path, f"is not YAML: {error}") from error
    if node is None:
        raise PlanError(
            source.path, "is empty", line=1, hint="`planctl new ID` writes a first plan"
        )
    return source.value(node)


def _first(error: ValidationError, source: _Source) -> PlanError:
    # A key that is not known often explains one that is missing: it comes first.
    problem = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    place: Place = tuple(part for part in problem["loc"] if part != "[key]")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    elif problem["type"] == "missing":
        message = "is required"
    line, key = source.line_of(place), _dotted(place)
    named = _named_place(message, source)
    if not place and named is not None:
        line, key = named
    near = _near(place) if problem["type"] == "extra_forbidden" else []
    hint = f"did you mean {' or '.join(f'`{name}`' for name in near)}? {_HINT}" if near else _HINT
    return PlanError(source.path, message, line=line, key=key or None, hint=hint)


def _near(place: Place) -> list[str]:
    """Return the keys that may stand at a place and are most like the one that does."""
    import difflib

    *above, key = place
    model: type[BaseModel] = Plan
    for part in above:
        model = _BELOW.get((model, str(part)), model)
    names = [field.alias or name for name, field in model.model_fields.items()]
    return difflib.get_close_matches(str(key).lower(), names, 2, 0.6)


_BELOW: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
    (Plan, "phases"): Phase,
    (Phase, "steps"): Step,
    (Step, "collect"): Collect,
    (Step, "waive"): Waiver,
}


def _named_place(message: str, source: _Source) -> tuple[int, str] | None:
    """Find the step that a message about the whole plan names: the last one if it stands twice."""
    for step, line, place in reversed(source.step_ids):
        if f"`{step}`" in message or f" {step} " in f" {message} ":
            return line, _dotted(place)
    return None
