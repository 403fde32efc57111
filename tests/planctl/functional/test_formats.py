"""`planctl verify --format`: the same verdicts for people, programs and CI services."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.planctl.functional.conftest import ID, Project

PLAN = "plans/active/X-001/plan.yaml"


def formatted(project: Project, form: str, *words: str) -> tuple[int, str]:
    code, out, err = project.call("verify", *words, "--format", form)
    assert code in (0, 1), err
    return code, out


def results(project: Project) -> list[dict[str, Any]]:
    """Return the findings of verify itself; what lint says of the plan stands beside them."""
    run = json.loads(formatted(project, "sarif")[1])["runs"][0]
    assert {item["ruleId"] for item in run["results"]} <= {
        rule["id"] for rule in run["tool"]["driver"]["rules"]
    }
    return [item for item in run["results"] if not item["ruleId"].startswith("PL")]


def commands(project: Project) -> tuple[int, list[str]]:
    code, out = formatted(project, "github")
    return code, [line for line in out.splitlines() if not line.startswith("::warning ")]


def place(result: dict[str, Any]) -> tuple[str, int | None]:
    where = result["locations"][0]["physicalLocation"]
    return where["artifactLocation"]["uri"], where.get("region", {}).get("startLine")


def line_of_step(project: Project, step: str) -> int:
    lines = project.plan_path.read_text().splitlines()
    return lines.index(f"      - id: {step}") + 1


def test_what_is_proven_gives_no_finding_and_passing_cases(proven: Project) -> None:
    assert commands(proven) == (0, [])
    assert results(proven) == []
    code, out = formatted(proven, "junit")
    suite = ET.fromstring(out)[0]
    assert code == 0
    assert [case.attrib["name"] for case in suite.iter("testcase")] == [
        "one (A1)",
        "two (A2)",
        "solo (A3)",
    ]
    assert suite.attrib["failures"] == suite.attrib["errors"] == suite.attrib["skipped"] == "0"
    facts = {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}
    assert facts["one.tier"] == "recorded"
    assert facts["one.receipt"].startswith("plans/active/X-001/reports/")
    assert len(facts["one.commit"]) == 40


def test_a_stale_step_is_found_at_its_line_of_the_plan(proven: Project) -> None:
    proven.repo.write("src/solo.txt", "other\n")
    (result,) = results(proven)
    assert result["ruleId"] == "stale-inputs"
    assert result["level"] == "error"
    assert place(result) == (PLAN, line_of_step(proven, "solo"))
    related = result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert related == "src/solo.txt"
    code, (line,) = commands(proven)
    assert code == 1
    assert line.startswith(f"::error file={PLAN},line={line_of_step(proven, 'solo')},title=")
    code, out = formatted(proven, "junit")
    (failure,) = ET.fromstring(out).iter("failure")
    assert failure.attrib["type"] == "stale"
    assert failure.attrib["message"].startswith("inputs: changed since the run: `src/solo.txt`")


def test_a_fingerprint_stays_while_commits_come(proven: Project) -> None:
    proven.repo.write("src/solo.txt", "other\n")
    (before,) = results(proven)
    proven.repo.commit("the change")
    (after,) = results(proven)
    assert before["message"] != after["message"]
    assert before["partialFingerprints"] == after["partialFingerprints"]


def test_a_modified_artifact_is_found_at_its_path(proven: Project) -> None:
    artifact = next((proven.hub / "analysis").glob("one.txt"))
    artifact.write_text("forged\n")
    found = results(proven)
    by_place = {place(item)[0]: item["ruleId"] for item in found}
    assert by_place[artifact.relative_to(proven.root).as_posix()] == "modified-intact"
    assert by_place[PLAN] == "stale-parents"


def test_a_step_that_never_ran_is_an_error_not_a_failure(project: Project) -> None:
    suite = ET.fromstring(formatted(project, "junit")[1])[0]
    assert suite.attrib["errors"] == "3"
    assert {item["ruleId"] for item in results(project)} == {"missing"}


def test_a_waived_step_is_skipped_and_a_note(project: Project) -> None:
    waiver = "waive: { who: Ann, why: no detector, until: 2999-01-01 }"
    project.edit(
        "        log: green/solo.log\n", f"        log: green/solo.log\n        {waiver}\n"
    )
    suite = ET.fromstring(formatted(project, "junit")[1])[0]
    assert suite.attrib["skipped"] == "1"
    (skipped,) = suite.iter("skipped")
    assert "Ann: no detector" in skipped.attrib["message"]
    assert [i["level"] for i in results(project) if i["ruleId"] == "waived"] == ["note"]


def test_there_is_an_error_exactly_if_the_answer_is_no(proven: Project) -> None:
    (proven.hub / "analysis/stray.txt").write_text("stray\n")
    code, _ = formatted(proven, "sarif")
    (note,) = results(proven)
    assert (code, note["level"], note["ruleId"]) == (0, "note", "loose-file")


def test_what_lint_says_of_the_plan_has_the_rules_of_lint(proven: Project) -> None:
    run = json.loads(formatted(proven, "sarif")[1])["runs"][0]
    found = next(item for item in run["results"] if item["ruleId"] == "PL010")
    rule = run["tool"]["driver"]["rules"][found["ruleIndex"]]
    assert (rule["id"], rule["defaultConfiguration"]["level"]) == ("PL010", "warning")
    assert place(found) == (PLAN, line_of_step(proven, "two"))


def test_hostile_file_names_cannot_write_commands(proven: Project) -> None:
    (proven.hub / "analysis/a\n::error::forged\x1b[2J").write_text("x")
    code, lines = commands(proven)
    assert code == 0
    assert [line.split(" ")[0] for line in lines] == ["::notice"]
    assert "\x1b" not in lines[0]
    ET.fromstring(formatted(proven, "junit")[1])


def test_format_json_is_json(proven: Project) -> None:
    _, out, _ = proven.call("verify", ID, "--json")

    def timeless(text: str) -> Any:
        # The predicate `clock` says what time it is.
        return json.loads(re.sub(r'"now": "\d{4}-[^"]*Z"', '"now": ""', text))

    assert timeless(formatted(proven, "json", ID)[1]) == timeless(out)


@pytest.mark.parametrize("other", ["--json", "--times"])
def test_formats_that_do_not_go_together_are_refused(proven: Project, other: str) -> None:
    code, _, err = proven.call("verify", other, "--format", "junit")
    assert code == 2
    assert other in err


def test_the_count_of_proven_steps_goes_to_stderr(proven: Project) -> None:
    _, _, err = proven.call("verify", "--format", "github")
    assert err == "X-001: 3 of 3 steps proven\n"


@pytest.mark.parametrize("words", [("--format", "json"), ("--format=json",), ("--json",)])
def test_errors_are_json_where_json_was_asked_for(project: Project, words: tuple[str, ...]) -> None:
    code, out, err = project.call("verify", "NO-SUCH-001", *words)
    assert code == 4
    assert json.loads(out)["error"]["slug"] == "not-found"
    assert "NO-SUCH-001" in err
