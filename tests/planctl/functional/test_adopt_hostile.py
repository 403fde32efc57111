"""`planctl adopt` on names and texts that were written to do harm, or by chance look so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planctl.models.adoption import ProposedStep, Source
from planctl.models.plan.parse import parse_plan
from planctl.ops.adopt.drafting import plan_text, scalar
from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project

HOSTILE = [
    "with blank",
    "quo'te",
    'dou"ble',
    "back\\slash",
    "line\nend",
    "$(touch ran)",
    "`touch ran`",
    "; touch ran",
    "-rf",
    "#comment",
    "a: b",
    "{x}",
    "*glob?",
    "ümläut",
    "\x1b[31mred",
]


def answer(project: Project, *words: str) -> dict[str, Any]:
    code, out, err = project.call("adopt", *words, "--json")
    assert code == 0, err
    (found,) = json.loads(out)
    result: dict[str, Any] = found
    return result


@pytest.fixture
def project(repo: Repo, capture: Any) -> Project:
    return Project(repo, capture)


def test_hostile_log_names_are_quoted_or_named_and_never_run(project: Project) -> None:
    repo = project.repo
    for name in HOSTILE:
        repo.write(f"runs/one/logs/{name}.log", "$ python3 measure.py\nok\n")
    repo.write("runs/one/logs/plain.log", "$ python3 measure.py\nok\n")
    repo.commit("hostile names")
    found = answer(project, "runs/one")
    refused = {gap["where"] for gap in found["gaps"] if gap["kind"] == "name no plan can hold"}
    planned = {step["path"] for step in found["steps"]}
    assert planned | refused == {f"runs/one/logs/{name}.log" for name in [*HOSTILE, "plain"]}
    assert {"runs/one/logs/plain.log", "runs/one/logs/a: b.log"} <= planned
    assert {"runs/one/logs/$(touch ran).log", "runs/one/logs/line\nend.log"} <= refused
    plan = yaml.safe_load((repo.root / found["plan_path"]).read_text())
    logs = {step["log"] for phase in plan["phases"].values() for step in phase["steps"]}
    assert {f"runs/one/{log}" for log in logs} == planned
    code, out, _ = project.call("verify", "--json")
    assert {step["verdict"] for step in json.loads(out)[0]["steps"]} == {"unproven"}
    assert code == 1
    _, out, _ = project.call("adopt", "runs/one", "--dry-run")
    assert "\x1b" not in out
    assert not list(repo.root.rglob("ran"))


def test_hostile_test_names_are_quoted_in_a_command(project: Project) -> None:
    head = "= test session starts =\ncollected 2 items\n\n"
    node = "tests/test_x.py::test_a[$(touch ran); 'q' \"d\"]"
    project.repo.write("runs/one/logs/t.log", f"{head}{node} PASSED\n")
    project.repo.commit("log")
    (step,) = answer(project, "runs/one")["steps"]
    import shlex

    assert shlex.split(step["run"]) == ["python", "-m", "pytest", node]
    assert not list(project.root.rglob("ran"))


def test_names_that_are_no_utf8_are_named(project: Project) -> None:
    logs = project.root / "runs/one/logs"
    logs.mkdir(parents=True)
    (logs / "ok.log").write_text("$ python3 measure.py\n")
    Path(os.fsdecode(os.fsencode(logs) + b"/bad\xff.log")).write_text("$ python3 x.py\n")
    project.repo.commit("odd")
    found = answer(project, "runs/one")
    assert [step["log"] for step in found["steps"]] == ["logs/ok.log"]
    assert "'bad\\udcff.log'" in [gap["where"] for gap in found["gaps"]]


@pytest.mark.parametrize("name", ["on", "null", "1e5", "007", "1.0", "y", "0x1F", "2025"])
def test_ids_that_mean_something_in_yaml_stay_names(project: Project, name: str) -> None:
    project.repo.write(f"runs/{name}/logs/{name}.log", "$ python3 measure.py\n")
    project.repo.commit("log")
    found = answer(project, f"runs/{name}", "--id", name)
    assert found["initiative"] == name
    code, out, _ = project.call("verify", name, "--json")
    assert (code, json.loads(out)["steps"][0]["verdict"]) == (1, "unproven")


def test_titles_and_phases_that_mean_something_in_yaml_stay_texts(project: Project) -> None:
    title = 'Yes: "all" #1 & *none* {x}'
    project.repo.write(
        "runs/one/plan.md", f"# {title}\n\n## Phase NO: off\n\n- [ ] NO1: `logs/a.log`\n"
    )
    project.repo.write("runs/one/logs/a.log", "$ python3 measure.py\n")
    project.repo.commit("log")
    found = answer(project, "runs/one")
    plan = parse_plan((project.root / found["plan_path"]).read_text(), "plan.yaml")
    assert plan.title == title
    assert list(plan.phases) == ["NO"]
    assert plan.phases["NO"].title == "off"
    assert plan.phases["NO"].steps[0].rows == ("NO1",)


def test_links_are_not_followed(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    (outside / "logs").mkdir(parents=True)
    (outside / "logs/s.log").write_text("$ python3 secret.py\n")
    project.repo.write("runs/one/logs/a.log", "$ python3 measure.py\n")
    (project.root / "runs/one/more").symlink_to(outside)
    (project.root / "runs/one/logs/link.log").symlink_to(outside / "logs/s.log")
    project.repo.commit("links")
    found = answer(project, "runs/one")
    assert [step["log"] for step in found["steps"]] == ["logs/a.log"]
    assert "secret" not in (project.root / "plans/active/one/adopted.json").read_text()


def test_pipes_and_broken_texts_do_not_stop_it(project: Project) -> None:
    logs = project.root / "runs/one/logs"
    logs.mkdir(parents=True)
    (logs / "a.log").write_text("$ python3 measure.py\n")
    (logs / "binary.log").write_bytes(b"\0\1\2$ python3 x.py\n" * 100)
    (logs / "half.log").write_bytes(b"\xff\xfe$ python3\n\x80")
    (logs / "long.log").write_text("- " * 200_000 + "Command: " + "x" * 1_000_000 + "\n")
    (project.root / "runs/one/notes.md").write_bytes(
        b"`" * 50_001 + b"\n```\n$ a | tee \xff\n" * 50
    )
    os.mkfifo(logs / "pipe.log")
    project.repo.commit("odd")
    found = answer(project, "runs/one")
    assert [step["log"] for step in found["steps"]] == ["logs/a.log"]


def test_secrets_and_places_to_fill_in_are_not_copied(project: Project) -> None:
    project.repo.write(
        "runs/one/plan.md",
        "# One\n\n```sh\nexport API_TOKEN=hunter2\nN=3\n"
        "python3 fetch.py --token $API_TOKEN --n $N > logs/a.log\n"
        "python3 fit.py --data <file> > logs/b.log\npython3 x.py --mode $MODE > logs/c.log\n```\n",
    )
    for name in "abc":
        project.repo.write(f"runs/one/logs/{name}.log", "ok\n")
    project.repo.commit("log")
    found = answer(project, "runs/one")
    text = (project.root / found["plan_path"]).read_text()
    assert "hunter2" not in text
    assert yaml.safe_load(text)["env"] == {"N": "3"}
    kinds = {(gap["kind"], gap["where"]) for gap in found["gaps"]}
    assert ("variable without a value", "$API_TOKEN") in kinds
    assert ("variable without a value", "$MODE") in kinds
    assert ("log without a command", "runs/one/logs/b.log") in kinds


@given(st.text(max_size=40))
def test_a_scalar_reads_back_as_its_text(text: str) -> None:
    for written in (f"k: {scalar(text)}\n", f"k: [{scalar(text)}]\n", f"{scalar(text)}: v\n"):
        raw = yaml.safe_load(written)
        assert text in (raw.get("k"), *(raw.get("k") or []), *raw)


@given(
    st.text(
        st.characters(exclude_characters="\0") | st.sampled_from("\n \\'\"#:"), min_size=1
    ).filter(str.strip)
)
def test_a_drafted_command_reads_back_as_it_is(run: str) -> None:
    run = "".join(char for char in run if not "\ud800" <= char <= "\udfff") or "x"
    step = ProposedStep("A", "one", "logs/a.log", "r/logs/a.log", run, Source("p.md", 1, "how"))
    text = plan_text("X-1", "t", "r", ["r"], [step], {}, {})
    plan = parse_plan(text, "plan.yaml")
    assert plan.phases["A"].steps[0].run == run
