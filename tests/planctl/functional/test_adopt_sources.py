"""`planctl adopt`: where a command may be written down, and what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planctl.conftest import Repo
from tests.planctl.functional.conftest import Project
from tests.planctl.functional.test_adopt import adopted, gaps, verified

SOURCES = {
    "a table": {
        "notes.md": "| log | how |\n|---|---|\n| `x.log` | `python a.py` |\n| y.log | `pytest` |\n"
    },
    "two items of a list": {"notes.md": "# Run\n\n- Command: `python a.py`\n- Log: `logs/x.log`\n"},
    "a heading with a block": {
        "notes.md": "# Other\n\n`python b.py`\n\n# x.log\n\nMade so:\n\n```sh\npython a.py\n```\n"
    },
    "a transcript": {"notes.md": "```console\n$ python a.py > logs/x.log\nnoise\n$ ls\n```\n"},
    "a typescript": {"notes.md": "`script -q -c 'python a.py' logs/x.log`\n"},
    "a batch script": {"job.sbatch": "#!/bin/bash\n#SBATCH --output=logs/x.log\npython a.py\n"},
    "a file of its name": {"logs/x.cmd": "python a.py\n"},
    "a file beside it": {"logs/command.txt": "python a.py\n"},
    "a manifest": {"logs/run.json": '{"argv": ["a.py"], "seed": 1}\n'},
    "a script": {"run.sh": "#!/bin/sh\nLOGS=runs/one/logs\npython a.py >> $LOGS/x.log 2>&1\n"},
    "a session": {
        "notes.md": '```sh\ntmux new -d -s fit "python a.py 2>&1 | tee logs/x.log"\n```\n'
    },
    "a shell in a shell": {"notes.md": "`bash -c 'python a.py > logs/x.log'`\n"},
    "its head": {"logs/x.log": "\x1b[32;1m$ python a.py\x1b[0m\nout\n"},
    "its arguments": {"logs/x.log": "DEBUG sys.argv: ['a.py']\nout\n"},
    "a workflow": {"logs/x.log": "2025-01-02T03:04:05.6Z ##[group]Run python a.py\nout\n"},
}


@pytest.mark.parametrize("kind", SOURCES)
def test_where_a_command_may_be_written_down(repo: Repo, capture: Any, kind: str) -> None:
    repo.write("runs/one/logs/x.log", "out\n")
    for name, text in SOURCES[kind].items():
        repo.write(f"runs/one/{name}", text)
    repo.commit(kind)
    (step,) = adopted(Project(repo, capture), "runs/one")["steps"]
    wanted = "bash runs/one/job.sbatch" if kind == "a batch script" else "python a.py"
    assert (step["path"], step["run"]) == ("runs/one/logs/x.log", wanted)
    assert step["source"]["path"] == f"runs/one/{next(iter(SOURCES[kind]))}"


@pytest.mark.parametrize("ending", ["$(date +%Y%m%d_%H%M%S)", "${SLURM_JOB_ID}", "$(hostname)_$N"])
def test_a_name_with_a_date_or_a_number_in_it_is_known(
    repo: Repo, capture: Any, ending: str
) -> None:
    repo.write("runs/one/logs/train_20250102_0304.log", "out\n")
    repo.write("runs/one/logs/other_20250102_0304.log", "out\n")
    repo.write("runs/one/notes.md", f"```sh\npython a.py 2>&1 | tee logs/train_{ending}.log\n```\n")
    repo.commit("one")
    (step,) = adopted(Project(repo, capture), "runs/one")["steps"]
    assert (step["log"], step["run"]) == ("logs/train_20250102_0304.log", "python a.py")


SILENT = {
    "a name of a variable alone": "`python a.py > logs/$NAME.log`\n",
    "two commands in one paragraph": "`python a.py` or `python b.py` made x.log\n",
    "two logs in one sentence": "`python a.py` made x.log and y.log\n",
    "a place to fill in": "`python a.py <seed> > logs/x.log`\n",
    "a file beside it": "`src/kernel.py` was read before x.log came\n",
    "a program's name": "`pytest` wrote x.log\n",
    "something left out": "`python a.py --seed ... | tee logs/x.log`\n",
    "another log of the same ending": "`python a.py > logs/max.log`\n",
    "a sentence": "Command: it went well, see x.log\n",
    "a longer name": "`python a.py` made x.log.gz and old-x.log\n",
}


@pytest.mark.parametrize("kind", SILENT)
def test_what_does_not_say_a_command_becomes_a_gap(repo: Repo, capture: Any, kind: str) -> None:
    repo.write("runs/one/logs/x.log", "out\n")
    repo.write("runs/one/logs/y.log", "out, too\n")
    repo.write("runs/one/notes.md", SILENT[kind])
    repo.commit(kind)
    answer = adopted(Project(repo, capture), "runs/one", expect=1)
    assert "runs/one/logs/x.log" in gaps(answer, "log without a command")


def test_the_page_with_the_rows_is_the_working_plan(repo: Repo, capture: Any) -> None:
    repo.write("runs/one/README.md", "# One\n\n- [x] A1: see logs/x.log\n- [ ] A2: later\n")
    repo.write("runs/one/logs/x.log", "$ python a.py\nout\n")
    repo.commit("one")
    project = Project(repo, capture)
    answer = adopted(project, "runs/one")
    assert answer["working_plan"] == "runs/one/README.md"
    assert [step["rows"] for step in answer["steps"]] == [["A1"]]
    assert verified(project)["steps"][0]["rows"] == ["A1"]
