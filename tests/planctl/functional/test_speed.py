"""What verify starts and opens: nothing that grows with the evidence, nothing it has read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from planctl.cli.app import run
from planctl.ops.facts import Facts, fact
from tests.planctl.functional.conftest import Project

FACTS = ".git/planctl/facts"
# Runs planctl in a process that notes every file it opens and every program it starts.
WATCHED = """\
import json, os, sys
opened, started = [], []
def note(event, given):
    if event == "open" and isinstance(given[0], (str, bytes)):
        opened.append(os.path.abspath(os.fsdecode(given[0])))
    elif event in ("subprocess.Popen", "os.posix_spawn"):
        started.append([os.fsdecode(word) for word in given[1]])
sys.addaudithook(note)
from planctl.cli.app import run
code = run(sys.argv[2:])
with open(sys.argv[1], "w") as stream:
    json.dump({"code": code, "opened": opened, "started": started}, stream)
"""


def watched(project: Project, *words: str) -> tuple[list[str], list[list[str]]]:
    """Run planctl; return the files of the hub that it opened, and the git commands it started."""
    told = project.root.parent / "told.json"
    command = [sys.executable, "-c", WATCHED, str(told), *words]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(told.read_text())
    assert seen["code"] == 0, done.stdout + done.stderr
    hub = f"{project.hub}/"
    opened = [path.removeprefix(hub) for path in seen["opened"] if path.startswith(hub)]
    return opened, [words for words in seen["started"] if "git" in words[0]]


def artifacts(opened: list[str]) -> list[str]:
    """Return what is no receipt."""
    return sorted({name for name in opened if not name.startswith("receipts/")})


def settle(project: Project) -> None:
    """Let git write its index in a later second than the files were changed in."""
    time.sleep(1.1)
    for name in ("artifact", "again"):
        (project.root / f"{name}.txt").write_text(name)
        project.repo.git("add", f"{name}.txt")
        project.repo.commit(name)


@pytest.fixture
def seen(proven: Project) -> Project:
    """Return a project whose artifacts a verify has read, long after they were written."""
    settle(proven)
    assert proven.call("verify")[0] == 0
    return proven


def test_an_unchanged_artifact_is_not_opened_again(proven: Project) -> None:
    settle(proven)
    first, _ = watched(proven, "verify")
    assert artifacts(first) == ["analysis/one.txt", "analysis/two.txt", "cli/one.log",
                                "cli/two.log", "green/solo.log"]  # fmt: skip
    second, _ = watched(proven, "verify")
    assert artifacts(second) == []
    assert [name for name in second if name.startswith("receipts/")]


def test_no_cache_opens_every_artifact_and_keeps_no_fact(seen: Project) -> None:
    before = (seen.root / FACTS).read_bytes()
    opened, started = watched(seen, "verify", "--no-cache")
    assert len(artifacts(opened)) == 5
    assert any("hash-object" in words for words in started)
    assert (seen.root / FACTS).read_bytes() == before


def test_an_artifact_of_this_second_is_read_every_time(proven: Project) -> None:
    index = proven.root / ".git/index"
    os.utime(index, (1_000_000_000, 1_000_000_000))  # no artifact is older
    (proven.root / FACTS).unlink(missing_ok=True)
    proven.call("verify")
    opened, _ = watched(proven, "verify")
    assert len(artifacts(opened)) == 5


def test_what_is_not_committed_is_read_every_time(project: Project) -> None:
    project.run_phase()
    project.repo.git("add", "src", "plans/active/X-001/plan.yaml")
    project.call("verify")
    opened, _ = watched(project, "verify")
    assert len(artifacts(opened)) == 5


@pytest.mark.parametrize("kept_times", [True, False])
def test_an_edit_after_the_look_is_seen(seen: Project, kept_times: bool) -> None:
    place = seen.hub / "analysis/one.txt"
    before = place.stat()
    place.write_text("ENO\n")
    if kept_times:
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_size == before.st_size
    assert seen.verdicts() == {"one": "modified", "two": "stale", "solo": "fresh"}


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_an_artifact_that_git_looks_away_from_is_read(seen: Project, flag: str) -> None:
    name = f"{seen.hub.relative_to(seen.root)}/analysis/one.txt"
    seen.repo.git("update-index", flag, name)
    assert seen.call("verify")[0] == 0
    (seen.hub / "analysis/one.txt").write_text("ENO\n")
    assert seen.repo.git("status", "--porcelain") == ""
    assert seen.verdicts()["one"] == "modified"


def test_an_edit_that_a_filter_undoes_is_seen(seen: Project) -> None:
    (seen.root / ".git/info").mkdir(exist_ok=True)
    (seen.root / ".git/info/attributes").write_text("*.txt text=auto\n* text=auto\n")
    (seen.hub / "analysis/one.txt").write_bytes(b"one\r\n")
    assert seen.verdicts()["one"] == "modified"
    seen.repo.git("add", "--renormalize", ".")
    seen.repo.git("status")
    assert seen.verdicts()["one"] == "modified"
    assert seen.verdicts()["one"] == "modified"


def test_an_artifact_behind_a_link_is_seen(seen: Project, tmp_path: Path) -> None:
    folder = seen.hub / "analysis"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert seen.verdicts()["one"] == "modified"


def big_folder(project: Project) -> Path:
    """Let `solo` collect a folder of 70 files, and run it."""
    make = "mkdir -p out/big && for i in $(seq 70); do echo $i > out/big/$i.txt; done"
    project.edit("run: echo solo", f"run: {make}")
    project.edit(
        "log: green/solo.log",
        "log: green/solo.log\n        collect: [{ from: out/big, to: analysis/big }]",
    )
    project.run_phase()
    project.repo.commit("evidence")
    settle(project)
    assert project.call("verify")[0] == 0
    return project.hub / "analysis/big"


def test_a_folder_is_not_read_again_until_something_in_it_moves(project: Project) -> None:
    folder = big_folder(project)
    assert artifacts(watched(project, "verify")[0]) == []
    (project.root / ".git/info").mkdir(exist_ok=True)
    (project.root / ".git/info/exclude").write_text("*.secret\n")
    extra = folder / "x.secret"
    extra.write_text("git ignores it\n")
    assert project.verdicts()["solo"] == "modified"
    extra.unlink()
    assert project.verdicts()["solo"] == "fresh"
    (folder / "7.txt").unlink()
    extra.write_text("as many names as before\n")
    assert project.verdicts()["solo"] == "modified"
    extra.rename(folder / "7.txt")
    assert project.verdicts()["solo"] == "modified"
    (folder / "7.txt").write_text("7\n")
    assert project.verdicts()["solo"] == "fresh"


@pytest.mark.parametrize(
    "harm",
    [
        lambda place: place.write_bytes(b""),
        lambda place: place.write_bytes(os.urandom(4096)),
        lambda place: place.write_bytes(place.read_bytes()[:-40]),
        lambda place: place.write_bytes(place.read_bytes()[:40] + place.read_bytes()[72:]),
        lambda place: (place.unlink(), place.symlink_to("/dev/zero")),
        lambda place: (place.unlink(), os.mkfifo(place)),
        lambda place: (place.unlink(), place.mkdir()),
    ],
    ids=["empty", "noise", "cut", "shorter", "link", "pipe", "folder"],
)
def test_a_damaged_file_of_facts_is_not_believed(
    seen: Project, harm: Callable[[Path], object]
) -> None:
    harm(seen.root / FACTS)
    assert len(artifacts(watched(seen, "verify")[0])) == 5


def test_a_clone_that_cannot_be_written_is_judged(proven: Project) -> None:
    (proven.root / FACTS).unlink(missing_ok=True)
    (proven.root / FACTS).mkdir()
    assert set(proven.verdicts().values()) == {"fresh"}


def test_facts_are_kept_pruned_and_joined(tmp_path: Path) -> None:
    place = tmp_path / "facts"
    one, two = Facts(place), Facts(place)
    one.add(fact("a", "1"))
    two.add(fact("b", "2"))
    one.save()
    two.save()
    both = Facts(place)
    assert fact("a", "1") in both
    assert fact("b", "2") in both
    assert fact("a", "2") not in both
    nothing = Facts(None)
    nothing.add(fact("a", "1"))
    nothing.save()


def test_no_plugin_of_pydantics_sees_what_is_read(proven: Project, tmp_path: Path) -> None:
    place = tmp_path / "packages"
    (place / "x-1.dist-info").mkdir(parents=True)
    (place / "x-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    (place / "x-1.dist-info/entry_points.txt").write_text("[pydantic]\nx = eavesdropper:plugin\n")
    (place / "eavesdropper.py").write_text(
        f"open({str(tmp_path / 'heard')!r}, 'w')\nclass Plugin:\n"
        "    def new_schema_validator(self, *args, **more):\n        return None, None, None\n"
        "plugin = Plugin()\n"
    )
    models = "from pydantic import BaseModel\nclass A(BaseModel): pass"
    verdict = "from planctl.cli.app import run\nassert run(['verify']) == 0"
    for code, heard in ((verdict, False), (models, True)):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=proven.root,
            env=os.environ | {"PYTHONPATH": str(place)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        assert (tmp_path / "heard").exists() is heard


def test_a_verdict_in_a_pipe_loads_little(proven: Project) -> None:
    code = (
        "import sys\nfrom planctl.cli.app import run\nassert run(['verify']) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=proven.root, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "planctl.ops.verify" in loaded
    assert not loaded & {"rich", "git", "email", "importlib.metadata", "cryptography"}
    assert not loaded & {"planctl.models.slurm_settings", "planctl.models.replay"}


def test_the_number_of_git_processes_does_not_grow(project: Project) -> None:
    """The same number for one initiative of 3 steps and of 40 with more receipts and gates."""
    project.run_phase()
    project.repo.commit("evidence")
    settle(project)
    assert project.call("verify")[0] == 0
    few = watched(project, "verify")[1]
    text = project.plan_path.read_text()
    rows = (project.plan_path.parent / "implementation.md").read_text()
    for number in range(8):
        (project.root / f"src/fix{number}.txt").write_text("fix\n")
        gate = project.repo.commit(f"fix {number}")
        text += f'  P{number}:\n    title: P\n    gate: "{gate}"\n    inputs: ["src/*.txt"]\n'
        text += "    steps:\n" + "".join(
            f"      - {{ id: s{number}-{step}, run: echo {step}, log: cli/s{number}-{step}.log }}\n"
            for step in range(4)
        )
    project.plan_path.write_text(text)
    (project.plan_path.parent / "implementation.md").write_text(rows)
    project.repo.commit("a larger plan")
    for number in range(8):
        assert run(["run-phase", "X-001", f"P{number}"]) == 0
    project.repo.commit("more evidence")
    settle(project)
    assert project.call("verify")[0] == 0
    many = watched(project, "verify")[1]
    assert len(project.receipts("*")) >= 35
    assert len(many) - len(few) <= 1, (few, many)  # the common start of several gates
    assert len(many) < 16
