"""Prose nobody would write: no text makes the parser raise, hang, or lose what it can read."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planctl.models.claims.claim import Block
from planctl.models.prose.braces import TooMuch, expand
from planctl.models.prose.reading import parse_prose, sections

EXAMPLES = int(os.environ.get("PLANCTL_FUZZ_EXAMPLES", "150"))
# Marks of every kind a block can have, in any order; `¶` stands between them.
MARKS = (
    "### ¶## ¶#### ¶###Turn Summary¶Turn Summary¶**Turn Summary**¶(2025-11-14T0547Z)¶"
    "Artifacts:¶Next:¶Checklist:¶- ¶* ¶1. ¶> ¶```¶~~~¶`¶{¶}¶{a,b}¶(¶)¶[¶]¶,¶;¶+¶/¶a/¶"
    "a.md¶b.log¶$HUB/¶${X}¶<ts>¶*¶**¶\\¶:12¶:1-2,5¶::test_x[p]¶#L3¶1 passed¶GREEN¶"
    "(1/1, 7.17s)¶in 7s¶3 failed¶name=1e-5¶≈¶×10⁻⁵¶58%¶of¶abc1234¶commit¶..¶"
    "1a2b3c4..5d6e7f8¶touched only¶2025-11-14 04:35-04:36¶20251114T050250Z¶Nov 14¶"
    "<!--¶-->¶and¶or¶—¶→¶…/¶\x00¶\x1b[31m¶\u202e¶\u2028¶é¶名前¶\ud800¶\r¶\t¶\n¶\n\n¶"
    "    ¶---¶==="
)
PIECES = st.sampled_from(MARKS.split("¶"))
TEXTS = st.lists(PIECES | st.text(max_size=6), max_size=60).map("".join)


def judge(text: str) -> None:
    prose = parse_prose(text)
    parts = [item for first, part in sections(text) for item in parse_prose(part, first).blocks]
    assert tuple(parts) == prose.blocks
    last = text.replace("\r\n", "\n").count("\n") + 1
    for item in [*prose.claims(), *prose.unreadable]:
        assert 1 <= item.line <= last
    for block in prose.blocks:
        assert all(block.line <= item.line <= block.end_line for item in block.claims)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_no_text_makes_the_parser_raise(text: str) -> None:
    judge(text)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    judge(data.decode("utf-8", "replace"))
    judge(data.decode("utf-8", "surrogateescape"))


HARD = ["(", "a/(", "{", "a/{", "a/{b,", "a/ (b.md) ", "`", "*", "[", "[a.md](", "> ", "- ", "\\"]
HARD += ["x.py:1", ",1", "=1", "1/1 ", "passed ", "GREEN (", "a=1,", "abc1234 ", "2025-", "<!--"]
HARD += ["a.md, ", "# a\n", "```\n", "Artifacts:\n", "- a\n", "a\n", "|a|b\n", "1 passed ", "58% "]
HARD += ["a.md (1 passed) ", "abc1234 touched a.md ", "a. Artifacts: b.md ", "`x=1.5` ", "\t", "’"]


@pytest.mark.parametrize("piece", HARD)
def test_time_grows_with_the_length_of_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = "### Turn Summary\nArtifacts: " + piece * (size // len(piece))
        start = time.process_time()
        parse_prose(text)
        return time.process_time() - start

    seconds(1_000)
    small = max(min(seconds(2_000), seconds(2_000)), 0.004)
    # Eight times the text; a quadratic reader would need 64 times as long.
    assert min(seconds(16_000), seconds(16_000)) < 30 * small


def test_a_line_of_a_megabyte_and_deep_nesting() -> None:
    for piece in ("x", "{", "("):
        parse_prose("### Turn Summary\nArtifacts: " + piece * 1_000_000)
    for deep in (
        "{a," * 2_000 + "b" + "}" * 2_000,
        "(" * 5_000 + "a.md" + ")" * 5_000,
        "> " * 3_000,
    ):
        judge(f"### Turn Summary\nArtifacts: x/{deep}\n")


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
LISTS = st.recursive(
    NAMES,
    lambda inner: st.tuples(
        NAMES, st.lists(inner, min_size=2, max_size=4), st.sampled_from(["", "x", ".md"])
    ).map(lambda parts: f"{parts[0]}{{{','.join(parts[1])}}}{parts[2]}"),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LISTS, min_size=1, max_size=40))
def test_braces_expand_as_in_bash(texts: list[str]) -> None:
    script = "".join(f"printf '%s ' {text}; echo\n" for text in texts)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    expected = [line.split() for line in done.stdout.splitlines()]
    assert [expand(text) for text in texts] == expected
    assert [expand(text, loose=True) for text in texts] == expected


@pytest.mark.parametrize(
    "text", ["a{1..3}", "{a..e}", "{01..10}", "{3..1}", "a{b}c", "{}", "x{a,b"]
)
def test_ranges_and_broken_braces_expand_as_in_bash(text: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"echo {text}"], capture_output=True, text=True, check=True
    )
    assert expand(text) == done.stdout.split()


def test_too_many_names_are_refused_before_they_are_made() -> None:
    with pytest.raises(TooMuch):
        expand("{a,b}" * 40)


@dataclass(frozen=True)
class Told:
    """What a generated block claims, and one of its spellings."""

    text: str
    stamp: str
    paths: list[str]
    passed: int
    seconds: str
    number: str


FILES = st.from_regex(r"[a-z]{1,6}(_[a-z0-9]{1,4})?\.(md|log|json|png|txt)", fullmatch=True)
FOLDER = "plans/active/X-001/reports/2025-11-13T000000Z/first"


def spell_paths(style: str, names: list[str]) -> tuple[str, list[str]]:
    """Spell a list of artifacts in one of the habits people have."""
    whole = [f"{FOLDER}/{name}" for name in names]
    lists = {
        "plain": ("Artifacts: " + ", ".join(whole), whole),
        "semicolons": ("Artifacts: " + "; ".join(whole), whole),
        "plus": ("Artifacts: " + " + ".join(whole), whole),
        "ticks": ("Artifacts: " + ", ".join(f"`{item}`" for item in whole), whole),
        "braces": (f"Artifacts: {FOLDER}/{{{','.join(names)}}}", whole),
        "loose": (f"Artifacts: {FOLDER}/{{{', '.join(names)}}} (see the log)", whole),
        "folder": (f"Artifacts: {FOLDER}/ ({', '.join(names)})", whole),
        "wrapped": ("Artifacts: " + ",\n  ".join(whole), whole),
        "items": ("Artifacts:\n" + "\n".join(f"- `{item}`" for item in whole), whole),
        "bold": ("**Artifacts:** " + ", ".join(names), names),
    }
    return lists[style]


STYLES = (
    "plain",
    "semicolons",
    "plus",
    "ticks",
    "braces",
    "loose",
    "folder",
    "wrapped",
    "items",
    "bold",
)
HEADINGS = (
    "### Turn Summary ({})",
    "## Prior Turn Summary ({} — Engineer)",
    "**Turn Summary ({})**",
    "#### Turn Summary (Engineer — {})",
    "### Turn Summary — {}",
)
RUNS = ("GREEN ({n}/{n}, {s}s)", "{n} passed in {s}s", "{n} passed ({s}s)", "(GREEN {n}/{n}, {s}s)")
STAMPS = (
    "2025-11-14T0547Z",
    "2025-11-14T054700Z",
    "20251114T054700Z",
    "2025-11-14 05:47",
    "2025-11-14",
)


@st.composite
def told(draw: st.DrawFn) -> Told:
    names = draw(st.lists(FILES, min_size=2, max_size=6, unique=True))
    artifacts, paths = spell_paths(draw(st.sampled_from(STYLES)), names)
    passed = draw(st.integers(1, 999))
    seconds = draw(st.from_regex(r"[1-9][0-9]{0,2}\.[0-9]{2}", fullmatch=True))
    number = draw(st.from_regex(r"[0-9]\.[0-9]{1,4}e-0[1-9]", fullmatch=True))
    stamp = draw(st.sampled_from(STAMPS))
    heading = draw(st.sampled_from(HEADINGS)).format(stamp)
    run = draw(st.sampled_from(RUNS)).format(n=passed, s=seconds)
    body = f"Ran the selector: {run}, with loss={number} at the end."
    order = draw(st.permutations([artifacts, "Next: go on with it."]))
    text = "\n".join([heading, body, *("\n" + item for item in order)])
    return Told(text, stamp, paths, passed, seconds, number)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(told(), min_size=1, max_size=4))
def test_generated_blocks_are_recognised_with_exactly_their_claims(blocks: list[Told]) -> None:
    prose = parse_prose("\n\n".join(item.text for item in blocks))
    assert not prose.unreadable
    for block, item in itertools.zip_longest(prose.turns, blocks):
        check(block, item)


def check(block: Block, item: Told) -> None:
    assert [stamp.text for stamp in block.stamps] == [item.stamp]
    assert [path.path for path in block.paths if path.evidence] == item.paths
    assert [(dict(t.counts), t.seconds) for t in block.tests] == [
        ({"passed": item.passed}, item.seconds)
    ]
    assert [(n.name, n.text) for n in block.numbers] == [("loss", item.number)]
    assert block.commits == ()
