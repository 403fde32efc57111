"""The way back to all-fresh: actions in order, what they cost, and the best of them in a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

Kind = Literal["hub", "restore", "commit", "sign", "run"]

# So many steps are tried in every combination; of more, the best next one is taken again and again.
EXACT = 14


@dataclass(frozen=True)
class Action:
    """One command of the way back.

    Attributes:
        command: For a POSIX shell, quoted, to be run from the repository's root.
        initiative: Whose it is; empty when it is for several.
        phase: Of the step that runs; empty for what runs nothing.
        steps: The steps it proves, or that it runs; the last is the one it is for.
        needs: Steps that must be proven before.
        rows: Rows of the working plan that `steps` prove.
        reason: Why it is needed.
        duration_s: What it took in the past; None when nothing tells.
        basis: What tells the duration, in words.
    """

    kind: Kind
    command: str
    reason: str
    initiative: str = ""
    phase: str = ""
    steps: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    duration_s: float | None = 0.0
    basis: str = ""


@dataclass(frozen=True)
class Blocked:
    """A step that no command of the way back can prove, and what stands before it."""

    initiative: str
    step: str
    reason: str


@dataclass(frozen=True)
class WayBack:
    """From the verdicts of now to all-fresh.

    Attributes:
        actions: In the order in which they are to be run.
        rest: What a budget leaves out.
        blocked: Steps that need something else first.
        waived: `INITIATIVE/step` of steps that a person accepts as they are.
        budget_s: The budget, or None.
        exact: No better choice fits the budget; else a good one.
    """

    actions: tuple[Action, ...]
    rest: tuple[Action, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    waived: tuple[str, ...] = ()
    budget_s: float | None = None
    exact: bool = True

    @property
    def ok(self) -> bool:
        """Everything is fresh or waived already."""
        return not (self.actions or self.rest or self.blocked)

    @property
    def total_s(self) -> float:
        """Seconds of the actions whose duration is known."""
        return sum(action.duration_s or 0.0 for action in self.actions)

    @property
    def unknown(self) -> int:
        """How many actions have no known duration."""
        return sum(action.duration_s is None for action in self.actions)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"ok": self.ok, "total_s": self.total_s, "unknown": self.unknown}


def within(
    runs: list[Action], rows: Mapping[tuple[str, str], frozenset[str]], budget_s: float
) -> tuple[list[Action], bool]:
    """Choose the runs that prove most rows within a time.

    Args:
        runs: In dependency order. What has no known duration is never chosen.
        rows: (initiative, row) → the steps that have to run before it is proven.
        budget_s: Seconds.

    Returns:
        The chosen ones, in their order, and whether no better choice fits.
    """
    known = [run for run in runs if run.duration_s is not None]
    known = [run for run in known if _closure(run, runs) <= {_key(item) for item in known}]
    if len(known) <= EXACT:
        return _best(known, runs, rows, budget_s), True
    return _greedy(known, runs, rows, budget_s), False


Key = tuple[str, str]


def _key(run: Action) -> Key:
    return run.initiative, run.steps[-1]


def _closure(run: Action, runs: list[Action]) -> set[Key]:
    """Return a run and every run it needs, directly or not."""
    by_key = {_key(item): item for item in runs}
    found: set[Key] = set()
    open_keys = [_key(run)]
    while open_keys:
        key = open_keys.pop()
        if key not in found:
            found.add(key)
            needs = ((key[0], need) for need in by_key[key].needs)
            open_keys += [need for need in needs if need in by_key]
    return found


def _worth(chosen: set[Key], rows: Mapping[Key, frozenset[str]]) -> int:
    return sum(all((row[0], step) in chosen for step in steps) for row, steps in rows.items())


def _best(
    known: list[Action],
    runs: list[Action],
    rows: Mapping[Key, frozenset[str]],
    budget_s: float,
) -> list[Action]:
    best: tuple[tuple[int, int, float], list[Action]] = ((0, 0, 0.0), [])
    for chosen in _closed(known, runs):
        spent = sum(item.duration_s or 0.0 for item in chosen)
        if spent > budget_s:
            continue
        keys = {_key(item) for item in chosen}
        value = (_worth(keys, rows), len(chosen), -spent)
        best = max(best, (value, chosen), key=lambda item: item[0])
    return best[1]


def _closed(known: list[Action], runs: list[Action]) -> Iterator[list[Action]]:
    """Yield every choice that has all it needs."""
    closures = {_key(item): _closure(item, runs) for item in known}
    for size in range(len(known) + 1):
        for chosen in combinations(known, size):
            keys = {_key(item) for item in chosen}
            if all(closures[key] <= keys for key in keys):
                yield list(chosen)


def _greedy(
    known: list[Action],
    runs: list[Action],
    rows: Mapping[Key, frozenset[str]],
    budget_s: float,
) -> list[Action]:
    cost = {_key(item): item.duration_s or 0.0 for item in known}
    chosen: set[Key] = set()
    spent = 0.0
    while True:
        offers: list[tuple[float, float, set[Key]]] = []
        for item in known:
            new = _closure(item, runs) - chosen
            price = sum(cost[key] for key in new)
            if new and spent + price <= budget_s:
                gain = _worth(chosen | new, rows) - _worth(chosen, rows)
                offers.append(((gain + 1e-6) / max(price, 1e-3), -price, new))
        if not offers:
            return [item for item in known if _key(item) in chosen]
        _, price, new = max(offers, key=lambda offer: offer[:2])
        chosen, spent = chosen | new, spent - price


def open_rows(steps: Iterable[tuple[Key, Iterable[str], bool]]) -> dict[Key, frozenset[str]]:
    """Return (initiative, row) → the steps of it that have to run.

    Args:
        steps: ((initiative, step), its rows, it has to run), every step.
    """
    found: dict[Key, set[str]] = {}
    for (initiative, step), rows, runs in steps:
        for row in rows:
            wanted = found.setdefault((initiative, row), set())
            if runs:
                wanted.add(step)
    return {row: frozenset(wanted) for row, wanted in found.items() if wanted}
