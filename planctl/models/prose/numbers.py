"""Named numbers as people write them: `name=6.09e-05`, `name = 1.2×10⁻⁵`, `R of 0.1`, `58%`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from planctl.models.claims.claim import NumberClaim
from planctl.models.prose.blocks import Segment

NUMBER = r"[+\-−]?(?:\d{1,3}(?:[,_]\d{3})+(?![\d,]\d)|\d+)(?:\.\d+)?|[+\-−]?\.\d+"
_POWER = r"(?:[eE][+\-−]?\d{1,4}|\s?[×x*·]\s?10(?:\^\{?[+\-−]?\d{1,4}\}?|[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}))"
_UNITS = (
    "[mµunpk]?s|min|h|[µunkmcp]?m|px|k?m?eV|[kMGT]?Hz|[kKMGT]?i?B|dB|rad|mrad|deg|K|[kM]?V|m?A|[kMG]?W|"
    "[kMG]?Pa|Å|x|×"
)
_VALUE = (
    rf"(?P<about>~|≈|about |approx\.? |ca\. )?(?P<number>(?:{NUMBER}){_POWER}?|[+-]?(?:nan|inf)\b)"
    r"(?:\s?±\s?[\d.]+(?:e[+-]?\d+)?)?(?:\s?(?P<unit>%|(?:" + _UNITS + r")\b|°))?(?![\w²³])"
)
# An operator and a value are rare and found first; the name is what stands before them.
_NAMED = re.compile(
    r"(?:\s{0,2}(?P<op>==?|~=?|≈|≃|>=|<=|≥|≤|>|<|→)\s{0,2}[`*]{0,2}|(?P<colon>:) )" + _VALUE,
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<![\w$/.-])(?P<tick>`?)(?P<name>[^\W\d][\w.²]{0,80}(?:\[[\w.'\"*-]{0,40}\])?"
    r"(?:[-/][A-Za-z_]\w{0,40}){0,4})(?P=tick)\Z"
)
_REACH = 120
_OF = re.compile(
    rf"\b(?P<name>[A-Za-zχσµ][\w²/-]{{0,40}})[`*]? "
    rf"(?:of|is|was|at|reached|(?:rose|fell|grew|dropped|went) to) (?P<op>)(?P<colon>){_VALUE}",
    re.IGNORECASE,
)
# `r_factor` fell from 0.21 to 0.178; loss 0.12 → 0.08: the second value is the one of now.
_CHANGED = re.compile(
    r"\b(?!(?:and|or|with|then|the|now|of|an?|while|but|its?|our|this)\b)"
    r"(?P<name>[A-Za-zχσµ][\w²./-]{0,60})[`*]{0,2} (?:(?:[a-z]+ ){0,2}from |(?:at |of |= ?)?)"
    rf"(?:{NUMBER}){_POWER}?%?\s?(?:→|->|to)\s?(?P<op>)(?P<colon>){_VALUE}"
)
# A row of a table: | r_factor | 0.178 |
_ROW = re.compile(
    rf"^\|\s{{0,9}}[`*]{{0,2}}(?P<name>[A-Za-zχσµ][\w²./-]{{0,60}})[`*]{{0,2}}\s{{0,9}}\|\s{{0,9}}"
    rf"[`*]{{0,2}}(?P<op>)(?P<colon>){_VALUE}[`*]{{0,2}}\s{{0,9}}\|",
    re.MULTILINE,
)
_PHRASE = re.compile(rf"`(?P<name>[^`\n:=]{{2,80}}[^\s`:=])(?P<op>:|=) ?(?P<colon>){_VALUE}`")
_PERCENT = re.compile(rf"(?<![\w.=])(?P<about>~|≈)?(?P<number>{NUMBER})\s?%")
_OPERATORS = {"≥": ">=", "≤": "<=", "≈": "~", "≃": "~", "~=": "~", "==": "=", ":": "=", "→": "="}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
# Told by test runs.
_OUTCOMES = ("failures", "errors", "skipped")
_NO_NAMES = frozenset(
    re.findall(r"\w+", "a an the of in on at to by as is was line lines row step phase loop turn "
    "section version total range one out and or not it that this than page item issue end exit")
)  # fmt: skip


def to_float(text: str) -> float:
    """Return the value of a number in any of the notations read here.

    Raises:
        ValueError: It is none.
    """
    plain = text.replace("−", "-").replace(",", "").replace("_", "").translate(_SUPERSCRIPTS)
    if power := re.fullmatch(r"(.*?)\s?[×x*·]\s?10\^?\{?([+-]?\d+)\}?", plain):
        plain = f"{power[1]}e{power[2]}"
    return float(plain)


def find_numbers(segment: Segment, taken: Iterable[tuple[int, int]]) -> Iterator[NumberClaim]:
    """Yield the named numbers of a segment, in order, and percentages without a name.

    Args:
        segment: Text of one field, item or paragraph.
        taken: Spans that are something else: paths, stamps, test runs.
    """
    text = _masked(segment.text, taken)
    found: dict[int, NumberClaim] = {}
    for match in _matches(text):
        start = match.start("number")
        if start not in found and (claim := _claim(segment, text, match)) is not None:
            found[start] = claim
    yield from (found[start] for start in sorted(found))


def _matches(text: str) -> Iterator[re.Match[str]]:
    if "`" in text:
        yield from _PHRASE.finditer(text)
    yield from _CHANGED.finditer(text)
    yield from _NAMED.finditer(text)
    if text.startswith("|"):
        yield from _ROW.finditer(text)
    yield from _OF.finditer(text)
    if "%" in text:
        yield from _PERCENT.finditer(text)


def _masked(text: str, taken: Iterable[tuple[int, int]]) -> str:
    """Return the text with spans blanked out, so that every other place stays where it was."""
    parts, done = [], 0
    for start, end in sorted(taken):
        if start >= done:
            parts += [text[done:start], "\x00" * (end - start)]
            done = end
    return "".join([*parts, text[done:]])


def _claim(segment: Segment, text: str, match: re.Match[str]) -> NumberClaim | None:
    groups = match.groupdict()
    name = (groups.get("name") or "").strip()
    if match.re is _NAMED:
        before = _NAME.search(text, max(0, match.start() - _REACH), match.start())
        if before is None:
            return None
        name = before["name"]
    elif match.re is _PHRASE and groups["op"] == "=":
        name = name.split()[-1]
    number = match["number"]
    unit = "%" if match.re is _PERCENT else groups.get("unit") or ""
    exact = bool(re.search(r"[.eE×]", number)) or unit == "%"
    worded = match.re in (_OF, _CHANGED) or bool(groups.get("colon"))
    if name in _OUTCOMES:
        return None
    # `fall_m: 99` names a value; `Phase: 3` and `Note: 5 files` do not.
    if worded and (name.lower() in _NO_NAMES or not (exact or "_" in name)):
        return None
    if groups.get("colon") and not re.search(r"[A-Za-z]{2}|[²χ]", name):
        return None
    value = to_float(number)
    if not math.isfinite(value) and number.strip("+-").lower() not in ("nan", "inf"):
        return None
    op = _OPERATORS.get(groups.get("op") or "=", groups.get("op") or "=")
    if match["about"]:
        op = "~"
    line = segment.line_at(match.start("number"))
    return NumberClaim(line, name, number.strip(), value, unit, op, segment.key)
