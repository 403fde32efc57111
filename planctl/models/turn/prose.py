"""What the author of a turn says: sentences, what comes next, and what a whole block claims."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planctl.errors import UsageError
from planctl.models.claims.claim import Block, Field, StampClaim
from planctl.models.prose.reading import parse_prose

HEADING = "### Turn Summary"
_TYPED = {
    "files touched": "files_touched",
    "file touched": "files_touched",
    "tests run": "tests_run",
    "test run": "tests_run",
    "artifacts updated": "artifacts_updated",
    "artifact updated": "artifacts_updated",
}
# What ends with a full stop and goes on, whatever follows; with no capital behind it; with a
# number behind it and none before.
_SHORT = re.compile(
    r"\b(?:e\.g|i\.e|cf|vs|approx|ca|resp|incl|figs?|eqs?|al|(?-i:Dr|Mrs?|Ms|St))\.$", re.I
)
_SHORT_INSIDE = re.compile(r"\betc\.$", re.IGNORECASE)
_SHORT_NUMBER = re.compile(r"(?<!\d)(?<!\d\s)\b(?:nos?|sec|pp?|vol|ch|v)\.$", re.IGNORECASE)
# `by J. Doe`, `D. E. Knuth`, `asked Donald E. Knuth` go on; `Reran A.`, `phase A.`, `44.1 m.`
# are ends.
_INITIAL = re.compile(
    r"(?:^|\b(?:by|of|with|from|[A-Z]\.(?:\s+[A-Z]\w+\s+and\b)?)\s*|(?<=[a-z,]\s)(?!(?:Phase|Row|Step|Item|Option|Case|Part|Plan|Table|"
    r"Figure|Section|Appendix|Variant|Group|Class|Type|Branch|Column|Test|Run|Gate|Only)\b)"
    r"[A-Z][a-z]+\s+)[A-Z]\.$"
)
_OPENER = re.compile(
    r"[`*\"'(\[]*(?:It|Its|The|This|That|These|Those|There|They|We|I|He|She|A|An|All|Each|Both|No|"
    r"None|Now|Next|Then|So|But|And|Also|Row|Rows|Phase|Step|Nothing|Everything)\b"
)
_END = re.compile(r"(?<=[.!?])[)\"'`*_\]]*\s+(?=[`*\"'(\[]?[A-Z0-9`])")
_NONE = re.compile(r"(?:none|n/?a|nothing|no|-|—|–)\.?", re.IGNORECASE)
# Trailers and subjects are planctl's: prose that begins like one could be read as one.
_IMITATION = re.compile(
    r"(?:turn|receipt|accepted-unsupported)\s*:|"
    r"[A-Z]+ AUTO\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TurnProse:
    """The words of a turn.

    Attributes:
        sentences: What was done and found, one sentence each.
        next: What comes next.
        artifacts: The author's own `Artifacts:` line.
        files_touched: The author's own checklist lines, None where there is none.
        stamps: Times in the author's own heading.
        left_out: What stands beside the block and was not taken.
    """

    sentences: tuple[str, ...] = ()
    next: str = ""
    artifacts: str = ""
    files_touched: str | None = None
    tests_run: str | None = None
    artifacts_updated: str | None = None
    stamps: tuple[StampClaim, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TurnProse:
        """Read plain prose, or a whole block somebody wrote by hand.

        Args:
            text: Sentences, with `Next:`, `Artifacts:` and a checklist if there are any.

        Raises:
            UsageError: There is more than one turn summary in it.
        """
        blocks = parse_prose(text).blocks
        turns = [block for block in blocks if block.turn and block.heading]
        if len(turns) > 1:
            raise UsageError(
                f"the text has {len(turns)} turn summaries", "close one turn with the words of one"
            )
        if not turns:
            plain = parse_prose(f"{HEADING}\n{text}").blocks
            return _of_block(plain[0], plain[1:]) if plain else cls()
        return _of_block(turns[0], tuple(block for block in blocks if block is not turns[0]))


def _of_block(block: Block, others: tuple[Block, ...]) -> TurnProse:
    lines = [(item.line, item.text) for item in block.sentences]
    known: dict[str, str] = {}
    for item in block.fields:
        key = " ".join(item.key.lower().split())
        name = _name(key)
        if name:
            known[name] = f"{known[name]}; {_whole(item)}" if name in known else _whole(item)
        elif key != "checklist" and not item.parent:
            told = f"{item.key}: {_whole(item)}"
            lines += [] if _among(item, block) else [(item.line, told)]
            # A list under a field of the author's own.
            lines += [(part.line, part.text) for part in item.items if _among(item, block)]
    text = (sentence for _, line in sorted(lines) for sentence in sentences_in(line))
    left = [f"`{item.title or _first(item)}`" for item in others]
    return TurnProse(
        sentences=tuple(text),
        next=known.get("next", ""),
        artifacts=known.get("artifacts", ""),
        files_touched=known.get("files_touched"),
        tests_run=known.get("tests_run"),
        artifacts_updated=known.get("artifacts_updated"),
        stamps=block.stamps,
        left_out=tuple(left),
    )


def _name(key: str) -> str:
    if key in _TYPED:
        return _TYPED[key]
    if key == "next" or key.startswith("next "):
        return "next"
    return "artifacts" if re.fullmatch(r"(?:key |new |main |evidence )?artifacts?", key) else ""


def _whole(item: Field) -> str:
    return " ".join(
        "; ".join(part for part in (item.text, *(i.text for i in item.items)) if part).split()
    )


def _among(item: Field, block: Block) -> bool:
    return any(sentence.line == item.line for sentence in block.sentences)


def _first(block: Block) -> str:
    return block.sentences[0].text[:60] if block.sentences else f"line {block.line}"


def sentences_in(text: str) -> list[str]:
    """Cut running text into sentences; `e.g.`, `no. 5` and the initials of a name end none."""
    flat = " ".join(text.split())
    found: list[str] = []
    start = 0
    for match in _END.finditer(flat):
        if _goes_on(flat[start : match.start()], flat[match.end() :]):
            continue
        found.append(flat[start : match.end()].strip())
        start = match.end()
    return [item for item in [*found, flat[start:].strip()] if item]


def _goes_on(before: str, after: str) -> bool:
    """Tell whether a full stop is that of a short form, and no end."""
    if _SHORT.search(before):
        return True
    if _SHORT_INSIDE.search(before):
        return not after[:1].isupper()
    if _SHORT_NUMBER.search(before):
        return after[:1].isdigit()
    return _INITIAL.search(before) is not None and _OPENER.match(after) is None


def says_none(text: str) -> bool:
    """Tell whether a checklist line says that there is nothing: `none`, `N/A`, or no word."""
    return not text.strip() or _NONE.fullmatch(text.strip(" .`*_")) is not None


def imitates(sentence: str) -> bool:
    """Tell whether a sentence begins like a trailer or subject that planctl writes."""
    return _IMITATION.match(sentence.lstrip(" >*_`#-")) is not None
