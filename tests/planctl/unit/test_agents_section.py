from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planctl.cli.app import run as planctl
from planctl.cli.app import tree
from planctl.errors import BadFileError
from planctl.models.agents_section import BEGIN, END, FORMER, VERSION, Fate, Placed, digest, placed
from planctl.models.hook_part import HookPart
from planctl.ops.agent_documents import section_text, write_agents_file
from planctl.workspace import Workspace
from tests.planctl.conftest import Repo

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = "old text\nof two lines", "new text\n\nof three"
FORMERLY = frozenset({digest(OLD)})
# Any bytes a document may hold, but not a mark: with one it would be another case.
free = st.lists(
    st.sampled_from([b"a", b"# Title", b"\r\n", b"\n", b" ", b"\t", b"```", b"\xff\xfe", b"-->"])
    | st.binary(max_size=8).filter(lambda raw: b"\0" not in raw)
).map(b"".join)


def section(text: str, newline: bytes = b"\n") -> bytes:
    return newline.join(line.encode() for line in (BEGIN, *text.splitlines(), END))


@given(free)
def test_a_section_is_added_after_what_is_there(old: bytes) -> None:
    result = placed(old, NEW, "AGENTS.md")
    assert result.fate is Fate.ADDED
    assert result.content.startswith(old)
    assert placed(result.content, NEW, "AGENTS.md") == Placed(Fate.CURRENT, result.content)
    added = result.content[len(old) :]
    assert added.count(BEGIN.encode()) == added.count(END.encode()) == 1


@given(free, free, st.sampled_from([b"\n", b"\r\n"]))
def test_an_update_leaves_every_byte_around_it(before: bytes, after: bytes, newline: bytes) -> None:
    before = before + newline if before else b""
    after = newline + after
    whole = before + section(OLD, newline) + after
    result = placed(whole, NEW, "AGENTS.md", former=FORMERLY)
    assert result.fate is Fate.UPDATED
    assert result.content == before + section(NEW, newline) + after
    assert placed(result.content, NEW, "AGENTS.md").fate is Fate.CURRENT


