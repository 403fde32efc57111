"""`planctl at`: what was proven at a commit, against `verify` in a clean work tree of it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import ID, Project, write_project
from tests.planctl.functional.signers import Signers

AtRoot = Callable[[Path], Project]
# What only the work tree can be: `at` speaks of a commit.
KEYS = ("step", "verdict", "reasons", "receipt", "tier", "artifacts", "predicates", "warnings")


def past(project: Project, revision: str, *words: str, expect: int | None = None) -> dict[str, Any]:
    """Return what `at` says of the one initiative."""
    code, out, err = project.call("at", revision, *words, "--json")
    assert code in (0, 1) if expect is None else code == expect, err
    result: dict[str, Any] = json.loads(out)
    assert result["ok"] == (code == 0)
    return result


def verdicts_at(project: Project, revision: str) -> dict[str, str]:
    """Return step → verdict at a commit."""
    (report,) = past(project, revision, ID)["reports"]
    return {step["step"]: step["verdict"] for step in report["steps"]}


def checked_out(project: Project, at: AtRoot, commit: str, place: Path) -> dict[str, Any] | None:
    """Return what `verify` says in a clean work tree of a commit; None when it refuses."""
    project.repo.git("worktree", "add", "--quiet", "--detach", str(place), commit)
    there = at(place)
    code, out, err = there.call("verify", ID, "--json")
    at(project.root)
    project.repo.git("worktree", "remove", "--force", str(place))
    if code == 4:
        return None
    assert code in (0, 1), err
    result: dict[str, Any] = json.loads(out)
    return result


def same(told: dict[str, Any], seen: dict[str, Any]) -> None:
    """Compare two reports in everything that a clean clone of the commit can show."""
    assert told["head"] == seen["head"]
    assert [[s[key] for key in KEYS] for s in told["steps"]] == [
        [s[key] for key in KEYS] for s in seen["steps"]
    ]
    assert told["unproven"] == seen["unproven"]


def without_clock(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out the one predicate that is told by the day it is asked."""
    for step in report["steps"]:
        step["predicates"] = [p for p in step["predicates"] if p["name"] != "clock"]
    return report


