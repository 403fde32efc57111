"""`planctl why`: rows, steps, paths, receipts and commits, back to where it began."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.planctl.functional.conftest import ID, Project


def why(project: Project, *words: str, expect: int = 1) -> list[dict[str, Any]]:
    """Return the answers."""
    code, out, err = project.call("why", *words, "--json")
    assert code == expect, err or out
    answers: list[dict[str, Any]] = json.loads(out)
    return answers


def edit(project: Project, name: str, text: str) -> str:
    """Commit another content of a source."""
    project.repo.write(f"src/{name}.txt", text)
    return project.repo.commit(f"{name} is {text.strip()}")


def test_a_step_that_lost_its_proof_through_another_names_where_it_began(proven: Project) -> None:
    before = proven.repo.git("rev-parse", "HEAD:src/one.txt")
    guilty = edit(proven, "one", "another\n")
    after = proven.repo.git("rev-parse", "HEAD:src/one.txt")
    (answer,) = why(proven, "two")
    (cause,) = answer["causes"]
    assert cause["chain"] == ["two", "one"]
    assert cause["verdict"] == "stale"
    (ids,) = cause["predicate"]["ids"]
    assert ids == {"name": "src/one.txt", "recorded": before, "now": after, "moved_by": guilty}
    assert answer["subjects"] == {guilty: "one is another"}
    assert answer["commands"] == [
        f"planctl run-phase {ID} A --step one",
        f"planctl run-phase {ID} A --step two",
    ]
    _, out, _ = proven.call("why", "two")
    assert out.index("it began at `one` (`two` needs `one`)") < out.index("predicate `parents`")
    assert f"src/one.txt: recorded {before}, now {after}  moved by {guilty} (one is another)" in out


def test_a_long_way_of_needs_is_followed_to_its_end(project: Project) -> None:
    third = "id: three\n        needs: [two]\n        run: echo 3\n        log: cli/three.log\n"
    project.edit(
        "      - id: solo", f"      - {third}        inputs: [src/two.txt]\n      - id: solo"
    )
    project.repo.commit("a third step")
    project.run_phase()
    project.repo.commit("evidence")
    edit(project, "one", "another\n")
    (answer,) = why(project, "three")
    assert [cause["chain"] for cause in answer["causes"]] == [["three", "two", "one"]]
    assert len(answer["commands"]) == 3


def test_an_input_answers_for_every_step_that_reads_it(proven: Project) -> None:
    (fresh,) = why(proven, "src/solo.txt", expect=0)
    assert (fresh["kind"], fresh["step"]["step"]) == ("input", "solo")
    assert fresh["reasons"] == ["`solo` ran on it as it is now"]
    assert fresh["moved"]["recorded"] == fresh["moved"]["now"]
    guilty = edit(proven, "solo", "another\n")
    (answer,) = why(proven, "src/solo.txt")
    assert answer["moved"]["moved_by"] == guilty
    assert answer["moved"]["now"] == proven.repo.git("rev-parse", "HEAD:src/solo.txt")
    assert "`solo` ran on another content of it" in answer["reasons"]


def test_an_input_that_is_gone_or_new_is_an_input_still(proven: Project) -> None:
    proven.repo.git("rm", "--quiet", "src/solo.txt")
    proven.repo.commit("gone")
    (answer,) = why(proven, "src/solo.txt")
    assert answer["moved"]["now"] is None
    proven.edit("inputs: [src/one.txt, src/common.txt]", 'inputs: ["src/[oc]*.txt"]')
    proven.repo.write("src/over.txt", "new\n")
    (answer,) = why(proven, "src/over.txt")
    assert (answer["step"]["step"], answer["moved"]["recorded"]) == ("one", None)


def test_a_receipt_is_known_by_path_ulid_and_digest(proven: Project) -> None:
    path = proven.receipts("one")[0]
    ulid = path.name.partition("_")[0]
    digest = path.stem.rpartition("_")[2]
    shown = path.relative_to(proven.root).as_posix()
    for word in (shown, path.name, path.stem, ulid, digest[:8]):
        (answer,) = why(proven, word, expect=0)
        assert (answer["kind"], answer["receipt"], answer["verdict"]) == ("receipt", shown, "fresh")
        assert "for `one` it speaks" in answer["reasons"]
    edit(proven, "one", "another\n")
    proven.run_phase()
    (answer,) = why(proven, ulid)
    assert answer["verdict"] == "stale"
    assert answer["reasons"][-1] == "for `one` it does not speak: a later or better one does"
    path.unlink()
    assert why(proven, ulid)[0]["verdict"] == "missing"


def test_a_commit_says_what_it_made_stale(proven: Project) -> None:
    evidence = proven.repo.git("rev-parse", "HEAD")
    guilty = edit(proven, "one", "another\n")
    proven.repo.write("docs/notes.md", "more\n")
    innocent = proven.repo.commit("docs")
    (answer,) = why(proven, guilty[:10])
    assert (answer["kind"], answer["commit"], answer["subject"]) == (
        "commit",
        guilty,
        "one is another",
    )
    assert [(e["step"], e["before"], e["after"], e["lost"]) for e in answer["effects"]] == [
        ("one", "fresh", "stale", True),
        ("two", "fresh", "stale", True),
    ]
    (answer,) = why(proven, innocent, expect=0)
    assert answer["effects"] == []
    assert "it changed no verdict" in proven.call("why", "HEAD")[1]
    (answer,) = why(proven, evidence, expect=0)
    assert {effect["after"] for effect in answer["effects"]} == {"fresh"}
    root = proven.repo.git("rev-list", "--max-parents=0", "HEAD")
    assert why(proven, root, expect=0)[0]["parent"] is None


def test_a_name_of_a_plan_goes_before_a_commit(proven: Project) -> None:
    proven.repo.git("tag", "solo")
    assert why(proven, "solo", expect=0)[0]["kind"] == "step"


def test_what_git_has_is_restored_and_not_run(proven: Project) -> None:
    (proven.hub / "analysis/one.txt").write_text("by hand\n")
    hub = proven.hub.relative_to(proven.root).as_posix()
    (answer,) = why(proven, "two")
    assert answer["restore"] == f"git checkout HEAD -- {hub}/analysis/one.txt"
    (answer,) = why(proven, "analysis/one.txt")
    assert (answer["kind"], answer["verdict"]) == ("artifact", "modified")


def test_paths_may_be_typed_from_the_working_directory(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(proven.root / "src")
    assert why(proven, "solo.txt", expect=0)[0]["kind"] == "input"
    monkeypatch.chdir(proven.hub / "cli")
    assert why(proven, "one.log", expect=0)[0]["kind"] == "artifact"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sollo", "`solo`"),
        ("analysis/on.txt", "`analysis/one.txt`"),
        ("src/commn.txt", "src/common"),
    ],
)
def test_what_is_near_is_offered(proven: Project, typed: str, meant: str) -> None:
    code, _, err = proven.call("why", typed)
    assert code == 4
    assert "did you mean" in err
    assert meant in err


def test_of_two_ways_to_one_cause_the_shorter_is_told(project: Project) -> None:
    third = (
        "id: three\n        needs: [two, one]\n        run: echo 3\n        log: cli/three.log\n"
    )
    project.edit(
        "      - id: solo", f"      - {third}        inputs: [src/two.txt]\n      - id: solo"
    )
    project.repo.commit("a third step")
    project.run_phase()
    project.repo.commit("evidence")
    edit(project, "one", "another\n")
    (answer,) = why(project, "three")
    assert [cause["chain"] for cause in answer["causes"]] == [["three", "one"]]
