"""Which initiative a brief is about: exactly one, and one that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from planctl.models.brief.brief import BriefProblem
from planctl.models.brief.reading import BriefSection, BriefText
from planctl.models.findings import finding_rows
from planctl.models.statuses import items_in
from planctl.ops.targets import near
from planctl.workspace import FINDINGS, Workspace

_NONE = "name one initiative: `Focus: ID`"


def focus_of(workspace: Workspace, brief: BriefText) -> tuple[str | None, tuple[BriefProblem, ...]]:
    """Return the focus of a brief, and what is wrong with how it is named."""
    known = workspace.initiatives()
    sections = brief.all("focus")
    if sections:
        named = [(item, name) for item in sections for name in _named(item, known)]
    else:
        named = [(item, name) for item in brief.all("do now") for name in _named(item, known)][:1]
    strange = tuple(_strange(workspace, sections, known, [name for _, name in named]))
    found = list(dict.fromkeys(name for _, name in named))
    if len(found) == 1:
        return found[0], strange
    if found:
        listed = ", ".join(f"`{name}`" for name in found)
        text = f"names {len(found)} initiatives: {listed}"
        way = "one turn has one focus: leave the others for `Next Up`"
        return None, (_problem(named[1][0], listed, text, way), *strange)
    if strange:
        return None, strange
    at = next(iter(sections or brief.sections), BriefSection("", "", 1))
    value = at.value if sections else ""
    listed = ", ".join(f"`{name}`" for name in known[:6]) or "none; `planctl new ID` makes one"
    return None, (_problem(at, value, "there is no focus", f"{_NONE}; there is {listed}"),)


def _named(section: BriefSection, known: Sequence[str]) -> Iterator[str]:
    """Yield the initiatives a section names; `X-001.F1` is a part of `X-001`."""
    text = f"{section.more} {section.text}"
    for name in sorted(known, key=len, reverse=True):
        pattern = rf"(?<![\w./-]){re.escape(name)}(?:\.[A-Za-z]?\d+)*(?![\w-])"
        if re.search(pattern, text):
            yield name
            text = re.sub(pattern, " ", text)


def _strange(
    workspace: Workspace, sections: Sequence[BriefSection], known: Sequence[str], named: list[str]
) -> Iterator[BriefProblem]:
    path = workspace.root / FINDINGS
    findings = finding_rows(path.read_text("utf-8", "replace")) if path.is_file() else {}
    for section in sections:
        for name in items_in(f"{section.more} {section.value}"):
            part = any(name == item or name.startswith(f"{item}.") for item in known)
            if part or name in findings or any(name in item for item in named):
                continue
            like = ", ".join(f"`{item}`" for item in near(name, known))
            way = f"did you mean {like}?" if like else f"`planctl new {name}` makes it"
            yield _problem(section, name, f"there is no initiative `{name}`", way)


def _problem(section: BriefSection, value: str, text: str, way: str) -> BriefProblem:
    return BriefProblem("focus", section.line, "Focus", value, text, way)
