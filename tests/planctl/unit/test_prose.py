"""Prose in many hands: headings, lists, fields, and what is read of them."""

from __future__ import annotations

import pytest

from planctl.models.claims.claim import Block, PathClaim
from planctl.models.prose.reading import parse_prose


def block(text: str) -> Block:
    (found,) = parse_prose(f"### Turn Summary\n{text}\n").blocks
    return found


def evidence(text: str) -> list[str]:
    return [item.path for item in block(f"Artifacts: {text}").paths if item.evidence]


@pytest.mark.parametrize(
    ("heading", "stamps", "roles"),
    [
        ("### Turn Summary (2025-11-14T0547Z)", ["2025-11-14T0547Z"], ()),
        ("### Turn Summary", [], ()),
        ("## Prior Turn Summary (Planning - prior loop)", [], ("Planning", "prior loop")),
        (
            "#### Turn Summary (2025-03-01T020000Z — Engineer)",
            ["2025-03-01T020000Z"],
            ("Engineer",),
        ),
        ("### Turn Summary (Engineer — 2025-12-29T010000Z)", ["2025-12-29T010000Z"], ("Engineer",)),
        ("### Turn Summary (Mia Loop 2026-01-06T200000Z)", ["2026-01-06T200000Z"], ("Mia Loop",)),
        (
            "### Turn Summary (2025-11-14T020000Z - Mia handoff)",
            ["2025-11-14T020000Z"],
            ("Mia handoff",),
        ),
        ("### Turn Summary (Docs — 2025-11-13)", ["2025-11-13"], ("Docs",)),
        ("### Turn Summary — 2025-12-29 (Mia, Loop i=7)", ["2025-12-29"], ("Mia", "Loop i=7")),
        ("**Turn Summary (2025-11-14T020000Z)**", ["2025-11-14T020000Z"], ()),
        ("Turn Summary:", [], ()),
        ("###Turn Summary", [], ()),
        ("> ### Turn Summary (20251114T050250Z)", ["20251114T050250Z"], ()),
        ("### Loop 12 Summary", [], ()),
    ],
)
def test_a_turn_is_known_by_any_heading(
    heading: str, stamps: list[str], roles: tuple[str, ...]
) -> None:
    prose = parse_prose(f"before\n\n{heading}\nDid it.\nNext: more.\n")
    (turn,) = prose.turns
    assert [item.text for item in turn.stamps] == stamps
    assert turn.roles == roles
    assert (turn.line, turn.end_line) == (3, 5)
    assert turn.field("next") is not None
    assert not prose.unreadable


@pytest.mark.parametrize(
    "heading", ["## Notes", "### Summary of the data", "A Turn Summary is written last.", "# Turn"]
)
def test_other_headings_begin_no_turn(heading: str) -> None:
    assert not parse_prose(f"{heading}\nText.\n").turns


def test_a_section_with_artifacts_and_next_is_a_turn_by_its_shape() -> None:
    (found,) = parse_prose("## Update\nDone.\nArtifacts: a.md\nNext: b\n").blocks
    assert found.turn


def test_blocks_end_where_the_next_heading_of_their_rank_begins() -> None:
    prose = parse_prose(
        "### Turn Summary (2025-01-01T000000Z)\nOne.\n#### Detail\nTwo.\n## Other\nThree.\n"
        "### Turn Summary\nFour.\n"
    )
    assert [(b.turn, b.line, b.end_line) for b in prose.blocks] == [
        (True, 1, 4),
        (False, 5, 6),
        (True, 7, 8),
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a/b.md, c.log; d/", ["a/b.md", "c.log", "d/"]),
        (
            "hub/{green/a.log, cli/b.log,analysis/}",
            ["hub/green/a.log", "hub/cli/b.log", "hub/analysis/"],
        ),
        ("hub/{a,b{1,2}}.json", ["hub/a.json", "hub/b1.json", "hub/b2.json"]),
        ("hub/{only.md}", ["hub/only.md"]),
        ("hub/{a.md,b.md} with prose behind it", ["hub/a.md", "hub/b.md"]),
        ("hub/{a.md (new), b.md and `c.md`}", ["hub/a.md", "hub/b.md"]),
        ("hub/ (a.md, b.log)", ["hub/a.md", "hub/b.log"]),
        ("`hub/` (`a.md` + `b.log`)", ["hub/a.md", "hub/b.log"]),
        ("hub/ (existing evidence verified)", ["hub/"]),
        ("hub/ (a.log, notes on the data)", ["hub/a.log"]),
        ("a.md + b.md and c.md", ["a.md", "b.md", "c.md"]),
        ("a.json/b.png", ["a.json", "b.png"]),
        ("x/run.py (exits 0), docs/plan.md (updated Status/Notes)", ["x/run.py", "docs/plan.md"]),
        ("none (see docs/x.md)", []),
        ("none", []),
        ("red/blocked_*_cuda.md", ["red/blocked_*_cuda.md"]),
        ("$HUB/{a,b}.md, ${OUT}/c.json", ["$HUB/a.md", "$HUB/b.md", "$OUT/c.json"]),
        ("green\\a.log", ["green/a.log"]),
        ("artifact\\_list.txt", ["artifact_list.txt"]),
        ("[a](docs/a.md), [docs/b.md](docs/b.md)", ["docs/a.md", "docs/b.md"]),
        ("`green/my run.log`", ["green/my run.log"]),
        (
            "plans/active/X-001/reports/2025-11-13T000000Z/first",
            ["plans/active/X-001/reports/2025-11-13T000000Z/first"],
        ),
        ("https://example.org/a.md, me@example.org", []),
        ("commit 1234abc, src/x.py", ["src/x.py"]),
        ("x.md—y.md | z.md", ["x.md", "y.md", "z.md"]),
    ],
)
def test_lists_of_artifacts(text: str, paths: list[str]) -> None:
    assert evidence(text) == paths