@given(free, free, st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_what_somebody_edited_stays_until_an_upgrade_is_asked_for(
    before: bytes, after: bytes, words: bytes
) -> None:
    start = before + b"\n" if before else b""
    whole = start + BEGIN.encode() + b"\nmine: " + words + b"\n" + END.encode() + b"\n" + after
    assert placed(whole, NEW, "AGENTS.md") == Placed(Fate.EDITED, whole)
    upgraded = placed(whole, NEW, "AGENTS.md", upgrade=True)
    assert upgraded.content == start + section(NEW) + b"\n" + after


def test_a_section_of_a_newer_planctl_stays() -> None:
    whole = section(OLD).replace(f"v{VERSION}".encode(), f"v{VERSION + 1}".encode())
    assert placed(whole, NEW, "AGENTS.md", former=FORMERLY).fate is Fate.NEWER
    assert placed(whole, NEW, "AGENTS.md", upgrade=True).content == section(NEW)


def test_a_mark_behind_a_byte_order_mark_counts_and_one_inside_a_line_does_not() -> None:
    assert placed(b"\xef\xbb\xbf" + section(NEW), NEW, "x").fate is Fate.CURRENT
    assert placed(b"see `" + BEGIN.encode() + b"`\n", NEW, "x").fate is Fate.ADDED


@pytest.mark.parametrize(
    ("whole", "line"),
    [
        (f"one\n{BEGIN}\ntext\n", 2),
        (f"{END}\n", 1),
        (f"{END}\n{BEGIN}\n", 1),
        (f"{BEGIN}\n{END}\nx\n{BEGIN}\n{END}\n", 1),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", 1),
    ],
)
def test_marks_that_do_not_pair_are_refused_with_their_line(whole: str, line: int) -> None:
    with pytest.raises(BadFileError, match="has") as caught:
        placed(whole.encode(), NEW, "AGENTS.md")
    assert caught.value.line == line
    assert caught.value.hint


def test_what_the_section_says_has_a_digest_that_is_kept_when_it_changes() -> None:
    # Whoever changes the section adds this digest to `FORMER`, so that repositories follow.
    assert digest(section_text()) == "4ea9faa897a61554"
    assert digest(section_text()) not in FORMER


def test_the_section_is_short() -> None:
    assert len(section_text().splitlines()) + 2 <= 40


def test_this_repository_has_the_section_once_and_as_it_is_written() -> None:
    whole = (ROOT / "AGENTS.md").read_bytes()
    assert placed(whole, section_text(), "AGENTS.md") == Placed(Fate.CURRENT, whole)


def _commands() -> set[str]:
    found = set()
    for name, command in typer.main.get_command(tree()).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        found |= {name, *(f"{name} {sub}" for sub in inner)}
    return found


def test_documents_for_agents_name_only_commands_that_there_are(repo: Repo) -> None:
    assert planctl(["init", "--ci", "github"]) == 0
    workflow = (repo.root / ".github/workflows/planctl.yml").read_text()
    part = HookPart("planctl").text.replace('"$_planctl"', "planctl")
    known, named = _commands(), set[str]()
    for text in (section_text(), workflow, part):
        pattern = r"(?:`|run: |^ +)planctl ([a-z-]+(?: [a-z]+)?)(?= |`|$)"
        for words in re.findall(pattern, text, re.MULTILINE):
            first = words.split()[0]
            group = any(name.startswith(f"{first} ") for name in known)
            named.add(words if group else first)
    assert not named - known
    assert {"verify", "sync", "ledger check", "turn check", "turn close", "mcp"} <= named


def test_the_workflow_is_a_workflow_and_is_written_only_when_asked_for(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.write(".github/workflows/other.yml", "name: other\n")
    path = repo.root / ".github/workflows/planctl.yml"
    assert planctl(["init"]) == 0
    assert not path.exists()
    assert "`planctl init --ci github` writes" in capsys.readouterr().err
    assert planctl(["init", "--ci", "github"]) == 0
    workflow = yaml.safe_load(path.read_text())
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    assert set(workflow) == {"name", True, "permissions", "env", "jobs"}
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["evidence"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0}
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert [step["run"] for step in steps if "planctl " in step.get("run", "")] == [
        "planctl verify --format github",
        "planctl sync --check",
        "planctl ledger check",
        "planctl turn check",
    ]
    path.write_text("mine\n")
    assert planctl(["init", "--ci", "github"]) == 0
    assert path.read_text() == "mine\n"


Given = Callable[[Repo], None]


def _absent(repo: Repo) -> None:
    """Leave it as it is."""


def _crlf(repo: Repo) -> None:
    (repo.root / "AGENTS.md").write_bytes(b"# Mine\r\n\r\ntext")


def _bare(repo: Repo) -> None:
    repo.write("AGENTS.md", "")


@pytest.mark.parametrize("given_", [_absent, _crlf, _bare])
def test_init_writes_the_section_once(repo: Repo, given_: Given) -> None:
    given_(repo)
    path = repo.root / "AGENTS.md"
    old = path.read_bytes() if path.exists() else b""
    assert planctl(["init"]) == 0
    first = path.read_bytes()
    assert first.startswith(old)
    assert first.count(BEGIN.encode()) == 1
    if b"\r\n" in old:
        assert first.count(b"\n") == first.count(b"\r\n")
    assert planctl(["init"]) == 0
    assert path.read_bytes() == first


def test_init_says_that_an_edited_section_stays(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planctl(["init"]) == 0
    path = repo.root / "AGENTS.md"
    path.write_text(path.read_text().replace("planctl status", "my own words"))
    edited = path.read_text()
    capsys.readouterr()
    assert planctl(["init"]) == 0
    out, err = capsys.readouterr()
    assert "kept AGENTS.md" in out
    assert "was edited, and stays" in err
    assert path.read_text() == edited
    assert planctl(["init", "--upgrade"]) == 0
    assert "updated AGENTS.md" in capsys.readouterr().out
    assert "planctl status" in path.read_text()


def test_a_link_to_another_document_stays_a_link(repo: Repo) -> None:
    repo.write("CLAUDE.md", "# For all agents\n")
    (repo.root / "AGENTS.md").symlink_to("CLAUDE.md")
    done = write_agents_file(Workspace.open())
    assert (repo.root / "AGENTS.md").is_symlink()
    assert (repo.root / "CLAUDE.md").read_text().startswith(f"# For all agents\n\n{BEGIN}")
    assert done.notes == ()


def test_a_link_that_leads_out_of_the_repository_is_refused(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "AGENTS.md"
    outside.write_text("theirs\n")
    (repo.root / "AGENTS.md").symlink_to(outside)
    with pytest.raises(BadFileError, match="leads out of the repository"):
        write_agents_file(Workspace.open())
    assert outside.read_text() == "theirs\n"


@pytest.mark.parametrize(("text", "told"), [("# Mine\n", True), ("@AGENTS.md\n", False)])
def test_a_claude_file_that_does_not_name_it_is_told_and_left(
    repo: Repo, text: str, told: bool
) -> None:
    repo.write("CLAUDE.md", text)
    notes = write_agents_file(Workspace.open()).notes
    assert ["@AGENTS.md" in note for note in notes] == ([True] if told else [])
    assert (repo.root / "CLAUDE.md").read_text() == text
