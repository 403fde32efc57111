"""Numbers of runs that should be the same: one JSON in versions, or one path over commits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.orders import is_code
from planctl.ops.audit.scene import End, Part, Scene

_LARGEST = 1 << 20
_MOST = 2000
_DEPTH = 12
_TOLERANCE = 0.1
_SHOWN = 3
_PLACE = re.compile(r"(?:^|/)(?:reports?|analysis|results?|metrics|outputs?|hubs?)(?:/|$)", re.I)
_VERSION = re.compile(r"(?:_(?:v|r|run|rerun|attempt|try)_?\d*)+(?=\.json$)", re.I)
# What differs from run to run by its nature says nothing of the result.
_NATURE = re.compile(
    r"time|date|stamp|duration|elapsed|seconds|_s$|epoch|pid|port|seed|host|version|uuid|hash|"
    r"sha|bytes|size|memory|rss|id$",
    re.I,
)


@dataclass(frozen=True)
class _Version:
    position: int
    commit: str
    path: str
    blob: str


@dataclass(frozen=True)
class _Spread:
    key: str
    low: float
    high: float

    @property
    def relative(self) -> float:
        """The distance of the ends, beside the larger one."""
        largest = max(abs(self.low), abs(self.high))
        return (self.high - self.low) / largest if largest else 0.0


class Metrics:
    """Gathers JSON files that are versions of each other."""

    def __init__(self) -> None:
        self._families: dict[str, list[_Version]] = {}
        self._code: list[int] = []

    def visit(self, scene: Scene) -> None:
        """Take up the versions a commit brings."""
        code = False
        for change in scene.step.commit.changes:
            code = code or (is_code(change.path) and not change.path.startswith("plans/"))
            if change.new is None or change.link or not scene.judged:
                continue
            if change.path.endswith(".json") and _PLACE.search(change.path):
                family = self._families.setdefault(_VERSION.sub("", change.path), [])
                if all(item.blob != change.new for item in family):
                    version = (scene.step.position, scene.commit, change.path, change.new)
                    family.append(_Version(*version))
        self._code.append(int(code))

    def finish(self, end: End) -> Part:
        """Compare the versions of each family."""
        before = [0, *accumulate(self._code)]
        findings: list[AuditFinding] = []
        families = {name: items for name, items in self._families.items() if len(items) > 1}
        for name, versions in sorted(families.items()):
            spreads = sorted(_spreads(versions, end), key=lambda item: -item.relative)
            wide = [item for item in spreads if item.relative > _TOLERANCE]
            if wide:
                first, last = versions[0].position, versions[-1].position
                changed = before[last + 1] > before[first + 1]
                findings.append(_finding(name, versions, wide, changed))
        label = "numbers of one name that differ by more than 10 % from run to run"
        total = AuditTotal("metrics.spread", label, len(findings), len(families))
        return Part((total,), tuple(findings))


def _finding(
    name: str, versions: list[_Version], wide: list[_Spread], changed: bool
) -> AuditFinding:
    told = "; ".join(f"{item.key} {item.low:g} to {item.high:g}" for item in wide[:_SHOWN])
    more = f" and {len(wide) - _SHOWN} more keys" if len(wide) > _SHOWN else ""
    code = "code changed between them" if changed else "no code changed between them"
    text = f"{told}{more} in {len(versions)} versions; {code}"
    last = versions[-1]
    return AuditFinding("metrics.spread", last.commit, last.path, None, name, "spread", text)


def _spreads(versions: list[_Version], end: End) -> Iterator[_Spread]:
    values: dict[str, list[float]] = {}
    for version in versions:
        data = end.blobs.read(version.blob, _LARGEST)
        for key, value in numbers(data) if data is not None else ():
            values.setdefault(key, []).append(value)
    for key, found in values.items():
        if len(found) > 1:
            yield _Spread(key, min(found), max(found))


def numbers(data: bytes) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers of a JSON document by key; nothing when it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    todo: list[tuple[str, object, int]] = [("", value, 0)]
    left = _MOST
    while todo and left > 0:
        key, item, depth = todo.pop()
        if isinstance(item, dict) and depth < _DEPTH:
            todo += [(f"{key}.{k}".lstrip("."), v, depth + 1) for k, v in item.items()]
        elif isinstance(item, list) and depth < _DEPTH:
            todo += [(f"{key}[{at}]", v, depth + 1) for at, v in enumerate(item[:_MOST])]
        elif isinstance(item, int | float) and not isinstance(item, bool):
            last = key.rsplit(".", 1)[-1]
            if abs(item) < 1e300 and not _NATURE.search(last):
                left -= 1
                yield key, float(item)