@pytest.mark.parametrize(
    "text",
    [
        "Artifacts: a.md,\n  b.md,\n  c.md",
        "Artifacts:\n- a.md\n- b.md (new)\n  - c.md",
        "Artifacts:\n\n* a.md\n* b.md\n* c.md",
        "Artifacts:\n    - a.md\n    - b.md\n    - c.md",
        "**Artifacts:** a.md, b.md, c.md",
        "- **Artifacts**: a.md, b.md, c.md",
        "Did it. Artifacts: `a.md`, `b.md`, `c.md`.",
        "#### Artifacts\n- a.md\n- b.md\n- c.md",
        "#### Artifacts captured\n1. a.md\n2. b.md\n3. c.md",
        "Artifacts:\n```\na.md\nb.md\nc.md\n```",
        "- did x\n- did y\nArtifacts:\n- a.md\n- b.md\n- c.md",
        "Artifacts: {a,b,\nc}.md",
        "artifacts: a.md; b.md; c.md",
    ],
)
def test_evidence_stands_on_an_artifacts_line_or_in_a_list_under_it(text: str) -> None:
    found = block(f"{text}\n\nThen d.md was read.").paths
    assert [item.path for item in found if item.evidence] == ["a.md", "b.md", "c.md"]
    assert [item.path for item in found if not item.evidence] == ["d.md"]


@pytest.mark.parametrize("heading", ["## Artifacts", "## 7. Artifacts Index", "# Key artifacts"])
def test_a_section_of_artifacts_is_evidence(heading: str) -> None:
    (found,) = parse_prose(f"{heading}\n- `a.log` — output (12 passed)\n- b.md\n").blocks
    assert [p.path for p in found.paths if p.evidence] == ["a.log", "b.md"]


def test_artifacts_that_are_only_expected_are_no_evidence() -> None:
    (found,) = parse_prose("## Artifacts expected\n- a.log\n").blocks
    assert [p.evidence for p in found.paths] == [False]


def test_a_path_further_on_in_a_remark_is_not_below_the_folder() -> None:
    found = block("Artifacts: hub/ (a.log, moved docs/b.md too)").paths
    assert [(p.path, p.evidence) for p in found] == [("hub/a.log", True), ("docs/b.md", False)]


def test_a_drawn_tree_of_artifacts_is_read_with_its_folders() -> None:
    text = "Artifacts:\n```\nhub/\n├── green/\n│   └── a.log  # 1 passed\n└── b.md\n```"
    assert [p.path for p in block(text).paths if not p.folder] == ["hub/green/a.log", "hub/b.md"]


def test_text_after_an_artifacts_line_is_text() -> None:
    found = block("Artifacts: a.md, b.md\nAfterwards c.md was opened.").paths
    assert [(p.path, p.evidence) for p in found] == [
        ("a.md", True),
        ("b.md", True),
        ("c.md", False),
    ]


def test_a_list_after_a_blank_line_is_not_the_list_of_a_filled_field() -> None:
    found = block("Artifacts: a.md\n\n- b.md was looked at").paths
    assert [p.path for p in found if p.evidence] == ["a.md"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("src/a.py:12", ((12, 12),)),
        ("`src/a.py:12-30`", ((12, 30),)),
        ("src/a.py:12–30", ((12, 30),)),
        ("src/a.py:220,433", ((220, 220), (433, 433))),
        ("src/a.py:1-2,5-7,9", ((1, 2), (5, 7), (9, 9))),
        ("src/a.py lines 220,433", ((220, 220), (433, 433))),
        ("`src/a.py` line 1", ((1, 1),)),
        ("src/a.py#L3-L9", ((3, 9),)),
        ("src/a.py:12:5", ((12, 12),)),
    ],
)
def test_cited_lines(text: str, lines: tuple[tuple[int, int], ...]) -> None:
    (found,) = block(f"Read {text} again.").paths
    assert (found.path, found.lines) == ("src/a.py", lines)


