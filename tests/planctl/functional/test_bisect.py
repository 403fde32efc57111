"""`planctl bisect`: the commit where a proof was lost, held against `at` for every commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.test_at import History, verdicts_at

AtRoot = Callable[[Path], Project]


def found(project: Project, *words: str, expect: int = 0) -> dict[str, Any]:
    """Return what bisect says."""
    code, out, err = project.call("bisect", *words, "--json")
    assert code == expect, err or out
    result: dict[str, Any] = json.loads(out)
    return result


def lost(project: Project, *words: str) -> dict[str, Any]:
    """Return the last loss of the one step that is meant."""
    (trail,) = found(project, *words)["trails"]
    turn: dict[str, Any] = trail["lost"]
    return turn


def edit(project: Project, name: str, text: str) -> str:
    """Commit another content of a source."""
    project.repo.write(f"src/{name}.txt", text)
    return project.repo.commit(f"{name} is {text.strip()}")


def test_the_commit_that_moved_an_input_is_named_with_both_ids(proven: Project) -> None:
    blob = proven.repo.git("rev-parse", "HEAD:src/solo.txt")
    proven.repo.write("docs/notes.md", "more\n")
    proven.repo.commit("docs")
    guilty = edit(proven, "solo", "another\n")
    edit(proven, "one", "unrelated\n")
    turn = lost(proven, "A3")
    assert turn["commit"] == guilty
    assert turn["subject"] == "solo is another"
    assert (turn["before"], turn["after"], turn["predicate"]) == ("fresh", "stale", "inputs")
    (moved,) = turn["moved"]
    assert moved["name"] == "src/solo.txt"
    assert moved["recorded"] == blob
    assert moved["now"] == proven.repo.git("rev-parse", "HEAD:src/solo.txt")
    assert moved["commit"] == guilty


def test_of_several_losses_the_last_counts_and_all_are_listed(proven: Project) -> None:
    edit(proven, "solo", "first\n")
    edit(proven, "solo", "solo\n")
    second = edit(proven, "solo", "second\n")
    edit(proven, "solo", "third\n")
    assert lost(proven, "solo")["commit"] == second
    (trail,) = found(proven, "solo")["trails"]
    kinds = [turn["kind"] for turn in trail["turns"]]
    assert kinds[-4:] == ["proven", "lost", "regained", "lost"]
    _, out, _ = proven.call("bisect", "solo", "--all")
    assert out.count("lost by") == 2
    assert "regained by" in out


def test_a_proof_that_came_back_is_no_loss(proven: Project) -> None:
    edit(proven, "solo", "first\n")
    edit(proven, "solo", "solo\n")
    assert not found(proven, "solo", expect=1)["found"]
    _, out, _ = proven.call("bisect", "solo")
    assert "it is proven; 1 times lost and regained" in out


def test_a_loss_through_a_needed_step_names_where_it_began(proven: Project) -> None:
    guilty = edit(proven, "one", "another\n")
    turn = lost(proven, "two")
    assert turn["commit"] == guilty
    assert turn["chain"] == ["two", "one"]
    assert [item["name"] for item in turn["moved"]] == ["src/one.txt"]


def test_a_merge_is_named_and_the_commit_inside_it(proven: Project) -> None:
    git = proven.repo.git
    git("checkout", "--quiet", "-b", "side")
    inside = edit(proven, "solo", "on the side\n")
    edit(proven, "one", "something else\n")
    git("checkout", "--quiet", "main")
    proven.repo.write("docs/notes.md", "more\n")
    proven.repo.commit("docs")
    git("merge", "--quiet", "--no-ff", "--message", "the merge", "side")
    turn = lost(proven, "solo")
    assert turn["commit"] == proven.repo.git("rev-parse", "HEAD")
    assert turn["merge"]
    assert turn["moved"][0]["commit"] == inside
    assert turn["moved"][0]["subject"] == "solo is on the side"


@pytest.mark.parametrize(
    ("name", "what", "predicate"),
    [
        ("solo", "contract", "contract"),
        ("one", "artifact", "intact"),
        ("one", "gone", "present"),
        ("one", "receipt", "present"),
    ],
)
def test_losses_of_every_kind(proven: Project, name: str, what: str, predicate: str) -> None:
    if what == "contract":
        proven.edit("echo solo", "echo alone")
    elif what == "artifact":
        (proven.hub / "analysis/one.txt").write_text("by hand\n")
    elif what == "gone":
        (proven.hub / "analysis/one.txt").unlink()
    else:
        proven.receipts("one")[0].unlink()
    guilty = proven.repo.commit(what)
    edit(proven, "common", "later\n")
    turn = lost(proven, name)
    assert turn["commit"] == guilty
    assert turn["predicate"] == predicate
    if what != "receipt":
        assert turn["moved"][0]["commit"] == guilty


def test_paths_of_artifacts_and_inputs_are_taken(proven: Project) -> None:
    guilty = edit(proven, "one", "another\n")
    hub = proven.hub.relative_to(proven.root).as_posix()
    for target in ("analysis/one.txt", f"{hub}/cli/one.log", "src/one.txt", "./src/one.txt"):
        assert lost(proven, target)["commit"] == guilty
    result = found(proven, "src/common.txt")
    assert [trail["step"] for trail in result["trails"]] == ["one"]


def test_a_step_that_is_gone_is_still_found_and_lost_where_it_went(proven: Project) -> None:
    text = proven.plan_path.read_text()
    proven.plan_path.write_text(text[: text.index("      - id: solo")])
    guilty = proven.repo.commit("solo is gone")
    turn = lost(proven, "A3")
    assert (turn["commit"], turn["after"]) == (guilty, "absent")


def test_a_plan_that_cannot_be_used_proves_nothing(proven: Project) -> None:
    text = proven.plan_path.read_text()
    proven.plan_path.write_text(text + "nonsense: 1\n")
    guilty = proven.repo.commit("broken")
    turn = lost(proven, "solo")
    assert turn["commit"] == guilty
    assert "`nonsense`: unknown key" in turn["after"]


def test_a_waiver_that_ends_is_a_loss_by_the_first_commit_after_it(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiver = "id: solo\n        waive: { who: a person, why: it is late, until: 2020-02-01 }"
    proven.edit("id: solo", waiver)
    proven.repo.write("src/solo.txt", "another\n")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-01-31T12:00:00Z")
    proven.repo.commit("waived")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-02-02T12:00:00Z")
    proven.repo.write("docs/notes.md", "later\n")
    guilty = proven.repo.commit("a day later")
    assert lost(proven, "solo")["commit"] == guilty


def test_good_and_bad_limit_the_line(proven: Project) -> None:
    start = proven.repo.git("rev-parse", "HEAD")
    first = edit(proven, "solo", "first\n")
    back = edit(proven, "solo", "solo\n")
    second = edit(proven, "solo", "second\n")
    assert lost(proven, "solo", "--good", start, "--bad", first)["commit"] == first
    assert lost(proven, "solo", "--good", back)["commit"] == second
    (trail,) = found(proven, "solo", "--good", back)["trails"]
    assert [turn["kind"] for turn in trail["turns"]] == ["lost"]
    code, _, err = proven.call("bisect", "solo", "--good", first)
    assert code == 4
    assert f"`solo` of `{ID}` is stale at `{first[:8]}`" in err


def test_a_good_commit_beside_the_line_is_refused_with_its_merge(proven: Project) -> None:
    git = proven.repo.git
    git("checkout", "--quiet", "-b", "side")
    side = edit(proven, "one", "on the side\n")
    git("checkout", "--quiet", "main")
    edit(proven, "solo", "meanwhile\n")
    git("merge", "--quiet", "--no-ff", "--message", "the merge", "side")
    merge = git("rev-parse", "HEAD")
    code, _, err = proven.call("bisect", "solo", "--good", side)
    assert code == 4
    assert f"`{merge[:8]}` merged it" in err


def test_an_unknown_name_is_an_error_with_what_is_near(proven: Project) -> None:
    code, _, err = proven.call("bisect", "sol")
    assert code == 4
    assert "did you mean `solo`" in err


def test_what_is_not_committed_is_told_apart(proven: Project) -> None:
    proven.repo.write("src/solo.txt", "uncommitted\n")
    result = found(proven, "solo", expect=1)
    assert result["trails"][0]["proven"]
    assert "in the work tree `solo` of `X-001` is stale" in result["notes"][0]


def test_a_shallow_clone_says_where_its_knowledge_ends(
    proven: Project, at: AtRoot, tmp_path: Path
) -> None:
    edit(proven, "one", "another\n")
    proven.repo.git("clone", "--quiet", "--depth=1", proven.root.as_uri(), str(tmp_path / "cut"))
    cut = at(tmp_path / "cut")
    result = found(cut, "one", expect=1)
    assert "git fetch --unshallow" in result["notes"][0]


@pytest.mark.parametrize(
    "seed", [11, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 12, 13, 14))]
)
def test_the_trail_is_what_at_says_of_every_commit_of_the_line(proven: Project, seed: int) -> None:
    history = History(proven, seed)
    for _ in range(12 if seed == 11 else 25):
        history.happens()
    line = proven.repo.git("rev-list", "--first-parent", "--reverse", "HEAD").split()
    steps = ("one", "two", "solo")
    now = dict.fromkeys(steps, "absent")
    turns: dict[str, dict[str, str]] = {step: {} for step in steps}
    for step in steps:
        code, out, err = proven.call("bisect", step, "--json")
        assert code in (0, 1), err
        (trail,) = json.loads(out)["trails"]
        turns[step] = {turn["commit"]: turn["after"] for turn in trail["turns"]}
    for commit in line:
        now |= {step: turns[step][commit] for step in steps if commit in turns[step]}
        code, out, _ = proven.call("at", commit, ID, "--json")
        if code == 4:
            assert not {v for v in now.values() if not v.startswith(("absent", "no usable"))}
            continue
        assert verdicts_at(proven, commit) == now


def test_a_commit_that_moved_nothing_is_not_judged(proven: Project) -> None:
    before = found(proven, "solo", expect=1)["judged"]
    for number in range(5):
        proven.repo.write("docs/notes.md", f"{number}\n")
        proven.repo.commit("docs")
    edit(proven, "one", "not an input of solo\n")
    result = found(proven, "solo", expect=1)
    assert result["judged"] == before
    assert result["commits"] == 10
