"""The rule about reach: files of the repository that a command loads, and no input declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from planctl._text import listed
from planctl.models.lint import Finding
from planctl.models.paths import matches
from planctl.ops.inputs import expand
from planctl.ops.lint.site import Site
from planctl.workspace import ACTIVE

_WORD = re.compile(r"[\w@+.-][\w@+./-]*")
_MODULE = re.compile(r"(?<!\S)-m\s+([A-Za-z_][\w.]*)")
_PYTEST = re.compile(r"(?<![\w./-])(?:pytest|py\.test)(?![\w./-])")


def undeclared_files(site: Site, root: Path, tracked: Mapping[str, object]) -> Iterator[Finding]:
    """Yield files that a command names or loads by rule, and that are not among its inputs.

    A change of such a file makes nothing stale: the run is proven on code that is not there.

    Args:
        site: The step.
        root: Root of the repository.
        tracked: Paths that git has.
    """
    globs = site.plan.inputs_of(site.phase, site.step)
    if not globs:
        return  # that nothing is declared is another rule
    command = expand(site.step.run, site.plan.env)
    named = _named(command, tracked)
    loaded = [*named, *_modules(command, root, tracked), *_conftests(site, command, named, tracked)]
    missing = [path for path in dict.fromkeys(loaded) if not matches(path, globs) and _own(path)]
    if missing:
        text = f"loads {listed(missing)}, which `inputs` does not name"
        yield site.finding("PL017", text, "inputs")


def _own(path: str) -> bool:
    # What planctl writes is no input.
    return not (path.startswith(f"{ACTIVE}/") and "/reports/" in path)


def _named(command: str, tracked: Mapping[str, object]) -> list[str]:
    words = (word.removeprefix("./").rstrip(".") for word in _WORD.findall(command))
    return [word for word in words if word in tracked]


def _modules(command: str, root: Path, tracked: Mapping[str, object]) -> Iterator[str]:
    """Yield the files that `python -m` finds in the repository before anything installed."""
    for name in _MODULE.findall(command):
        path = name.replace(".", "/")
        top = name.partition(".")[0]
        for place in (f"{path}.py", f"{path}/__main__.py", f"{top}.py", f"{top}/__init__.py"):
            # Also one that git does not have: it would take the place of the installed one.
            if place in tracked or (root / place).is_file():
                yield place


def _conftests(
    site: Site, command: str, named: list[str], tracked: Mapping[str, object]
) -> Iterator[str]:
    """Yield the `conftest.py` that pytest loads for the tests a command names."""
    if site.step.kind != "pytest" and not _PYTEST.search(command):
        return
    folders = {parent for path in named for parent in PurePosixPath(path).parents}
    folders |= {PurePosixPath(".")}
    for folder in sorted(folders, key=lambda item: len(item.parts)):
        place = (folder / "conftest.py").as_posix()
        if place in tracked:
            yield place
