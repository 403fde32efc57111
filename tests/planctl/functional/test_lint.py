"""Lint on real repositories: receipts, logs and git, waivers, what run-phase refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.planctl.functional.conftest import Project

CLEAN = """\
      - id: solo
        rows: [A3]
        run: mkdir -p $OUT && sh src/solo.sh > $OUT/solo.json
        log: cli/solo.log
        inputs: [src/solo.sh, tests/test_solo.py]
        collect:
          - { from: $OUT/solo.json, to: analysis/solo.json }
        checks:
          - { json: analysis/solo.json, path: loss, lt: 1 }
"""
TEST = """\
def test_one():
    assert f() == 1
    assert g() < 0.1


def test_two():
    assert h()
"""


def findings(project: Project, *words: str) -> list[dict[str, Any]]:
    """Return what lint finds in X-001; its exit code must agree."""
    code, out, err = project.call("lint", *(words or ("X-001",)), "--json")
    result = json.loads(out)
    assert code == (0 if result["ok"] else 1), err
    return list(result["findings"])


def found(project: Project, step: str | None = None) -> list[str]:
    """Return the rules that a step breaks."""
    return [item["rule"] for item in findings(project) if step in (None, item["step"])]


def message(project: Project, rule: str) -> str:
    return next(str(item["message"]) for item in findings(project) if item["rule"] == rule)


@pytest.fixture
def clean(project: Project) -> Project:
    """Return a project with one step that lint has nothing to say about, run and committed."""
    text = project.plan_path.read_text()
    project.plan_path.write_text(text[: text.index("      - id: one")] + CLEAN)
    project.repo.write("src/solo.sh", 'echo \'{"loss": 0.5, "filler": "' + "x" * 80 + "\"}'\n")
    project.repo.write("tests/test_solo.py", TEST)
    record(project)
    return project


def record(project: Project) -> None:
    """Commit, run and commit what was recorded."""
    project.repo.commit("code")
    project.run_phase("--force")
    project.repo.commit("evidence")


def test_nothing_is_said_of_a_sound_step(clean: Project) -> None:
    assert findings(clean) == []
    assert clean.call("lint")[:2] == (0, "no finding\n")


def test_findings_name_file_line_and_key(clean: Project) -> None:
    clean.edit("run: mkdir", "run: false || true; mkdir")
    code, out, _ = clean.call("lint", "X-001")
    assert code == 1
    place = "plans/active/X-001/plan.yaml:12: phases.A.steps.solo.run: error: PL001 "
    assert out.startswith(place)
    assert "docs/reference/lint.md#pl001" in out


def test_the_log_of_the_receipt_is_read(clean: Project) -> None:
    clean.edit("log: cli/solo.log", "log: green/full_suite.log")
    clean.repo.write("src/solo.sh", "echo '{\"loss\": 0.5}'\necho '3 skipped in 0.1s' >&2\n")
    record(clean)
    assert found(clean) == ["PL020"]
    path = f"{clean.hub.relative_to(clean.root)}/green/full_suite.log"
    assert [item["path"] for item in findings(clean)] == [path]


def test_a_log_named_after_a_test_of_this_repository_that_did_not_run(clean: Project) -> None:
    clean.edit("run: mkdir", "run: python -m pytest --version tests/test_solo.py::test_one; mkdir")
    clean.edit("log: cli/solo.log", "log: green/pytest_two.log")
    clean.repo.write("src/solo.sh", "echo '{\"loss\": 0.5}'\necho '2 passed in 0.10s' >&2\n")
    record(clean)
    assert "names `test_two`, which is not what ran" in message(clean, "PL021")


def test_a_red_log_without_a_receipt_below_green(clean: Project) -> None:
    clean.repo.write(f"{clean.hub}/green/old.log", "$ pytest\n1 failed in 0.10s\n")
    assert found(clean) == ["PL021"]
    clean.repo.write(f"{clean.hub}/green/old.log", "$ pytest\n1 passed in 0.10s\n")
    assert found(clean) == []


def test_identical_artifacts_unless_a_check_asks_for_them(clean: Project) -> None:
    clean.edit("> $OUT/solo.json", "> $OUT/solo.json && cp $OUT/solo.json $OUT/copy.json")
    clean.edit(
        "        checks:\n",
        "          - { from: $OUT/copy.json, to: analysis/copy.json }\n        checks:\n",
    )
    record(clean)
    assert "`analysis/copy.json`, `analysis/solo.json` have one content" in message(clean, "PL022")
    clean.edit(
        "        checks:\n",
        "        checks:\n          - same: [analysis/solo.json, analysis/copy.json]\n",
    )
    record(clean)
    assert found(clean) == []


def test_trivial_artifacts_may_be_alike(clean: Project) -> None:
    clean.repo.write("src/solo.sh", "echo '{\"loss\": 0.5}'\n")
    clean.edit("> $OUT/solo.json", "> $OUT/solo.json && cp $OUT/solo.json $OUT/copy.json")
    clean.edit(
        "        checks:\n",
        "          - { from: $OUT/copy.json, to: analysis/copy.json }\n        checks:\n",
    )
    record(clean)
    assert found(clean) == []


@pytest.mark.parametrize(("numbers", "apart"), [(("0.50", "0.51"), False), (("0.5", "0.6"), True)])
def test_runs_of_the_same_that_differ(
    clean: Project, numbers: tuple[str, str], apart: bool
) -> None:
    clean.repo.write("src/solo.sh", "cat out/seed.txt\n")
    for number in numbers:
        clean.repo.write("out/seed.txt", json.dumps({"loss": float(number)}))
        record(clean)
    assert ("PL023" in found(clean)) == apart
    if apart:
        assert "was 0.5 and 0.6 in 2 runs" in message(clean, "PL023")
        clean.repo.write("planctl.toml", "[lint]\ntolerance = 0.2\n")
        assert found(clean) == []


def test_rows_that_moved_since_the_receipt(clean: Project) -> None:
    clean.edit("rows: [A3]", "rows: [A1, A3]")
    record(clean)
    assert found(clean) == []
    clean.edit("rows: [A1, A3]", "rows: [A1]")
    assert "row `A3` was proven by this step" in message(clean, "PL024")
    assert "no step has it now" in message(clean, "PL024")
    clean.edit("rows: [A1]", "rows: [A1, A2, A3]")
    assert found(clean) == []


def test_a_gate_that_head_does_not_contain(clean: Project) -> None:
    clean.repo.git("checkout", "--quiet", "-b", "side")
    gate = clean.repo.commit("elsewhere")
    clean.repo.git("checkout", "--quiet", "main")
    text = clean.plan_path.read_text()
    old = next(line for line in text.splitlines() if "gate:" in line)
    clean.edit(old, f'    gate: "{gate}"')
    assert "does not contain the gate" in message(clean, "PL013")
    clean.edit(gate, "0123456789abcdef")
    assert "is no commit of this clone" in message(clean, "PL013")


def test_the_same_command_twice(clean: Project) -> None:
    again = CLEAN.replace("id: solo", "id: again").replace("rows: [A3]", "rows: [A1]")
    again = again.replace("cli/solo", "cli/again").replace("analysis/solo", "analysis/again")
    clean.plan_path.write_text(clean.plan_path.read_text() + again)
    assert found(clean) == ["PL009"]
    clean.plan_path.write_text(
        clean.plan_path.read_text().replace(
            "solo.json\n        log: cli/again", "again.json\n        log: cli/again"
        )
    )
    assert found(clean) == []


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (
            TEST.replace("    assert g() < 0.1\n", ""),
            "`tests/test_solo.py::test_one` lost 1 assert",
        ),
        (TEST + "\n\ndef test_three():\n    assert f()\n", None),
    ],
)
def test_guards_weakened_with_the_code(clean: Project, text: str, fact: str | None) -> None:
    clean.repo.write("tests/test_solo.py", text)
    clean.repo.write("src/solo.sh", (clean.root / "src/solo.sh").read_text() + "# changed\n")
    record(clean)
    assert found(clean) == (["PL025"] if fact else [])
    if fact:
        assert fact in message(clean, "PL025")
        assert "`src/solo.sh` changed" in message(clean, "PL025")
        clean.run_phase("--force")
        assert found(clean) == ["PL025"]


def test_a_weaker_test_alone_is_no_finding_and_a_moved_test_is_none(clean: Project) -> None:
    clean.repo.write("tests/test_solo.py", TEST.replace("    assert g() < 0.1\n", ""))
    record(clean)
    assert found(clean) == []
    clean.edit("tests/test_solo.py]", "tests/*.py]")
    clean.repo.write("tests/test_solo.py", "")
    clean.repo.write("tests/test_moved.py", TEST)
    clean.repo.write("src/solo.sh", (clean.root / "src/solo.sh").read_text() + "# changed\n")
    record(clean)
    assert found(clean) == []


@pytest.mark.parametrize(
    ("new", "fact"),
    [
        ("lt: 2", "lt 1 → 2"),
        ("lt: 0.9", None),
    ],
)
def test_checks_weakened_with_the_code(clean: Project, new: str, fact: str | None) -> None:
    clean.edit("lt: 1", new)
    clean.repo.write("src/solo.sh", (clean.root / "src/solo.sh").read_text() + "# changed\n")
    assert found(clean) == (["PL025"] if fact else [])  # told before the run, too
    record(clean)
    assert found(clean) == (["PL025"] if fact else [])
    if fact:
        assert fact in message(clean, "PL025")


WAIVER = """
[[lint.waive]]
rule = "PL010"
where = "{where}"
who = "R. Miller"
why = "a person reads it"
until = {until}
"""


@pytest.mark.parametrize(
    ("where", "until", "expected"),
    [
        ("X-001/two", "2999-01-01", {"PL010": "R. Miller: a person reads it (until 2999-01-01)"}),
        ("X-001/t*", "2999-01-01", {"PL010": "R. Miller: a person reads it (until 2999-01-01)"}),
        ("X-001/two", "2020-01-01", {"PL010": "", "PL090": ""}),
        ("X-001/other", "2999-01-01", {"PL010": "", "PL091": ""}),
    ],
)
def test_waivers_say_who_why_until(
    project: Project, where: str, until: str, expected: dict[str, str]
) -> None:
    project.edit(
        "        run: echo solo\n",
        "        run: sh src/solo.txt\n        checks: [{ file: green/solo.log }]\n",
    )
    project.edit("&& echo one is done", "")
    assert [item["rule"] for item in findings(project)] == ["PL010"]
    project.repo.write("planctl.toml", WAIVER.format(where=where, until=until))
    code, out, _ = project.call("lint", "--json")
    result = json.loads(out)
    assert {item["rule"]: item["waived"] for item in result["findings"]} == expected
    assert code == (0 if expected["PL010"] else 1)


@pytest.mark.parametrize("key", ["who", "why", "until", "rule", "where"])
def test_a_waiver_without_one_of_its_keys_is_refused(project: Project, key: str) -> None:
    lines = WAIVER.format(where="X-001", until="2999-01-01").splitlines()
    kept = [line for line in lines if not line.startswith(f"{key} ")]
    project.repo.write("planctl.toml", "\n".join(kept))
    code, _, err = project.call("lint")
    assert code == 4
    assert f"planctl.toml: `lint.waive.0.{key}`" in err


def test_run_phase_refuses_a_name_that_nothing_sets(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.edit("run: echo solo", "run: sh src/solo.txt $TRAIN_FILE")
    code, _, err = project.call("run-phase", "X-001", "A", "--step", "solo")
    assert code == 4
    assert "plan.yaml:31: `phases.A.steps.solo.run`: reads `$TRAIN_FILE`" in err
    assert not project.hub.exists()
    assert project.call("run-phase", "X-001", "A", "--step", "one", "--dry-run")[0] == 0
    monkeypatch.setenv("TRAIN_FILE", "x")
    assert project.call("run-phase", "X-001", "A", "--step", "solo", "--dry-run")[0] == 0
    assert "PL007" in found(project, "solo")  # it runs here, but nothing records the name


def test_formats_of_ci_services(clean: Project) -> None:
    clean.edit("run: mkdir", "run: false || true; mkdir")
    code, out, _ = clean.call("lint", "--format", "github")
    assert code == 1
    assert out.startswith("::error file=plans/active/X-001/plan.yaml,line=12")
    _, out, _ = clean.call("lint", "--format", "sarif")
    (found_,) = json.loads(out)["runs"][0]["results"]
    assert found_["ruleId"] == "PL001"
