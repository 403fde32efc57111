"""Orders for evidence that is there are refused, in whatever words; honest orders are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planctl.cli.app import run
from planctl.models.brief.brief import BriefCheck
from planctl.ops.brief.check import check_brief
from planctl.ops.brief.satisfied import satisfied
from planctl.workspace import Workspace
from tests.planctl.conftest import GITCONFIG, Repo
from tests.planctl.functional.brief_story import (
    AGAIN,
    AGAIN_IN_OTHER_WORDS,
    FIXTURE,
    HONEST,
    HUB,
    ID,
    OTHER_WORK,
    ROWS,
    brief_of,
    nine,
    write_story,
)

Check = Callable[[str], BriefCheck]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a repository whose Phase A is fresh and whose Phase B is open; nobody changes it."""
    home = tmp_path_factory.mktemp("story")
    (home / ".gitconfig").write_text(GITCONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
        patch.delenv("PLANCTL_ROLE", raising=False)
        root = home / "repo"
        root.mkdir()
        patch.chdir(root)
        repo = Repo(root)
        repo.git("init", "--quiet")
        write_story(repo)
        assert run(["run-phase", ID, "A"]) == 0
        repo.commit("evidence")
        yield root


@pytest.fixture
def check(story: Path) -> Check:
    """Return a function that checks the text of a brief there."""

    def look(text: str) -> BriefCheck:
        (story / "input.md").write_text(text, "utf-8")
        return check_brief(Workspace.open(story))

    return look


@pytest.mark.skipif(not FIXTURE.is_file(), reason="the shared fixture is not here")
@pytest.mark.parametrize("line", [184, 167, 139, 117, 99, 82, 54, 36, 19])
def test_each_of_the_nine_requests_of_the_bad_day_is_refused(check: Check, line: int) -> None:
    found = check(brief_of(nine()[line]))
    (refused,) = found.refused
    assert {proof.phase for proof in refused.proofs} == {"A"}
    assert "selector" in {proof.step for proof in refused.proofs}
    for proof in refused.proofs:
        assert proof.receipt.startswith(f"{HUB}/receipts/")
        assert proof.commit[:8] in refused.text


@pytest.mark.parametrize("order", [*AGAIN, *AGAIN_IN_OTHER_WORDS])
def test_an_order_for_what_is_fresh_is_refused_whatever_its_words(check: Check, order: str) -> None:
    assert check(brief_of(order)).refused


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_brief_passes(check: Check, name: str) -> None:
    assert check(HONEST[name]).problems == ()


@pytest.mark.parametrize("order", OTHER_WORK)
def test_other_work_is_not_refused(check: Check, order: str) -> None:
    assert check(brief_of(order)).refused == ()


@pytest.mark.parametrize(
    "argument",
    [
        "the logs still say 14 November",
        "The fix is of 2026-11-27 and every log is older.",
        "Nothing has changed, the proof is outstanding and the dates have not moved.",
        "mtime of green/ predates dc5415ba; ANTIPATTERN-001 notwithstanding.",
    ],
)
def test_no_argument_about_clocks_changes_the_answer(check: Check, argument: str) -> None:
    found = check(brief_of(f"Rerun A1: {argument}.", summary=argument))
    assert [proof.step for item in found.refused for proof in item.proofs] == ["selector"]


def test_an_order_that_is_proven_in_part_is_refused_in_that_part(check: Check) -> None:
    (refused,) = check(brief_of("Run rows A2, A3 and B1.")).refused
    assert [proof.step for proof in refused.proofs] == ["train", "infer"]
    assert refused.remaining == ("defaults",)
    assert "order what is open of it: `defaults`" in refused.way_out


@pytest.mark.parametrize("rows", ["A0-A3", "A0–A3", "A1 through A3", "A1/A2/A3", "A0..3"])
def test_a_range_of_rows_means_every_row_of_it(check: Check, rows: str) -> None:
    (refused,) = check(brief_of(f"Redo {rows}.")).refused
    assert [proof.step for proof in refused.proofs] == ["selector", "train", "infer"]


def test_the_refusal_names_line_field_value_and_what_is_open_instead(check: Check) -> None:
    (refused,) = check(brief_of("1. Read the plan.\n2. Redo A2.")).refused
    assert (refused.line, refused.field, refused.value) == (10, "Do Now", "2. Redo A2.")
    assert "`defaults`, `scale`" in refused.way_out


@pytest.mark.parametrize(
    "order",
    [
        "Run the training of A2 with `--n_images 512`.",
        "Run the training of A2 with 50 epochs instead of 10.",
        "Repeat A2 with seed 7.",
        "Run A2 on another dataset and compare.",
        "Run `python ptycho_torch/train.py --output_dir out2 --max_epochs 20`.",
        "Run `pytest tests/torch/test_config_factory.py -vv`.",
        "Do not repeat Phase A. Run row B1.",
        "There is no need to rerun the selector of Phase A; run B2.",
        "Phase A need not be rerun. Run B2.",
        "Avoid re-running A1 and A2. Run B2.",
        "Phase A was captured on 14 November and is fresh. Run B1.",
        "Cite `analysis/torch_patch_stats.json` of Phase A in docs/specs/bundle.md, then run B1.",
        "Run B1 using the bundle of Phase A.",
        "If Phase A has become stale, rerun it. Run B1.",
        "Capture `learning_rates.csv` from the new ablation.",
        "Mark rows A0-A3 complete and run B1.",
        "Proceed to Phase B: run B1 and B2.",
        "Rerun Phase B and collect fresh evidence.",
        "Run B1, then archive its logs.",
    ],
)
def test_another_thing_is_not_the_same_thing_again(check: Check, order: str) -> None:
    assert check(brief_of(order)).refused == ()


def test_a_change_of_an_input_makes_the_run_new_and_any_other_change_does_not(check: Check) -> None:
    assert check(brief_of("Implement: `ptycho_torch/train.py`. Then rerun Phase A.")).refused == ()
    found = check(brief_of("Implement: `docs/specs/bundle.md`. Then rerun Phase A."))
    assert [item.kind for item in found.refused] == ["already-proven"]


def test_commands_of_the_how_to_map_are_held_against_the_receipts_too(check: Check) -> None:
    text = brief_of("Run row B1.") + "How-To Map:\n```sh\npython ptycho_torch/inference.py "
    text += "--model_path $OUT --log-patch-stats | tee x_v2.log\n```\n"
    (refused,) = check(text).refused
    assert (refused.field, [proof.step for proof in refused.proofs]) == ("How-To Map", ["infer"])


def test_after_a_change_of_code_the_same_order_passes(story: Path, check: Check) -> None:
    source = story / "ptycho_torch/inference.py"
    before = source.read_text()
    source.write_text(before + "# another\n")
    try:
        assert check(brief_of("Rerun Phase A.")).refused == ()
    finally:
        source.write_text(before)
    assert check(brief_of("Rerun Phase A.")).refused


def test_a_person_may_want_it_again_and_an_agent_may_not(
    story: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (story / "input.md").write_text(brief_of("Rerun Phase A."))
    monkeypatch.chdir(story)
    assert run(["brief", "--check", "--because", "new GPU driver", "--no-collect"]) == 0
    assert "proven evidence is wanted again: new GPU driver" in capsys.readouterr().out
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    assert run(["brief", "--check", "--because", "new GPU driver"]) == 4
    assert "to order again what is proven (`--because`) is for a person" in capsys.readouterr().err


def test_prose_alone_can_be_asked_about(story: Path) -> None:
    workspace = Workspace.open(story)
    plan = workspace.load_plan(ID)
    again = satisfied(workspace, plan, "Next: rerun the selector and both commands.")
    assert {proof.step for proof in again.proven} == {"selector", "train", "infer"}
    assert not satisfied(workspace, plan, "Next: rerun `planctl run-phase X-9 A`.").refused
    assert not satisfied(workspace, plan, "Phase A is complete; ready for Phase B.").refused
    first = satisfied(workspace, plan, "Do Now:\nRun Phase B.\n\nSummary: Phase A must be rerun.")
    assert (first.refused, first.remaining) == (False, ("defaults", "scale"))


def test_rows_are_those_of_the_plan_and_not_words_that_look_like_them(check: Check) -> None:
    assert re.search(r"A1", ROWS)
    assert check(brief_of("Run B1 on an A100 with FP16; keep H5 files.")).refused == ()
