"""Where a named path is in a tree that is only a set of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.models.claims.claim import PathClaim
from planctl.models.claims.paths import PathIndex, hub_of, hubs_in, places, resolve
from planctl.models.prose.reading import parse_prose

HUB = "plans/active/X-001/reports/2025-11-13T000000Z/first"
TREE = (
    *(f"{HUB}/green/a.log", f"{HUB}/notes.md", f"{HUB}/red/blocked_1.md", "docs/plan.md"),
    *("src/one/code.py", "src/two/code.py", "src/two/alone.py", "README.md"),
)


def claim(text: str) -> PathClaim:
    (found,) = parse_prose(f"Artifacts: {text}\n").blocks[0].paths
    return found


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("docs/plan.md", "exists", "docs/plan.md"),
        ("./docs/plan.md", "exists", "docs/plan.md"),
        ("docs/", "exists", "docs"),
        ("green/a.log", "exists", f"{HUB}/green/a.log"),
        ("$HUB/green/a.log", "exists", f"{HUB}/green/a.log"),
        ("HUB/green/a.log", "exists", f"{HUB}/green/a.log"),
        ("hub/green/", "exists", f"{HUB}/green"),
        ("red/blocked_*.md", "exists", f"{HUB}/red/blocked_1.md"),
        (".../first/notes.md", "exists", f"{HUB}/notes.md"),
        ("../X-001/reports/2025-11-13T000000Z/first/notes.md", "exists", f"{HUB}/notes.md"),
        ("hub/ (notes.md)", "exists", f"{HUB}/notes.md"),
        ("other/ (README.md)", "exists", "README.md"),
        ("alone.py", "deeper", "src/two/alone.py"),
        ("two/code.py", "deeper", "src/two/code.py"),
        ("code.py", "absent", "code.py"),
        ("docs/absent.md", "absent", "docs/absent.md"),
        ("docs/*.txt", "absent", "docs/*.txt"),
        ("/etc/passwd.txt", "unknown", "/etc/passwd.txt"),
        ("~/notes.md", "unknown", "~/notes.md"),
        ("red/blocked_<stamp>.md", "unknown", "red/blocked_<stamp>.md"),
        ("$OUT/x.json", "unknown", "$OUT/x.json"),
    ],
)
def test_resolving(text: str, kind: str, path: str) -> None:
    placed = resolve(claim(text), PathIndex(TREE), (HUB, "plans/active/X-001"))
    assert (placed.kind, placed.path) == (kind, path)


def test_a_tail_that_two_files_have_is_not_decided_for() -> None:
    placed = resolve(claim("code.py"), PathIndex(TREE), ())
    assert placed.kind == "absent"
    assert placed.paths == ("src/one/code.py", "src/two/code.py")


def test_a_hub_variable_without_a_hub_is_unknown() -> None:
    assert resolve(claim("$HUB/a.log"), PathIndex(TREE), ()).kind == "unknown"


def test_the_root_comes_before_the_hub_and_the_hub_before_other_folders() -> None:
    assert places(claim("green/a.log"), (HUB, "docs")) == [
        "green/a.log",
        f"{HUB}/green/a.log",
        "docs/green/a.log",
    ]


@pytest.mark.parametrize(
    ("path", "hubs"),
    [
        (f"{HUB}/green/a.log", (HUB, HUB.removesuffix("/first"))),
        ("reports/2025-11-13T000000Z/green/a.log", ("reports/2025-11-13T000000Z",)),
        ("reports/20251113T000000Z/a.log", ("reports/20251113T000000Z",)),
        ("docs/a.md", ()),
        ("2025-11-13T000000Z/a.md", ()),
    ],
)
def test_hubs_are_known_by_their_stamp(path: str, hubs: tuple[str, ...]) -> None:
    assert hub_of(path) == hubs


def test_a_block_names_its_hubs() -> None:
    (block,) = parse_prose(f"Read docs/ops/.\nArtifacts: {HUB}/{{green/a.log,notes.md}}\n").blocks
    assert hubs_in(block) == (HUB, HUB.removesuffix("/first"), "docs/ops")


NAMES = st.lists(st.sampled_from(["a", "b", "c.md"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(st.booleans(), NAMES), max_size=40))
def test_an_index_that_is_moved_is_as_one_that_is_built(steps: list[tuple[bool, str]]) -> None:
    index, files = PathIndex(), set[str]()
    for add, path in steps:
        if add:
            index.add(path)
            files.add(path)
        else:
            index.remove(path)
            files.discard(path)
    folders = {path[:at] for path in files for at, char in enumerate(path) if char == "/"}
    assert len(index) == len(files)
    for path in {path for _, path in steps} | {"a", "a/b", "b/a/c.md"}:
        assert index.is_file(path) is (path in files)
        assert index.is_folder(path) is (path in folders)
        below = {item for item in files if item.startswith(f"{path}/")}
        assert set(index.below(path)) - {path} == below - {path}
        tails = {p for p in files | folders if p == path or p.endswith(f"/{path}")}
        assert index.ending(path) == sorted(tails)
    stars = {p for p in files | folders if p.count("/") == 1 and p.startswith("a/")}
    assert index.matching("a/*") == sorted(stars)
    assert index.matching("**/c.md") == sorted(p for p in files if p.split("/")[-1] == "c.md")
