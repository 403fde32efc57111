"""Commits that prose names, and what they are said to have touched."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from planctl.models.claims.claim import CommitClaim
from planctl.models.prose.blocks import Segment
from planctl.models.prose.paths import PathsFound

_HEX = r"[0-9a-f]{7,40}"
_ID = re.compile(
    r"(?:(?P<cue>\b(?i:commits?|sha|rev|revision|hash|HEAD|merge|git show|cherry-pick)\b"
    rf"[\s:`*(=@]{{1,4}})|(?<![\w./#:$+]))(?P<first>{_HEX})"
    rf"(?:(?P<dots>\.\.\.?)(?P<last>{_HEX}))?(?![\w/]|\.\w|-[0-9a-f]{{4}}-)",
)
_GLUED = re.compile(rf"(?<=[a-z]-)(?P<first>{_HEX})(?![\w./])")
_TOUCHED = re.compile(
    r"\b(?P<before>only\s+)?(?:touch|chang|modif|updat|refresh|add|remov|delet|edit|rewr|creat|"
    r"introduc|contain|renam|mov|fix)\w*\s+(?P<after>only\s+)?",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?;](?=\s)|, (?:leaving|but|and that|so|while|which)\b|\band that\b|\n\n")
# A digest of a file, a job, a shell: hexadecimal, and no commit.
_OTHER_ID = re.compile(
    r"\b(?:sha-?1|sha-?256|md5|digest|checksum|shell|job|task|id|run|container|image|uuid|bash)"
    r"\b[\s:=`#(]{0,4}$",
    re.IGNORECASE,
)
_AND = re.compile(r"`?(?:, ?(?:and )?| and | & |/)`?")
_REACH = 120
_CLAUSE = 600
# Room for `the two files `.
_ARTICLE = 16


def find_commits(segment: Segment, found: PathsFound) -> Iterator[CommitClaim]:
    """Yield the commits a segment names.

    Args:
        segment: Text of one field, item or paragraph.
        found: The paths named in it; what looks like an id inside a name is none.
    """
    taken = sorted(found.spans)
    seen: set[int] = set()
    listed = -1  # where a list ends that the word `commit` stands before
    for match in [*_ID.finditer(segment.text), *_GLUED.finditer(segment.text)]:
        start = match.start("first")
        goes_on = listed >= 0 and _AND.fullmatch(segment.text, listed, match.start()) is not None
        if start in seen or not (goes_on or _is_id(match)) or _inside(start, taken):
            continue
        if goes_on or match.groupdict().get("cue"):
            listed = match.end()
        if _OTHER_ID.search(segment.text, max(0, start - 24), start):
            continue
        seen.add(start)
        groups = match.groupdict()
        touched, only = _said(segment.text, match.end(), found)
        yield CommitClaim(
            line=segment.line_at(start),
            text=segment.text[start : match.end()],
            first=match["first"],
            last=groups.get("last") or "",
            touched=touched,
            only=only,
            field=segment.key,
        )


def _is_id(match: re.Match[str]) -> bool:
    """Tell an id from a word or a number: without the word `commit` it needs letters and digits."""
    text = match["first"]
    if match.groupdict().get("cue") or match.groupdict().get("last"):
        return True
    if re.fullmatch(r"\d+(?:e\d+)?", text):
        return False
    return re.search(r"\d", text) is not None and re.search(r"[a-f]", text) is not None


def _inside(start: int, spans: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (start, 1 << 62)) - 1
    return at >= 0 and spans[at][0] <= start < spans[at][1]


def _said(text: str, end: int, found: PathsFound) -> tuple[tuple[str, ...], bool]:
    """Return the paths that follow `… touched only` in the same clause."""
    verb = _TOUCHED.search(text, end, end + _REACH)
    reach = min(len(text), end + _CLAUSE)
    stop = _ENDS.search(text, end, reach)
    if verb is None or (stop is not None and stop.start() < verb.start()):
        return (), False
    other = _ID.search(text, end, verb.start())
    if other is not None and _is_id(other):
        return (), False
    last = stop.start() if stop else reach
    clause = text[verb.end() : last]
    near = found.near(text, verb.end(), last)
    places = {path.path: clause.find(path.text) for path in near}
    # Only a list right behind the verb: `changed a.py + b.py`, not every file of the sentence.
    if not places or min(places.values()) > _ARTICLE:
        return (), False
    return tuple(places), bool(verb["before"] or verb["after"])
