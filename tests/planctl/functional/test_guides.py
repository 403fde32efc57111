"""The guides, tried literally: their commands in a fresh repository, as a reader types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planctl.cli.app import run
from tests.planctl.conftest import GITCONFIG
from tests.planctl.functional.guide_runner import Outcome, blocks, run_page

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"
PAGES = ("ten-minutes.md", "for-engineers.md", "for-supervisors.md")


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Outcome]]:
    """Return the repository after the three pages, one after the other, and how each went."""
    folder = tmp_path_factory.mktemp("guides")
    (folder / ".gitconfig").write_text(GITCONFIG)
    outcomes: dict[str, Outcome] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("GIT_CONFIG_GLOBAL", str(folder / ".gitconfig"))
        for page in PAGES:
            place = folder if page == PAGES[0] else folder / "fall"
            outcomes[page] = run_page(GUIDES / page, place)
            if outcomes[page].code:
                break
    return folder / "fall", outcomes


def test_ten_minutes_can_be_typed_as_they_stand(tmp_path: Path) -> None:
    outcome = run_page(GUIDES / PAGES[0], tmp_path)
    assert outcome.code == 0, f"{PAGES[0]}:{outcome.line}\n{outcome.output[-6000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_guides_can_be_typed_one_after_the_other(
    read: tuple[Path, dict[str, Outcome]], page: str
) -> None:
    outcome = read[1].get(page)
    assert outcome is not None, "an earlier page went wrong"
    assert outcome.code == 0, f"{page}:{outcome.line}\n{outcome.output[-6000:]}"


@pytest.mark.slow
def test_at_the_end_the_first_phase_is_proven_and_the_second_ordered(
    read: tuple[Path, dict[str, Outcome]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(read[0])
    assert run(["verify", "FALL-001", "--json"]) == 1
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert {step["step"]: step["verdict"] for step in steps} == {
        "tests": "fresh",
        "table": "fresh",
        "drag": "missing",
    }
    assert run(["turn", "check"]) == 0
    rows = (read[0] / "plans/active/FALL-001/implementation.md").read_text()
    assert rows.count("- [x] ") == 2
    assert "- [ ] B1" in rows
    assert "src/drag.py" in (read[0] / "input.md").read_text()


def test_the_agent_of_the_loop_guide_is_made_executable_before_it_is_started() -> None:
    code = "".join(block.code for block in blocks(GUIDES / "loop.md"))
    assert 0 <= code.find("chmod +x engineer.sh\n") < code.index("--engineer ./engineer.sh")


@pytest.mark.parametrize("page", PAGES)
def test_few_blocks_of_a_guide_are_left_out(page: str) -> None:
    text = (GUIDES / page).read_text("utf-8")
    assert text.count("```sh no-run") <= 2
    assert len(blocks(GUIDES / page)) >= 6


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("```sh\ntrue\n```\n\n```sh\nfalse\necho on\n```\n", 1, 5),
        ("```sh exit=1\ntrue\n```\n", 99, 1),
        ("```sh exit=1\nfalse\n```\n\n```sh\ntrue\n```\n", 0, None),
        ("```sh no-run\nfalse\n```\n", 0, None),
    ],
)
def test_a_page_that_goes_otherwise_is_noticed(
    tmp_path: Path, text: str, code: int, line: int | None
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    outcome = run_page(page, tmp_path)
    assert (outcome.code, outcome.line) == (code, line)