def test_a_test_id_is_a_path_with_a_selector() -> None:
    (found,) = block("Run `pytest tests/test_a.py::TestB::test_c[x-1] -vv`.").paths
    assert (found.path, found.selector) == ("tests/test_a.py", "TestB::test_c[x-1]")


@pytest.mark.parametrize(
    "text",
    [
        "and/or, N/A, I/O, w/o, 1/1, 9/10, train/infer, A0/A1/A2, CUDA/memory",
        "POLICY-001/CONFIG-001 and 2025-11-16/17 and mean/std",
        "torch.nn, np.array, model.predict(), v2.0, e.g. this, Node.js",
        "--log-stats/--limit 2, -x/-y",
        "10.1038/s41598-023-48351-7",
        "HUB/AUTHORITATIVE_CMDS_DOC are exported",
        "{a, b} and {} and **bold** and *it*",
    ],
)
def test_what_only_looks_like_a_path(text: str) -> None:
    assert block(text).paths == ()


def test_remarks_tell_what_is_not_there_yet() -> None:
    found = block("Artifacts: a.log (pending), b.log (done), cli/c.log in progress").paths
    assert [item.planned for item in found] == [True, False, True]
    open_name = block("Artifacts: red/blocked_<stamp>.md").paths[0]
    assert open_name.placeholder
    assert PathClaim(1, "/tmp/x", "/tmp/x").absolute


def test_the_checklist_has_its_rows() -> None:
    found = block(
        "Next: go on\nArtifacts: a.md\n\nChecklist:\n- Files touched: src/a.py\n"
        "- Tests run: pytest -q (2 passed)\n- Artifacts updated: none"
    )
    assert [(item.key, item.parent) for item in found.fields] == [
        ("Next", ""),
        ("Artifacts", ""),
        ("Checklist", ""),
        ("Files touched", "Checklist"),
        ("Tests run", "Checklist"),
        ("Artifacts updated", "Checklist"),
    ]


def test_a_sentence_with_a_colon_is_a_sentence_too() -> None:
    found = block("Root cause: the clock ran ahead.\nThen more.")
    assert [item.text for item in found.sentences] == [
        "Root cause: the clock ran ahead.",
        "Then more.",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Artifacts: hub/{a.md, b.md", "never closed"),
        ("Artifacts: hub/ (a.md, b.md", "never closed"),
        ("```\nls", "never closed"),
        (
            "Artifacts: a/{b,c}{d,e}{f,g}{h,i}{j,k}{l,m}{n,o}{p,q}{r,s}{t,u}{v,w}.md",
            "stands for more",
        ),
    ],
)
def test_what_cannot_be_read_is_told(text: str, why: str) -> None:
    prose = parse_prose(f"### Turn Summary\n{text}")
    assert [why in item.why for item in prose.unreadable] == [True]


def test_a_broken_list_is_read_as_far_as_it_goes() -> None:
    assert evidence("hub/{a.md, b.md") == ["hub/a.md", "hub/b.md"]
    assert evidence("hub/ (a.md, b.md") == ["hub/a.md", "hub/b.md"]


def test_an_open_fence_hides_no_turn() -> None:
    prose = parse_prose("### Turn Summary\n```\nls\n\n### Turn Summary\nDone.\n")
    assert len(prose.turns) == 2
    assert len(prose.unreadable) == 1


def test_a_turn_inside_a_fence_is_told_and_not_read() -> None:
    prose = parse_prose("# Notes\n```\n### Turn Summary\nDone.\n```\n")
    assert not prose.turns
    assert prose.unreadable[0].line == 3


def test_a_turn_without_text_is_told() -> None:
    prose = parse_prose("### Turn Summary\n\n### Turn Summary\nDone.\n")
    assert [item.line for item in prose.unreadable] == [1]


def test_comments_are_not_read_and_lines_stay() -> None:
    found = parse_prose("### Turn Summary <!-- x -->\n<!-- a.md\n-->\nRead b.md.\n").blocks[0]
    assert [(item.path, item.line) for item in found.paths] == [("b.md", 4)]


def test_markdown_that_would_swallow_text_is_read_as_text() -> None:
    text = "<details>\n\nSee a.md.\n\n</details>\n\n[A1]: docs/b.md\n<!-- open c.md\n"
    found = parse_prose(f"### Turn Summary\n{text}").blocks[0]
    assert [item.path for item in found.paths] == ["a.md", "docs/b.md", "c.md"]


def test_line_ends_of_other_systems() -> None:
    found = parse_prose("### Turn Summary\r\nOne.\r\nArtifacts: a.md\r\n").blocks[0]
    assert [(item.path, item.line) for item in found.paths] == [("a.md", 3)]
