"""The tests that a brief names: each selector collects more than none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planctl.models.brief.brief import BriefProblem
from planctl.models.brief.reading import BriefSection
from planctl.models.orders import is_code
from planctl.models.same_command import commands
from planctl.ops.brief.rules import NEW, is_nothing, named_targets
from planctl.ops.brief.scene import Scene
from planctl.ops.brief.selectors import Collected, collect

_QUOTED = re.compile(r"`([^`]+)`")
_CHOOSING = ("-k", "-m")


def tests_named(scene: Scene, counted: dict[str, int], ask: bool) -> Iterator[BriefProblem]:
    """Check the selectors of a brief.

    Args:
        scene: The brief.
        counted: Gets what each selector collects.
        ask: Ask pytest; else only the files are looked for.
    """
    found = list(_selectors(scene))
    for line, field, words, said in found:
        shown = " ".join(words)
        if NEW.search(said):
            continue
        absent = [w for w in words if ".py" in w and not _exists(scene, w.partition("::")[0])]
        if absent:
            text = f"`{absent[0]}` does not exist"
            way = f"correct the path; `{shown} (new)` if this turn writes it"
            yield BriefProblem("selector", line, field, shown, text, way)
        elif ask and shown not in counted:
            answer = collect(scene.workspace, words)
            counted[shown] = answer.count or 0
            yield from _judged(line, field, shown, answer)
    if not found and not any(item.key == "tests" for item in scene.brief.sections):
        yield from _wanted(scene)


def _exists(scene: Scene, path: str) -> bool:
    return (scene.workspace.root / path).exists()


def _judged(line: int, field: str, shown: str, answer: Collected) -> Iterator[BriefProblem]:
    if answer.count:
        return
    text = f"collects no test: {answer.why}" if answer.why else "collects no test"
    way = f"try `python -m pytest --collect-only -q {shown}`; `(new)` if this turn writes it"
    yield BriefProblem("selector", line, field, shown, text, way)


def _wanted(scene: Scene) -> Iterator[BriefProblem]:
    """Ask for a selector where code is to be changed."""
    changed = [name for _, name in scene.judged.changes if is_code(name.partition("::")[0])]
    if changed:
        text = f"`{changed[0]}` is to be changed, and no test is named that watches it"
        way = "write `Mapped tests: tests/test_x.py::test_y`, or `Mapped tests: none (why)`"
        yield BriefProblem("selector", 1, "Mapped tests", "", text, way)


def _selectors(scene: Scene) -> Iterator[tuple[int, str, tuple[str, ...], str]]:
    """Yield line, field, words after `pytest`, and the line that says them."""
    for section in scene.brief.all("tests"):
        for number, text, _ in section.lines:
            if is_nothing(text):
                continue
            one = BriefSection("tests", "", number, lines=[(number, text, False)])
            runs = _runs(text)
            yield from ((number, "Mapped tests", words, text) for words in runs)
            if not runs:
                for name in named_targets(one):
                    if name.partition("::")[0].endswith(".py"):
                        yield number, "Mapped tests", (name,), text
    for item in scene.orders:
        for words in _runs(item.text if not item.code else f"`{item.text}`"):
            yield item.line, "Do Now", words, item.text


def _runs(text: str) -> list[tuple[str, ...]]:
    """Return what a text hands to pytest: selectors and choices, nothing that only shows."""
    found = []
    for script in _QUOTED.findall(text) or [text]:
        for made in commands(script):
            if made.program == "pytest" and made.selectors:
                chosen = [
                    w for flag in _CHOOSING if flag in made.pairs for w in (flag, made.pairs[flag])
                ]
                found.append((*made.selectors, *chosen))
    return found
