"""What makes a guard weaker: facts about tests and checks, before and after a change."""

from __future__ import annotations

import ast
import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from planctl._text import count

_ASIDE = {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure"}
_ASIDE_CALLS = {"skip", "xfail", "skipTest", "importorskip"}
_WIDER_IS_WEAKER = {"rel", "abs", "rtol", "atol", "tol", "tolerance", "delta", "eps"}
# Bounds of checks: from a key to whether a larger number is weaker.
_BOUNDS = {
    "gt": False,
    "ge": False,
    "lt": True,
    "le": True,
    "within": True,
    "passed": False,
    "skipped": True,
    "min_bytes": False,
}
_DEMANDS = ("eq", "ne", "finite", "same_as", "not_flat", "matches", "not_matches")


@dataclass(frozen=True)
class Guard:
    """What one test function asks.

    Attributes:
        asserts: Statements and calls that can fail it.
        aside: It is skipped or expected to fail, always or on a condition.
        cases: Cases of its parameters, as far as they are written out.
        tolerances: Numbers it allows for, in reading order, as (name, number).
    """

    asserts: int
    aside: int
    cases: int
    tolerances: tuple[tuple[str, float], ...]


def is_test_file(path: str) -> bool:
    """Tell whether a repository path is Python code that tests other code."""
    place = PurePosixPath(path)
    if place.suffix != ".py":
        return False
    named = place.stem.startswith("test_") or place.stem.endswith("_test")
    return named or place.stem == "conftest" or bool({"tests", "test"} & set(place.parts[:-1]))


def guards(text: str) -> dict[str, Guard] | None:
    """Return the test functions of a Python file: `Class.test_name` → what it asks.

    Args:
        text: Its source.

    Returns:
        None when it is no Python that this interpreter reads.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of its style is not asked
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[str, Guard] = {}
    aside = sum(_sets_aside(node) for node in tree.body if isinstance(node, ast.Assign | ast.Expr))
    for prefix, node, outer in _functions(tree):
        found[f"{prefix}{node.name}"] = _guard(node, aside + outer)
    return found


def _functions(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            outer = sum(_is_aside(item) for item in node.decorator_list)
            for inner in node.body:
                if _is_test(inner):
                    yield f"{node.name}.", inner, outer  # type: ignore[misc]
        elif _is_test(node):
            yield "", node, 0  # type: ignore[misc]


def _is_test(node: ast.AST) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and node.name.startswith("test")


def _guard(node: ast.FunctionDef | ast.AsyncFunctionDef, aside: int) -> Guard:
    inner = [item for part in node.body for item in ast.walk(part)]
    calls = [item for item in inner if isinstance(item, ast.Call)]
    asserts = sum(isinstance(item, ast.Assert) for item in inner)
    asserts += sum(_asserts(call) for call in calls)
    aside += sum(_is_aside(item) for item in node.decorator_list)
    aside += sum(_name(call.func) in _ASIDE_CALLS for call in calls)
    cases = 1
    for item in node.decorator_list:
        cases *= _cases(item)
    return Guard(asserts, aside, cases, tuple(_tolerances(inner)))


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _asserts(call: ast.Call) -> bool:
    name = _name(call.func)
    return name.startswith("assert") or name in ("raises", "warns", "fail")


def _is_aside(node: ast.AST) -> bool:
    return _name(node.func if isinstance(node, ast.Call) else node) in _ASIDE


def _sets_aside(node: ast.stmt) -> bool:
    """Tell whether a statement at the top of a module puts all of its tests aside."""
    named = isinstance(node, ast.Assign) and any(_name(t) == "pytestmark" for t in node.targets)
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if not named and not called:
        return False
    names = {_name(item) for item in ast.walk(node)}
    return bool(names & (_ASIDE if named else {"skip", "importorskip"}))


def _cases(node: ast.AST) -> int:
    if not isinstance(node, ast.Call) or _name(node.func) != "parametrize" or len(node.args) < 2:
        return 1
    values = node.args[1]
    return len(values.elts) if isinstance(values, ast.List | ast.Tuple) else 1


def _tolerances(nodes: list[ast.AST]) -> Iterator[tuple[str, float]]:
    for node in nodes:
        if isinstance(node, ast.Call):
            for word in node.keywords:
                number = _number(word.value)
                if number is not None and word.arg in (*_WIDER_IS_WEAKER, "places"):
                    yield str(word.arg), -number if word.arg == "places" else number
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            number = _number(node.comparators[0])
            if number is not None and isinstance(node.ops[0], ast.Lt | ast.LtE):
                yield "<", number
            elif number is not None and isinstance(node.ops[0], ast.Gt | ast.GtE):
                yield ">", -number


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        # An integer may have any number of digits.
        with contextlib.suppress(OverflowError):
            return float(node.value)  # type: ignore[arg-type]
    return None


def weaker_tests(
    old: Mapping[str, dict[str, Guard]], new: Mapping[str, dict[str, Guard]]
) -> list[str]:
    """Return what makes tests weaker than they were.

    Args:
        old: Path → its test functions, of the files that changed.
        new: The same afterwards; a file that is gone is absent.
    """
    there = {name for tests in new.values() for name in tests}
    before = {name for tests in old.values() for name in tests}
    facts: list[str] = []
    for path, tests in sorted(old.items()):
        for name, guard in tests.items():
            now = new.get(path, {}).get(name)
            if now is None and name in there:
                continue  # it moved to another file that changed with it
            shown = f"`{path}::{name.replace('.', '::')}`"
            facts += [f"{shown} is gone"] if now is None else _weaker(shown, guard, now)
    for path, tests in sorted(new.items()):
        fresh = [name for name, guard in tests.items() if name not in before and guard.aside]
        facts += [f"`{path}::{name.replace('.', '::')}` is new and put aside" for name in fresh]
    return facts


def _weaker(shown: str, old: Guard, new: Guard) -> Iterator[str]:
    if new.aside > old.aside:
        yield f"{shown} is skipped or expected to fail now"
    if new.asserts < old.asserts:
        yield f"{shown} lost {count(old.asserts - new.asserts, 'assertion')}"
    if new.cases < old.cases:
        yield f"{shown} lost {count(old.cases - new.cases, 'case')}"
    names = [name for name, _ in old.tolerances]
    if names == [name for name, _ in new.tolerances]:
        pairs = zip(old.tolerances, new.tolerances, strict=True)
        for (name, was), (_, now) in pairs:
            if now > was:
                yield f"{shown} tolerates more: {name} {abs(was):g} → {abs(now):g}"


def weaker_checks(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what makes the checks of a contract weaker than they were.

    Args:
        old: A contract as recorded (`Plan.contract`).
        new: A later one.
    """
    facts: list[str] = []
    if old.get("kind") == "pytest" and new.get("kind") != "pytest":
        facts.append("the step is no longer `kind: pytest`")
    now = _by_subject(new.get("checks", []))
    for subject, was in _by_subject(old.get("checks", [])).items():
        if subject not in now:
            facts.append(f"the check of {subject} is gone")
        else:
            facts += _looser(subject, was, now[subject])
    return facts


def _by_subject(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge checks that look at the same thing: from what they look at to what they ask."""
    found: dict[str, dict[str, Any]] = {}
    for check in checks:
        kind = next((k for k in ("json", "log", "image", "file", "tests") if k in check), "")
        detail = check.get("path") or check.get("capture") or ""
        subject = f"`{check[kind]}`" if kind else f"`same` {sorted(check.get('same', []))}"
        found.setdefault(f"{subject} `{detail}`" if detail else subject, {}).update(check)
    return found


def _looser(subject: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for key, wider in _BOUNDS.items():
        if key not in was:
            continue
        if key not in now:
            yield f"the check of {subject} lost `{key}`"
        elif now[key] != was[key] and (now[key] > was[key]) == wider:
            yield f"the check of {subject} is looser: {key} {was[key]:g} → {now[key]:g}"
    for key in _DEMANDS:
        if key in was and key not in now:
            yield f"the check of {subject} lost `{key}`"
