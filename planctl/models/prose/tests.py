"""Test runs as people tell them: `GREEN (1/1, 7.17s)`, `3 passed, 1 failed in 0.65s`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planctl.models.claims.claim import PathClaim, TestClaim
from planctl.models.prose.blocks import Segment
from planctl.models.prose.paths import PathsFound

_OUTCOMES = {
    "pass": "passed", "passed": "passed", "passes": "passed", "passing": "passed",
    "green": "passed", "ok": "passed", "succeeded": "passed",
    "fail": "failed", "failed": "failed", "fails": "failed", "failing": "failed",
    "failure": "failed", "failures": "failed", "red": "failed",
    "error": "error", "errors": "error", "errored": "error",
    "skip": "skipped", "skips": "skipped", "skipped": "skipped",
    "xfail": "xfailed", "xfails": "xfailed", "xfailed": "xfailed", "xpassed": "xpassed",
    "deselected": "deselected", "warning": "warnings", "warnings": "warnings",
    "collected": "collected", "selected": "collected",
}  # fmt: skip
# What alone makes a count a claim about tests: three warnings are none.
_TELLING = {"passed", "failed", "skipped", "xfailed", "xpassed"}
_WORD = "|".join(sorted(_OUTCOMES, key=len, reverse=True))
_ATOM = re.compile(
    rf"(?P<n>(?<![\w.,/-])\d[\d,]{{0,8}})(?P<all>/\d{{1,6}})?\s{{0,3}}"
    r"(?:(?:(?!and\b|with\b|of\b|or\b)[\w-]{1,20}\s{1,2}){0,3}(?:tests?|cases?|selectors?)\s{1,3}"
    r"(?:have |are |were |all )?)?[*_`]{0,2}"
    rf"(?P<outcome>{_WORD})\b"
    r"|\b(?P<unit_word>failures|errors|skipped)=(?P<unit_n>\d{1,6})\b"
    r"|(?P<a>(?<![\w.,/-])\d{1,6})\s?/\s?(?P<b>\d{1,6})(?![\w./-])"
    r"|(?:\b(?:in|took|after)\s{1,2})?~?(?P<time>\d{1,6}(?:\.\d{1,6})?)\s?"
    r"(?P<unit>ms|min(?:ute)?s?|m|s(?:ec(?:ond)?s?)?|h)\b(?:\s?\(\d+:\d\d:\d\d\))?"
    rf"|\b(?P<status>{_WORD})\b",
    re.IGNORECASE,
)
# Without one of these no text tells of a test run.
_HINT = re.compile(r"pass|fail|green|red\b|skip|error|ok\b|succe", re.IGNORECASE)
_GLUE = re.compile(
    r"[\s,;:()\[\]/+&*_`=–—-]*"
    r"(?:(?:in|and|with|all|of|tests?|results?|total|run|runtime|took|out|the|were|are|collected)"
    r"[\s,;:()\[\]+&*_`–—-]+){0,3}"
)
_NEAR = 24
_MOST_ATOMS = 12
# How far around a claim its selector and its log are looked for, at most.
_WINDOW = 600
# A count of these is no test run: `3 failed attempts`.
_OTHER_THINGS = re.compile(
    r"\s+(?:attempts?|runs?|jobs?|loops?|turns?|commits?|steps?|checks?|times|files?|phases?|"
    r"artifacts?|items?|retr(?:y|ies)|commands?|gates?|flags?|light|zones?|channels?|hubs?|rows?|"
    r"logs?|folders?|prerequisites|criteria|blockers?|dirs?|directories|baselines?|phase)\b",
    re.IGNORECASE,
)
_TEST_WORDS = re.compile(
    r"(?:\b(?:py)?tests?\b|\bselectors?\b|\bsuites?\b|\bguards?\b|\bregressions?\b|\bsmokes?\b|"
    r"::\w+(?:\[[^\]]*\])?|\btest_\w+|\.(?:py|log|txt))[`'\")*_]*[\s:(–—-]*(?:\w+[\s:(–—-]+){0,3}$",
    re.IGNORECASE,
)
_IDS = re.compile(r"(?<![\w/])(Test[A-Z]\w*(?:::\w+(?:\[[^\]\s]*\])?)*|test_\w+(?:\[[^\]\s]*\])?)")
_ID_BEFORE = re.compile(
    r"(?<![\w/:])((?:Test[A-Z]\w*::)?test_\w+(?:\[[^\]\s]*\])?)[`*_)]*[:=]?\s*(?:\w+ )?[(*_]*$"
)
_SENTENCE = re.compile(r"[.!?][)\"'`*\]]*\s+(?=[A-Z`*\"(\[])|\n(?=\|)")
_SECONDS = {"m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class _Atom:
    start: int
    end: int
    outcome: str = ""
    number: int | None = None
    total: int | None = None
    seconds: str | None = None
    loud: bool = False


def find_tests(segment: Segment, found: PathsFound) -> Iterator[TestClaim]:
    """Yield the test runs a segment tells of.

    Args:
        segment: Text of one field, item or paragraph.
        found: The paths named in it.
    """
    ends = _sentence_ends(segment.text)
    for cluster in _clusters(segment.text):
        if not _claims(cluster, segment.text):
            continue
        begin, end = cluster[0].start, cluster[-1].end
        at = bisect_right(ends, begin)
        first = max(ends[at - 1] if at else 0, begin - _WINDOW)
        last = min(ends[at] if at < len(ends) else len(segment.text), end + _WINDOW)
        near = found.near(segment.text, first, last)
        yield _claim(segment, cluster, near, segment.text[first:last], begin, end)


def _sentence_ends(text: str) -> list[int]:
    return [match.end() for match in _SENTENCE.finditer(text)]


def _clusters(text: str) -> Iterator[list[_Atom]]:
    cluster: list[_Atom] = []
    if not _HINT.search(text):
        return
    for match in _ATOM.finditer(text):
        atom = _atom(match)
        if atom.number is not None and _OTHER_THINGS.match(text, atom.end):
            continue
        if cluster and not (_glued(text, cluster[-1].end, atom.start) and _adds(cluster, atom)):
            yield cluster
            cluster = []
        cluster.append(atom)
    if cluster:
        yield cluster


def _adds(cluster: list[_Atom], atom: _Atom) -> bool:
    """Tell whether an atom belongs to a claim, or repeats what it has and begins the next."""
    if len(cluster) >= _MOST_ATOMS:
        return False
    if atom.seconds is not None:
        return all(item.seconds is None for item in cluster)
    if atom.total is not None:
        return all(item.total is None for item in cluster)
    if atom.number is not None:
        return all(item.outcome != atom.outcome or item.number is None for item in cluster)
    counted = {item.outcome for item in cluster if item.number is not None}
    if counted and atom.outcome not in counted:
        return False
    plain = [item for item in cluster if item.outcome and item.number is None]
    return not plain or not counted


def _glued(text: str, end: int, start: int) -> bool:
    return start - end <= _NEAR and _GLUE.fullmatch(text, end, start) is not None


def _atom(match: re.Match[str]) -> _Atom:
    start, end = match.span()
    if match["n"]:
        word = match["outcome"]
        total = int(match["all"][1:]) if match["all"] else None
        number = int(match["n"].replace(",", ""))
        return _Atom(start, end, _OUTCOMES[word.lower()], number, total, loud=word.isupper())
    if match["unit_n"]:
        return _Atom(start, end, _OUTCOMES[match["unit_word"].lower()], int(match["unit_n"]))
    if match["a"]:
        return _Atom(start, end, "", int(match["a"]), int(match["b"]))
    if match["time"]:
        return _Atom(start, end, seconds=_seconds(match["time"], match["unit"].lower()))
    word = match["status"]
    return _Atom(start, end, _OUTCOMES[word.lower()], loud=word.isupper())


def _seconds(number: str, unit: str) -> str:
    """Return a duration in seconds; in the digits shown when it is told in seconds."""
    if unit.startswith("s"):
        return number
    factor = 0.001 if unit == "ms" else _SECONDS.get(unit[0], 60.0)
    return f"{float(number) * factor:g}"


def _claims(cluster: list[_Atom], text: str) -> bool:
    """Tell whether numbers and words that stand together speak of a test run."""
    counted = any(a.outcome in _TELLING and a.number is not None for a in cluster)
    status = [a for a in cluster if a.outcome in _TELLING and a.number is None]
    ratio = any(not a.outcome and a.total is not None for a in cluster)
    timed = any(a.seconds is not None for a in cluster)
    if counted:
        return not (len(cluster) == 1 and _vague(cluster[0], text))
    if status and (ratio or (timed and status[0].loud)):
        return True
    before = text[max(0, cluster[0].start - 80) : cluster[0].start]
    return any(a.loud for a in status) and _TEST_WORDS.search(before) is not None


def _vague(atom: _Atom, text: str) -> bool:
    """Tell `2 failures` and `1 red`, which may be of anything, from `2 failed`."""
    word = text[atom.start : atom.end].split()[-1].strip("*_`").lower()
    if word in ("red", "ok", "skips", "fails", "failures", "failure", "error", "errors", "skip"):
        before = text[max(0, atom.start - 80) : atom.start]
        return re.search(r"tests?\b|suite|::", before, re.IGNORECASE) is None
    return False


def _claim(
    segment: Segment,
    cluster: list[_Atom],
    paths: Sequence[PathClaim],
    sentence: str,
    begin: int,
    end: int,
) -> TestClaim:
    counts: dict[str, int] = {}
    status = next((a.outcome for a in cluster if a.outcome and a.number is None), "")
    total = next((a.total for a in cluster if a.total is not None), None)
    for atom in cluster:
        outcome = atom.outcome or (status or "passed" if atom.number is not None else "")
        if atom.number is not None:
            counts.setdefault(outcome, atom.number)
    bad = any(counts.get(word, 0) for word in ("failed", "error"))
    said = "failed" if bad or (status in ("failed", "error") and not counts) else ""
    good = status in ("passed", "xfailed") or "passed" in counts
    text = segment.text[begin:end]
    text += ")" if "(" in text and segment.text[end : end + 1] == ")" else ""
    before = segment.text[max(0, begin - _WINDOW) : begin]
    owner = _owner(before, paths)
    near = [owner] if owner else paths
    where = owner.text if owner else _test_before(before) or sentence
    return TestClaim(
        line=segment.line_at(begin),
        text=" ".join(text.split()),
        counts=tuple(counts.items()),
        total=total,
        seconds=next((a.seconds for a in cluster if a.seconds is not None), None),
        outcome=said or ("passed" if good else ""),
        selectors=_selectors(where, near),
        logs=_logs(where, near),
        field=segment.key,
    )


def _owner(before: str, paths: Sequence[PathClaim]) -> PathClaim | None:
    """Return the path that a remark in parentheses is about: `green/a.log (1 passed)`."""
    lead = before[-400:].rstrip()
    if not lead.endswith("("):
        return None
    lead = lead[:-1].rstrip().rstrip("`'\"*_)]")
    ends = [path for path in paths if lead.endswith(path.text)]
    return max(ends, key=lambda path: len(path.text), default=None)


def _test_before(before: str) -> str:
    """Return the test that a verdict directly follows: `test_a PASSED; test_b FAILED`."""
    found = _ID_BEFORE.search(before[-200:])
    return found[1] if found else ""


def _selectors(sentence: str, paths: Sequence[PathClaim]) -> tuple[str, ...]:
    whole = [p for p in paths if p.selector and p.text in sentence]
    found = [f"{p.path}::{p.selector}" for p in whole]
    known = " ".join(found)
    found += [match[1] for match in _IDS.finditer(sentence) if match[1] not in known]
    if not found:
        files = (p for p in paths if p.path.endswith(".py") and p.text in sentence)
        found = [p.path for p in files if re.search(r"(^|/)(test_|tests?/)", p.path)]
    return tuple(dict.fromkeys(found))


def _logs(sentence: str, paths: Sequence[PathClaim]) -> tuple[str, ...]:
    logs = (p.path for p in paths if p.path.endswith((".log", ".txt", ".out")))
    near = {p.path for p in paths if p.text in sentence}
    return tuple(dict.fromkeys(path for path in logs if path in near))
