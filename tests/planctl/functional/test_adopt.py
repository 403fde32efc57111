"""`planctl adopt` on repositories that never saw planctl."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project

PYTEST = """\
============================= test session starts ==============================
platform linux -- Python 3.11.2, pytest-8.4.1, pluggy-1.6.0
rootdir: /home/someone/project
collected {count} items

{tests}
============================== {count} passed in 0.41s ===============================
"""


def pytest_log(*tests: str) -> str:
    lines = "".join(f"{test} PASSED [100%]\n" for test in tests)
    return PYTEST.format(count=len(tests), tests=lines)


def hubs(repo: Repo) -> str:
    """Layout 1: an initiative with a checklist and a dated hub; commands tee into the logs."""
    folder = "plans/active/SCALE-7"
    hub = f"{folder}/reports/2025-11-13T000000Z/scaling"
    repo.write("tests/test_scale.py", "def test_a(): pass\n")
    repo.write("src/fit/__main__.py", "print('fit')\n")
    repo.write(
        f"{folder}/implementation.md",
        "# Scale the fit\n\n"
        "## Phase A: Baseline\n\n- [x] A1: the scale is tested\n- [x] A2: run `python -m fit`\n\n"
        "### Phase A how-to\n\n"
        "1. `export OUT=outputs/scale`\n"
        '2. `pytest tests/test_scale.py::test_a -q | tee "$HUB"/green/pytest_scale.log`\n'
        '3. Fit:\n   ```bash\n   python -m fit \\\n     --out \\"$OUT\\" --steps 10 \\\n'
        '     |& tee \\"$HUB\\"/cli/fit.log\n   ```\n\n'
        "## Phase B: Guards\n\n- [ ] B1: the guard holds\n- [ ] B2: see `analysis/gone.json`\n",
    )
    repo.write(
        f"{folder}/summary.md",
        f"We kept `analysis/scale.json` and cli/fit.log.\n\nArtifacts: {hub}/, `debug/`\n",
    )
    repo.write(f"{hub}/debug/stats.json", '{"mean": 1}\n')
    repo.write(f"{hub}/green/pytest_scale.log", pytest_log("tests/test_scale.py::test_a"))
    repo.write(f"{hub}/cli/fit.log", "fitting\nscale 0.5\n")
    repo.write(f"{hub}/cli/fit_v2.log", "fitting\nscale 0.6\n")
    repo.write(f"{hub}/phase_b1/cli/guard.log", "guard ran\n")
    repo.write(f"{hub}/analysis/scale.json", '{"scale": 0.5}\n')
    repo.write(f"{hub}/analysis/stray.json", '{"scale": 0.5000000000000000000000001}\n')
    repo.write(f"{hub}/analysis/stray_copy.json", '{"scale": 0.5000000000000000000000001}\n')
    return "SCALE-7"


def experiments(repo: Repo) -> str:
    """Layout 2: runs with logs that say their command; nobody wrote a plan."""
    repo.write("train.py", "print('train')\n")
    logs = "experiments/run-03/logs"
    repo.write(
        f"{logs}/train.log", "2025-01-02 10:00:01 INFO Command: python train.py --lr 0.1\nok\n"
    )
    repo.write(f"{logs}/prompt.log", "someone@host:~/project$ python train.py --lr 0.2\nok\n")
    repo.write(f"{logs}/dollar.log", "$ ./tools/score.sh out\nok\n")
    repo.write(f"{logs}/trace.log", "+ set -e\n+ python3 train.py --lr 0.3\nok\n")
    repo.write(f"{logs}/list.log", "Running: ['python', 'train.py', '--name', 'a b']\nok\n")
    repo.write(
        f"{logs}/session.typescript",
        'Script started on 2025-01-02 10:00:00+00:00 [COMMAND="make report" TERM="xterm"]\nok\n',
    )
    repo.write(
        f"{logs}/tests.log", pytest_log("tests/test_x.py::test_a[1 2]", "tests/test_x.py::test_b")
    )
    repo.write(f"{logs}/silent.log", "epoch 1\nepoch 2\nCommand was fine: it ended.\n")
    return "experiments/run-03"


def notes(repo: Repo) -> str:
    """Layout 3: a folder of its own with dated runs, a Makefile, scripts and prose."""
    repo.write("Makefile", "OUT = out\n\nfit:\n\t@python fit.py > $(LOGS)/fit.log 2>&1\n")
    repo.write(
        "scripts/infer.sh", "#!/bin/bash\nset -e\npython infer.py --n 3 | tee $RUN/infer.out\n"
    )
    repo.write("docs/COMMANDS.md", "# Commands\n\nSee `pytest tests/test_dose.py -v`.\n")
    repo.write(
        "studies/dose/plan.md",
        "# Dose study\n\n- [ ] P1 fit\n\nThe curve came from `python plot.py --dose 3`, "
        "see plot.log for what it said.\n",
    )
    run = "studies/dose/2025-11-10"
    repo.write(f"{run}/fit.log", "fit\n")
    repo.write(f"{run}/infer.out", "infer\n")
    repo.write(f"{run}/plot.log", "plot\n")
    repo.write(f"{run}/tests.log", pytest_log("tests/test_dose.py::test_a"))
    return "studies/dose"


LAYOUTS = {"hubs": hubs, "experiments": experiments, "notes": notes}


@pytest.fixture(params=LAYOUTS)
def foreign(request: pytest.FixtureRequest, repo: Repo, capture: Any) -> tuple[Project, str]:
    target = LAYOUTS[request.param](repo)
    repo.commit("as it was")
    return Project(repo, capture), target


def built(repo: Repo, capture: Any, layout: str) -> tuple[Project, str]:
    target = LAYOUTS[layout](repo)
    repo.commit("as it was")
    return Project(repo, capture), target


def adopted(project: Project, target: str, *words: str, expect: int = 0) -> dict[str, Any]:
    code, out, err = project.call("adopt", target, "--json", *words)
    assert code == expect, err
    (answer,) = json.loads(out)
    result: dict[str, Any] = answer
    return result


def verified(project: Project) -> dict[str, Any]:
    code, out, err = project.call("verify", "--json")
    assert code == 1, err
    (report,) = json.loads(out)
    result: dict[str, Any] = report
    return result


def steps(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["log"].rsplit("/", 1)[-1]: step for step in answer["steps"]}


def gaps(answer: dict[str, Any], kind: str) -> list[str]:
    return [gap["where"] for gap in answer["gaps"] if gap["kind"] == kind]


def fingerprint(root: Path) -> dict[str, tuple[str, int, int]]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if ".git" not in path.relative_to(root).parts:
                seen = path.lstat()
                content = os.readlink(path) if path.is_symlink() else path.read_bytes()
                digest = hashlib.sha256(os.fsencode(content)).hexdigest()
                found[os.fspath(path)] = (digest, seen.st_mtime_ns, seen.st_mode)
    return found


def test_no_existing_byte_time_or_mode_changes(foreign: tuple[Project, str]) -> None:
    project, target = foreign
    before, status = fingerprint(project.root), project.repo.git("status", "--porcelain")
    answer = adopted(project, target)
    after = fingerprint(project.root)
    assert {path: after[path] for path in before} == before
    new = {os.path.relpath(path, project.root) for path in set(after) - set(before)}
    assert (
        new
        == set(answer["written"])
        == {
            f"plans/active/{answer['initiative']}/plan.yaml",
            f"plans/active/{answer['initiative']}/adopted.json",
        }
    )
    assert status == ""


def test_the_plan_can_be_verified_at_once_and_nothing_is_fresh(
    foreign: tuple[Project, str],
) -> None:
    project, target = foreign
    answer = adopted(project, target)
    report = verified(project)
    assert len(report["steps"]) == len(answer["steps"]) >= 2
    head = project.repo.git("rev-parse", "HEAD")
    for step in report["steps"]:
        assert (step["verdict"], step["tier"]) == ("unproven", "adopted")
        assert f"last changed by {head[:8]}" in step["reasons"][0]
    assert {item["verdict"] for item in report["unproven"]} <= {"unproven"}


def test_adopting_again_says_nothing_new(foreign: tuple[Project, str]) -> None:
    project, target = foreign
    adopted(project, target)
    before = fingerprint(project.root)
    again = adopted(project, target)
    assert (again["known"], again["written"], again["changes"]) == (True, [], [])
    assert fingerprint(project.root) == before
    code, out, _ = project.call("adopt", target)
    assert (code, out) == (0, f"{again['initiative']}: adopted before; nothing new\n")


def test_what_was_adopted_is_found_by_its_id_too(foreign: tuple[Project, str]) -> None:
    project, target = foreign
    first = adopted(project, target)
    project.repo.commit("adopted")
    own = first["initiative"]
    assert project.call("hub", "new", own)[0] == 0
    for again in (own, f"plans/active/{own}"):
        answer = adopted(project, again)
        assert (answer["known"], answer["written"], answer["changes"]) == (True, [], [])
    record = json.loads((project.root / f"plans/active/{own}/adopted.json").read_text())
    gone, changed = (item["path"] for item in record["files"][:2])
    (project.root / gone).unlink()
    (project.root / changed).write_text("something else\n")
    assert set(adopted(project, own)["changes"]) == {
        f"{gone}: gone since the adoption",
        f"{changed}: changed since the adoption",
    }


def test_a_dry_run_writes_nothing_and_prints_the_plan(foreign: tuple[Project, str]) -> None:
    project, target = foreign
    before = fingerprint(project.root)
    answer = adopted(project, target, "--dry-run")
    _, out, _ = project.call("adopt", target, "--dry-run")
    assert fingerprint(project.root) == before
    assert answer["plan"] in out
    assert not (project.root / ".git/planctl/facts").exists()


def test_every_command_says_where_it_was_read(foreign: tuple[Project, str]) -> None:
    project, target = foreign
    answer = adopted(project, target)
    text = (project.root / answer["plan_path"]).read_text()
    for step in answer["steps"]:
        path, line = step["source"]["path"], step["source"]["line"]
        assert f"# command: {path}:{line} (" in text
        said = (project.root / path).read_text().splitlines()[line - 1 :]
        assert said
    assert yaml.safe_load(text)["schema"] == "planctl/plan/v1"


def test_commands_that_write_a_log_are_its_command(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "hubs")
    found = steps(adopted(project, target))
    assert set(found) == {"pytest_scale.log", "fit_v2.log"}
    assert found["pytest_scale.log"]["run"] == "pytest tests/test_scale.py::test_a -q"
    assert found["pytest_scale.log"]["kind"] == "pytest"
    fit = found["fit_v2.log"]
    assert fit["run"] == 'python -m fit \\\n  --out "$OUT" --steps 10'
    assert fit["versions"] == [fit["path"].replace("_v2", "")]
    assert (fit["phase"], fit["rows"]) == ("A", ["A2"])
    assert fit["inputs"] == ["src/fit/**"]
    plan = yaml.safe_load((project.root / "plans/active/SCALE-7/plan.yaml").read_text())
    assert plan["env"] == {"OUT": "outputs/scale"}
    assert plan["phases"]["A"]["title"] == "Baseline"


def test_gaps_of_an_initiative(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "hubs")
    answer = adopted(project, target)
    hub = answer["folders"][0]
    assert gaps(answer, "row without evidence") == ["A1", "B1", "B2"]
    assert gaps(answer, "log without a command") == [f"{hub}/phase_b1/cli/guard.log"]
    assert f"{hub}/analysis/stray.json" in gaps(answer, "artifact nobody cites")
    cited = {f"{hub}/analysis/scale.json", f"{hub}/debug/stats.json"}
    assert not cited & set(gaps(answer, "artifact nobody cites"))
    (gone,) = gaps(answer, "cited and not there")
    assert re.fullmatch(r"plans/active/SCALE-7/implementation\.md:\d+", gone)
    assert gaps(answer, "identical contents") == [f"{hub}/analysis/stray.json"]
    assert gaps(answer, "name against git") == ["plans/active/SCALE-7/reports/2025-11-13T000000Z"]
    (row,) = [gap for gap in answer["gaps"] if gap["where"] == "B1"]
    assert "phase_b1/cli/guard.log" in row["text"]


def test_a_newest_log_of_a_failure_is_a_gap(repo: Repo, capture: Any) -> None:
    log = "$ python -m pytest tests\n= 1 failed, 2 passed in 0.10s =\n"
    repo.write("runs/one/logs/unit.log", log)
    repo.write("runs/one/logs/mended.log", log)
    repo.commit("failed")
    repo.write("runs/one/logs/mended_v2.log", log.replace("1 failed, 2", "3"))
    repo.commit("mended")
    answer = adopted(Project(repo, capture), "runs/one")
    assert gaps(answer, "log of a failure") == ["runs/one/logs/unit.log:2"]


def test_logs_that_say_their_command(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "experiments")
    answer = adopted(project, target)
    found = {name: step["run"] for name, step in steps(answer).items()}
    assert found == {
        "train.log": "python train.py --lr 0.1",
        "prompt.log": "python train.py --lr 0.2",
        "dollar.log": "./tools/score.sh out",
        "trace.log": "python3 train.py --lr 0.3",
        "list.log": "python train.py --name 'a b'",
        "session.typescript": "make report",
        "tests.log": "python -m pytest 'tests/test_x.py::test_a[1 2]' tests/test_x.py::test_b",
    }
    assert gaps(answer, "log without a command") == ["experiments/run-03/logs/silent.log"]
    assert answer["initiative"] == "run-03"
    assert steps(answer)["train.log"]["inputs"] == ["train.py"]


def test_commands_in_scripts_makefiles_and_prose(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "notes")
    answer = adopted(project, target)
    found = {name: (step["run"], step["source"]["path"]) for name, step in steps(answer).items()}
    assert found == {
        "fit.log": ("make fit", "Makefile"),
        "infer.out": ("python infer.py --n 3", "scripts/infer.sh"),
        "plot.log": ("python plot.py --dose 3", "studies/dose/plan.md"),
        "tests.log": ("pytest tests/test_dose.py -v", "docs/COMMANDS.md"),
    }
    assert answer["working_plan"] == "studies/dose/plan.md"
    assert gaps(answer, "row without evidence") == ["P1"]


@pytest.mark.parametrize("target", ["studies/dose/2025-11-10", "studies", "studies/dose/", "dose"])
def test_a_lone_hub_a_folder_above_and_a_name_find_the_initiative(
    repo: Repo, capture: Any, target: str
) -> None:
    project, _ = built(repo, capture, "notes")
    answer = adopted(project, target, "--dry-run")
    assert (answer["initiative"], len(answer["steps"])) == ("dose", 4)
    assert answer["folders"] == ["studies/dose/2025-11-10"]


def test_a_folder_above_several_initiatives_adopts_each(repo: Repo, capture: Any) -> None:
    for number in (1, 2):
        repo.write(f"experiments/run-{number}/logs/a.log", f"$ python a.py --n {number}\n")
    repo.commit("runs")
    project = Project(repo, capture)
    code, out, _ = project.call("adopt", "experiments", "--json")
    assert (code, [item["initiative"] for item in json.loads(out)]) == (0, ["run-1", "run-2"])
    assert project.call("adopt", "experiments", "--id", "both")[0] == 2


def test_an_initiative_without_a_plan_is_not_taken_apart(repo: Repo, capture: Any) -> None:
    for name in ("first", "second"):
        for run in (1, 2):
            hub = f"plans/active/{name}/reports/2025-01-0{run}T100000Z/run{run}"
            repo.write(f"{hub}/unit.log", "$ python a.py\n" if run == 2 else "out\n")
        repo.write(f"plans/active/{name}/summary.md", "See unit.log.\n")
    repo.commit("two initiatives")
    code, out, _ = Project(repo, capture).call("adopt", ".", "--json")
    found = json.loads(out)
    assert (code, [item["initiative"] for item in found]) == (0, ["first", "second"])
    assert [len(item["folders"]) for item in found] == [2, 2]
    assert [len(item["steps"][0]["versions"]) for item in found] == [1, 1]


def test_of_several_initiatives_those_that_have_a_plan_stay_out(repo: Repo, capture: Any) -> None:
    for name in ("old", "new"):
        repo.write(f"plans/active/{name}/logs/a.log", "$ python a.py\n")
    repo.write("plans/active/old/plan.yaml", "schema: planctl/plan/v1\n")
    repo.write(".gitignore", "scratch/\n")
    repo.write("scratch/x/logs/a.log", "$ python a.py\n")
    repo.commit("one of them planned")
    code, out, _ = Project(repo, capture).call("adopt", ".", "--json")
    assert (code, [item["initiative"] for item in json.loads(out)]) == (0, ["new"])
    assert (repo.root / "plans/active/old/plan.yaml").read_text() == "schema: planctl/plan/v1\n"


def test_a_plan_of_its_own_is_left_alone(repo: Repo, capture: Any) -> None:
    project, target = built(repo, capture, "hubs")
    repo.write("plans/active/SCALE-7/plan.yaml", "mine: true\n")
    before = fingerprint(repo.root)
    code, _, err = project.call("adopt", target)
    assert code == 4
    assert "not from an adoption" in err
    assert fingerprint(repo.root) == before
    code, out, _ = project.call("adopt", target, "--dry-run")
    assert (code, "schema: planctl/plan/v1" in out) == (0, True)


def test_no_command_at_all_writes_no_plan(repo: Repo, capture: Any) -> None:
    repo.write("runs/x/logs/a.log", "nothing to see\n")
    repo.commit("x")
    project = Project(repo, capture)
    answer = adopted(project, "runs/x", expect=1)
    assert (answer["plan"], answer["written"]) == (None, [])
    assert gaps(answer, "log without a command") == ["runs/x/logs/a.log"]
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize("target", ["nowhere", "src", "../outside", ".git"])
def test_what_is_no_evidence_is_refused(
    repo: Repo, capture: Any, tmp_path: Path, target: str
) -> None:
    repo.write("src/cli/main.py", "print()\n")
    repo.commit("code")
    (tmp_path / "outside/logs").mkdir(parents=True)
    (tmp_path / "outside/logs/a.log").write_text("$ python a.py\n")
    code, _, err = Project(repo, capture).call("adopt", target)
    assert code == 4
    assert err.startswith("error: ")
