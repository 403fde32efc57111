"""JSON Schemas of the files people write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planctl.models.plan.plan import Plan
from planctl.models.receipt import Receipt

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _plan() -> dict[str, Any]:
    return {"$schema": _DIALECT, **Plan.model_json_schema(by_alias=True)}


def _receipt() -> dict[str, Any]:
    return {"$schema": _DIALECT, **Receipt.model_json_schema()}


def _turn() -> dict[str, Any]:
    from planctl.models.turn.record import TurnRecord

    return {"$schema": _DIALECT, **TurnRecord.model_json_schema(by_alias=True)}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "plan": _plan,
    "receipt": _receipt,
    "turn": _turn,
}
