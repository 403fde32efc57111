"""A brief as somebody wrote it: its sections by what they are called, whatever their marks.

Headings (`## Do Now`), bold labels (`**Focus:**`), list items (`- Branch: main`), plain labels
(`Mapped tests:`), `Do Now — ID`: all the same. Nothing is lost: what no label begins belongs to the
section before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from planctl._markdown import normalised
from planctl.models.prose.blocks import fences

# What a section is called → how it may be spelled.
LABELS = {
    "summary": r"summary|goal|objective",
    "focus": r"focus(?: item)?|initiative",
    "branch": r"branch",
    "mode": r"mode",
    "tests": r"mapped tests?|mapped selectors?|tests?(?: to run)?|selectors?",
    "artifacts": r"artifacts?(?: path| hub| folder| dir(?:ectory)?)?|reports? hub|hub",
    "do now": r"do now|do-now",
    "how-to": r"how[- ]?to(?: map)?|commands?",
    "pitfalls": r"pitfalls?(?: to avoid)?",
    "if blocked": r"if blocked|when blocked",
    "findings": r"findings?(?: applied)?",
    "pointers": r"pointers?",
    "next up": r"next up",
    "date": r"date|timestamp|stamp|generated|written",
}
_LABEL = re.compile(
    "(?:" + "|".join(f"(?P<k{at}>{pattern})" for at, pattern in enumerate(LABELS.values())) + r")\b"
    r"(?P<more>[^:\n—–]{0,60}?)[*_`]{0,3}\s*(?P<end>:|—|–|\s-\s|$)[*_`]{0,3}\s*(?P<value>.*)$",
    re.IGNORECASE,
)
_LEAD = re.compile(r"(?P<quote>(?:> ?)*)(?P<head>#{1,6}\s+)?(?P<item>(?:[-*+•]|\d{1,2}[.)])\s+)?")
_MARKS = re.compile(r"[*_`]{0,3}")
_OTHER = re.compile(r"(?:\*\*|__)[^*_\n]{2,60}?:?(?:\*\*|__):?|[A-Z][\w &/’'()-]{2,50}:\s*$")
_KEYS = tuple(LABELS)


@dataclass
class BriefSection:
    """A part of a brief.

    Attributes:
        key: What it is (see `LABELS`); empty before the first, `other` for unknown labels.
        label: As written, without marks.
        line: Of the label, from 1.
        more: What the label carries: `(Phase B)`, `for X-001`, `X-001` of `Do Now — X-001`.
        lines: Number, text and whether it lies in a fenced block, of each line with content.
    """

    key: str
    label: str
    line: int
    level: int = 0
    more: str = ""
    lines: list[tuple[int, str, bool]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All its lines."""
        return "\n".join(text for _, text, _ in self.lines)

    @property
    def value(self) -> str:
        """What a one-line field holds: its first line."""
        return next((text.strip() for _, text, _ in self.lines if text.strip()), "")


@dataclass(frozen=True)
class BriefText:
    """A brief by its sections, in file order."""

    sections: tuple[BriefSection, ...]

    def all(self, key: str) -> tuple[BriefSection, ...]:
        """Return the sections of a kind."""
        return tuple(item for item in self.sections if item.key == key)

    def first(self, key: str) -> BriefSection | None:
        """Return the first section of a kind, or None."""
        return next(iter(self.all(key)), None)


def read_brief(text: str) -> BriefText:
    """Read a brief; comments are left out.

    Args:
        text: Markdown, or any text.
    """
    lines = normalised(text).split("\n")
    inside = fences(lines).inside
    found = [BriefSection("", "", 1)]
    for number, line in enumerate(lines, 1):
        if number - 1 in inside:
            if not re.match(r"\s*(?:```|~~~)", line):
                found[-1].lines.append((number, line, True))
            continue
        begun = _begun(line, number, found[-1])
        if begun is not None:
            found.append(begun)
        elif line.strip():
            found[-1].lines.append((number, _as_label(line), False))
    return BriefText(tuple(item for item in found if item.key or item.lines))


def _as_label(line: str) -> str:
    """Return a heading inside a section as a label: `### Run` is `Run:`."""
    found = re.match(r"\s*#{1,6}\s+(.*?)\s*#*$", line)
    return f"{found[1].rstrip(':')}:" if found else line.rstrip()


def _begun(line: str, number: int, current: BriefSection) -> BriefSection | None:
    """Return the section that a line begins, or None."""
    if not line.strip() or len(line) - len(line.lstrip()) > 1:
        return None
    lead = _LEAD.match(line.strip())
    assert lead is not None
    rest = line.strip()[lead.end() :]
    level = len((lead["head"] or "").strip())
    marks = _MARKS.match(rest)
    bold = bool(marks and marks[0])
    found = _LABEL.match(rest[marks.end() :] if marks else rest)
    if found is not None and _is_label(found, bool(level), bold, lead["item"]):
        key = next(_KEYS[int(n[1:])] for n, v in found.groupdict().items() if n[0] == "k" and v)
        return _section(key, found, number, level, current)
    if level and (not current.level or level <= current.level or not current.key):
        return BriefSection("other", rest.strip(" #*_:"), number, level)
    if not level and not lead["item"] and _OTHER.match(rest) and not _is_order(rest):
        section = BriefSection("other", rest.strip(" *_:"), number, 0)
        value = rest.split(":", 1)[-1].strip(" *_") if ":" in rest else ""
        section.lines += [(number, value, False)] if value else []
        return section
    return None


def _is_order(rest: str) -> bool:
    return (
        re.match(r"[*_]{0,3}(?:implement|run|validate|verify|commit|then)\b", rest, re.I)
        is not None
    )


def _is_label(found: re.Match[str], heading: bool, bold: bool, item: str | None) -> bool:
    """Tell whether a word at the beginning of a line is the label of a section."""
    more, end = found["more"].strip(), found["end"].strip()
    plain = (
        not more
        or re.fullmatch(r"\([^()]*\)", more) is not None
        or more.lower().startswith(("for ", "of ", "path"))
    )
    if heading or bold:
        return plain or end == ":"
    # `1. Commands to run: …` is a step; `- Focus: X` is a field.
    if item and item.strip()[0].isdigit():
        return False
    return plain and (
        end == ":"
        or (end in ("—", "–", "-") and not item)
        or found[0].strip() == found[0][: found.start("more") - found.start()]
    )


def _section(
    key: str, found: re.Match[str], number: int, level: int, current: BriefSection
) -> BriefSection:
    label = found[0][: found.start("more") - found.start()].strip(" *_`")
    made = BriefSection(key, label, number, level, found["more"].strip(" *_`"))
    value = found["value"].strip().rstrip("#").strip()
    if found["end"].strip() in ("—", "–", "-"):
        # `Do Now — X-001 (Phase B)`: a title; `Focus — X-001`: its value.
        made.more = f"{made.more} {value}".strip()
        if key == "do now":
            return made
    if value:
        made.lines.append((number, value, False))
    return made


def targets_in(text: str) -> Iterator[str]:
    """Yield the files, and tests or symbols in them, that a text names."""
    for match in _TARGET.finditer(text):
        yield match[0].removeprefix("./")


_TARGET = re.compile(
    r"(?<![\w/])[\w$./{}-]*[\w}]\.[A-Za-z][A-Za-z0-9]{0,5}(?:::[\w.:\[\]-]*[\w\]])?(?![\w(])"
)