class History:
    """Random things that happen to a project, each a commit."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.random = project, random.Random(seed)

    def happens(self) -> None:
        name = self.random.choice([item for item in vars(type(self)) if item.startswith("do_")])
        getattr(self, name)()
        self.project.repo.commit(name)

    def _source(self) -> str:
        return f"src/{self.random.choice(['common', 'one', 'two', 'solo'])}.txt"

    def do_edit(self) -> None:
        self.project.repo.write(self._source(), f"{self.random.randrange(3)}\n")

    def do_run(self) -> None:
        self.project.call("run-phase", ID, "A", "--json")

    def do_run_dirty(self) -> None:
        path = self._source()
        before = (self.project.root / path).read_text()
        self.project.repo.write(path, f"dirty {self.random.randrange(2)}\n")
        self.project.call("run-phase", ID, "A", "--json")
        if self.random.random() < 0.5:
            self.project.repo.write(path, before)

    def do_edit_artifact(self) -> None:
        found = [p for p in sorted(self.project.hub.rglob("*.txt")) if "inventory" not in p.name]
        if found:
            self.random.choice(found).write_text("by hand\n")

    def do_delete_evidence(self) -> None:
        found = sorted(p for p in self.project.hub.rglob("*") if p.is_file())
        if found:
            self.random.choice(found).unlink()

    def do_overwrite_receipt(self) -> None:
        found = sorted((self.project.hub / "receipts").glob("*.json"))
        if len(found) > 1:
            one, other = self.random.sample(found, 2)
            one.write_bytes(other.read_bytes())

    def do_link_artifact(self) -> None:
        found = sorted((self.project.hub / "analysis").glob("*.txt"))
        if found:
            target = self.random.choice(found)
            target.unlink()
            target.symlink_to("../cli/one.log")

    def do_fail(self) -> None:
        self.project.edit("echo ", "false; echo ")
        self.project.call("run-phase", ID, "A", "--force", "--json")
        self.project.edit("false; echo ", "echo ")

    def do_contract(self) -> None:
        text = self.project.plan_path.read_text()
        old, new = ("echo solo", "echo alone") if "echo solo" in text else ("alone", "solo")
        self.project.plan_path.write_text(text.replace(old, new))

    def do_revert(self) -> None:
        self.project.repo.git("revert", "--no-edit", "HEAD", check=False)
        self.project.repo.git("revert", "--abort", check=False)

    def do_docs(self) -> None:
        self.project.repo.write("docs/notes.md", f"{self.random.random()}\n")

    def do_merge(self) -> None:
        git = self.project.repo.git
        git("checkout", "--quiet", "-b", "side")
        self.do_edit()
        self.project.repo.commit("on the side")
        if self.random.random() < 0.5:
            self.do_run()
            self.project.repo.commit("evidence of the side")
        git("checkout", "--quiet", "main")
        self.do_docs()
        self.project.repo.commit("meanwhile")
        git("merge", "--quiet", "--no-ff", "--message", "merge", "-X", "theirs", "side")
        git("branch", "--quiet", "-D", "side")

    def do_other_hub(self) -> None:
        self.project.call("hub", "new", ID, "--slug", f"h{self.random.randrange(99)}")

    def do_plan_breaks(self) -> None:
        text = self.project.plan_path.read_text()
        self.project.plan_path.write_text(text + "nonsense: 1\n")
        self.project.repo.commit("broken plan")
        self.project.plan_path.write_text(text)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3, 4))]
)
def test_at_says_of_every_commit_what_verify_says_in_a_clean_work_tree_of_it(
    proven: Project, at: AtRoot, tmp_path: Path, seed: int
) -> None:
    history = History(proven, seed)
    for _ in range(8 if seed == 0 else 15):
        history.happens()
    commits = proven.repo.git("rev-list", "HEAD").split()
    told = 0
    for commit in commits:
        seen = checked_out(proven, at, commit, tmp_path / "there")
        if seen is None:
            code, _, _ = proven.call("at", commit, ID)
            assert code == 4
            continue
        (report,) = past(proven, commit, ID)["reports"]
        same(without_clock(report), without_clock(seen))
        told += 1
    assert told > 7


def test_at_takes_tags_branches_short_ids_and_relative_names(proven: Project) -> None:
    head = proven.repo.git("rev-parse", "HEAD")
    proven.repo.git("tag", "--annotate", "--message", "x", "v1")
    proven.repo.write("src/one.txt", "another\n")
    proven.repo.commit("an edit")
    for name in ("v1", "HEAD~1", head[:8], "main^"):
        assert past(proven, name)["commit"] == head
        assert set(verdicts_at(proven, name).values()) == {"fresh"}
    assert verdicts_at(proven, "HEAD") == {"one": "stale", "two": "stale", "solo": "fresh"}


def test_at_looks_at_the_commit_and_not_at_the_work_tree(proven: Project) -> None:
    before = proven.repo.git("status", "--porcelain")
    (proven.hub / "analysis/one.txt").write_text("by hand\n")
    proven.repo.write("src/solo.txt", "uncommitted\n")
    assert set(verdicts_at(proven, "HEAD").values()) == {"fresh"}
    shutil.rmtree(proven.hub)
    assert set(verdicts_at(proven, "HEAD").values()) == {"fresh"}
    proven.repo.git("checkout", "--", ".")
    assert proven.repo.git("status", "--porcelain") == before


def test_a_waiver_counts_as_of_the_day_of_the_commit(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiver = "id: solo\n        waive: { who: a person, why: it is late, until: 2020-02-01 }"
    proven.edit("id: solo", waiver)
    proven.repo.write("src/solo.txt", "another\n")
    for day, verdict in (("2020-01-31", "waived"), ("2020-02-02", "stale")):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{day}T12:00:00Z")
        commit = proven.repo.commit(f"on {day}")
        assert verdicts_at(proven, commit)["solo"] == verdict
        (note,) = past(proven, commit)["notes"]
        assert f"`solo`) count as of {day}" in note


def test_data_outside_git_counts_as_recorded_and_is_named(project: Project) -> None:
    (project.root / "out").mkdir()
    (project.root / "out/scan.bin").write_text("first\n")
    project.edit("inputs: [src/solo.txt]", "inputs: [src/solo.txt]\n        data: [out/scan.bin]")
    project.repo.commit("data")
    project.run_phase()
    project.repo.commit("evidence")
    (project.root / "out/scan.bin").write_text("second\n")
    assert project.verdicts()["solo"] == "stale"
    assert verdicts_at(project, "HEAD")["solo"] == "fresh"
    assert "out/scan.bin" in past(project, "HEAD")["notes"][0]


def test_at_of_an_unknown_commit_says_what_can_be_done(
    proven: Project, at: AtRoot, tmp_path: Path
) -> None:
    code, out, err = proven.call("at", "nonsense", "--json")
    assert code == 4
    assert json.loads(out)["error"]["slug"] == "not-found"
    assert "`nonsense` names no commit of this clone" in err
    old = proven.repo.git("rev-parse", "HEAD~1")
    proven.repo.git("clone", "--quiet", "--depth=1", proven.root.as_uri(), str(tmp_path / "cut"))
    cut = at(tmp_path / "cut")
    code, _, err = cut.call("at", old)
    assert code == 4
    assert "git fetch --unshallow" in err


def test_at_before_there_was_a_plan_says_so(proven: Project) -> None:
    first = proven.repo.git("rev-list", "--max-parents=0", "HEAD")
    code, _, err = proven.call("at", first)
    assert code == 4
    assert "has no initiative" in err
    code, _, err = proven.call("at", first, ID)
    assert code == 4
    assert f"no initiative `{ID}` at `{first[:8]}`" in err


def test_at_leaves_nothing_behind(
    proven: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    past(proven, "HEAD", expect=0)
    assert not list(folder.iterdir())
    assert not proven.repo.git("status", "--porcelain")


def test_at_prints_the_table_and_who_says_when(proven: Project) -> None:
    code, out, _ = proven.call("at", "HEAD", ID, "A")
    assert code == 0
    assert "3 of 3 steps proven" in out
    assert "(the commit says so)" in out
    code, _, err = proven.call("at", "HEAD", ID, "Z")
    assert code == 4
    assert "has no phase `Z`" in err


def step_at(project: Project, revision: str, step: str) -> dict[str, Any]:
    """Return what `at` says of a step."""
    (report,) = past(project, revision, ID)["reports"]
    return next(item for item in report["steps"] if item["step"] == step)


def test_the_keys_and_the_policy_of_the_commit_count_and_not_those_of_now(
    project: Project, signers: Signers
) -> None:
    signers.ask("signed")
    signers.person("ada", "engineer")
    signers.be("ada")
    project.run_phase()
    signers.be(None)
    signed = project.repo.commit("signed evidence")
    (project.root / ".planctl/allowed_signers").write_text("")
    stranger = project.repo.commit("nobody is trusted")
    signers.ask("recorded")
    lenient = project.repo.commit("nothing is asked")
    assert (step_at(project, signed, "solo")["tier"]) == "signed"
    assert step_at(project, stranger, "solo")["verdict"] == "unproven"
    assert step_at(project, lenient, "solo")["tier"] == "recorded"
    code, out, err = project.call("bisect", "solo", "--all", "--json")
    assert code == 1, err
    (trail,) = json.loads(out)["trails"]
    assert [turn["commit"] for turn in trail["turns"]][-2:] == [stranger, lenient]
    assert [turn["predicate"] for turn in trail["turns"]][-2:] == ["signature", None]


def test_a_replay_counts_from_the_commit_that_brought_it(proven: Project) -> None:
    before = proven.repo.git("rev-parse", "HEAD")
    code, _, err = proven.call("replay", ID, "A", "--step", "solo")
    assert code == 0, err
    after = proven.repo.commit("replayed")
    assert step_at(proven, before, "solo")["tier"] == "recorded"
    assert step_at(proven, after, "solo")["tier"] == "replayed"


def test_data_that_git_tracks_is_compared(project: Project) -> None:
    project.repo.write("scans/one.bin", "first\n")
    (project.root / "scans/link.bin").symlink_to("one.bin")
    project.edit("inputs: [src/solo.txt]", "inputs: [src/solo.txt]\n        data: [scans/link.bin]")
    project.repo.commit("data")
    project.run_phase()
    good = project.repo.commit("evidence")
    project.repo.write("scans/one.bin", "second\n")
    bad = project.repo.commit("another scan")
    assert verdicts_at(project, good)["solo"] == "fresh"
    assert verdicts_at(project, bad)["solo"] == "stale"
    assert past(project, bad)["notes"] == []
    code, out, _ = project.call("bisect", "solo", "--json")
    assert code == 0
    assert json.loads(out)["trails"][0]["lost"]["commit"] == bad


@pytest.mark.parametrize("where", ["hub", "receipts"])
def test_evidence_behind_a_link_is_none_in_a_commit_either(
    proven: Project, at: AtRoot, tmp_path: Path, where: str
) -> None:
    place = proven.hub if where == "hub" else proven.hub / "receipts"
    moved = proven.root / f"moved-{where}"
    place.rename(moved)
    place.symlink_to(moved)
    commit = proven.repo.commit("linked")
    seen = checked_out(proven, at, commit, tmp_path / "there")
    code, out, _ = proven.call("at", commit, ID, "--json")
    if seen is None:
        assert code == 4
    else:
        assert code == 1
        same(without_clock(json.loads(out)["reports"][0]), without_clock(seen))


def test_a_folder_of_many_files_is_judged_by_its_digest(
    project: Project, at: AtRoot, tmp_path: Path
) -> None:
    many = "mkdir -p $OUT/many && for n in $(seq 70); do echo $n > $OUT/many/$n.txt; done; cat "
    project.edit("run: mkdir -p $OUT && cat ", f"run: {many}")
    project.edit(
        "{ from: $OUT/one.txt, to: analysis/one.txt }",
        "{ from: $OUT/one.txt, to: analysis/one.txt }\n"
        "          - { from: $OUT/many, to: analysis/many }",
    )
    project.repo.commit("many")
    project.run_phase()
    good = project.repo.commit("evidence")
    (project.hub / "analysis/many/7.txt").write_text("by hand\n")
    bad = project.repo.commit("one of many")
    assert verdicts_at(project, good)["one"] == "fresh"
    assert verdicts_at(project, bad)["one"] == "modified"
    seen = checked_out(project, at, bad, tmp_path / "there")
    assert seen is not None
    same(without_clock(past(project, bad, ID)["reports"][0]), without_clock(seen))


def test_a_repository_of_sha256_ids_is_judged_as_well(
    tmp_path: Path, at: AtRoot, capture: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "long ids"
    root.mkdir()
    repo = Repo(root)
    repo.git("init", "--quiet", "--object-format=sha256")
    project = at(root)
    write_project(repo)
    project.run_phase()
    good = repo.commit("evidence")
    assert len(good) == 64
    repo.write("src/solo.txt", "another\n")
    bad = repo.commit("an edit")
    assert set(verdicts_at(project, good).values()) == {"fresh"}
    assert verdicts_at(project, bad)["solo"] == "stale"
    code, out, _ = project.call("bisect", "solo", "--json")
    assert code == 0
    assert json.loads(out)["trails"][0]["lost"]["commit"] == bad


def test_a_merge_of_three_lines_is_walked(proven: Project) -> None:
    git = proven.repo.git
    for name in ("left", "right"):
        git("checkout", "--quiet", "-b", name, "main")
        proven.repo.write(f"src/{'one' if name == 'left' else 'solo'}.txt", f"{name}\n")
        proven.repo.commit(name)
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--message", "all three", "left", "right")
    merge = git("rev-parse", "HEAD")
    assert verdicts_at(proven, merge) == {"one": "stale", "two": "stale", "solo": "stale"}
    code, out, _ = proven.call("bisect", "solo", "--json")
    assert code == 0
    lost = json.loads(out)["trails"][0]["lost"]
    assert (lost["commit"], lost["merge"]) == (merge, True)
    assert lost["moved"][0]["subject"] == "right"


def test_a_list_of_keys_that_lies_elsewhere_is_read_from_the_commit(
    project: Project, signers: Signers
) -> None:
    signers.person("ada", "engineer")
    (project.root / "keys").mkdir()
    (project.root / ".planctl/allowed_signers").rename(project.root / "keys/trusted")
    project.repo.write("planctl.toml", '[signing]\nallowed_signers = "keys/trusted"\n')
    signers.be("ada")
    project.run_phase()
    signers.be(None)
    signed = project.repo.commit("signed evidence")
    project.repo.git("rm", "--quiet", "-r", "keys")
    stranger = project.repo.commit("nobody is trusted")
    assert step_at(project, signed, "solo")["tier"] == "signed"
    assert step_at(project, stranger, "solo")["tier"] == "recorded"
    project.repo.git("revert", "--no-edit", "HEAD")
    project.repo.write(
        "planctl.toml",
        '[signing]\nallowed_signers = "keys/trusted"\n[policy]\nrequire = "signed"\n',
    )
    project.repo.commit("a policy")
    project.repo.git("rm", "--quiet", "-r", "keys")
    guilty = project.repo.commit("nobody is trusted again")
    code, out, err = project.call("bisect", "solo", "--json")
    assert code == 0, err
    assert json.loads(out)["trails"][0]["lost"]["commit"] == guilty
