"""Findings in the formats of CI services: what is escaped, what is stable, what is required."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl._text import relative_uri
from planctl.models.annotation import Annotation, Level, Place, Rule
from planctl.report.formats import ReportFormat, written
from planctl.report.github import commands
from planctl.report.junit import Case, Outcome, Suite, junit_xml
from planctl.report.sarif import sarif

NOW = dt.datetime(2025, 11, 14, 2, 48, tzinfo=dt.UTC)
RULES = (
    Rule("PL001", "hidden failure", "A failure cannot show."),
    Rule("PL002", "no checks", "Nothing is checked.", level=Level.WARNING),
)
HOSTILE = "a\r\n::stop-commands::x\x1b[31m,b:c%0A\0\ud800\ufffe"


def finding(**changes: object) -> Annotation:
    values: dict[str, object] = {
        "path": "plans/plan.yaml",
        "line": 7,
        "level": Level.ERROR,
        "rule": "PL001",
        "message": "`|| true` at the end",
        "subject": "X-001 A/one",
    }
    return Annotation(**(values | changes))  # type: ignore[arg-type]


def unescaped(text: str) -> str:
    for sign, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(sign, char)
    return text


def test_a_workflow_command_names_level_file_line_and_title() -> None:
    (line,) = commands([finding()], RULES)
    assert line == (
        "::error file=plans/plan.yaml,line=7,title=hidden failure (X-001 A/one)"
        "::`|| true` at the end"
    )
    levels = [finding(level=level) for level in Level]
    assert [text.split(" ")[0] for text in commands(levels, RULES)] == [
        "::error",
        "::warning",
        "::notice",
    ]


def test_nothing_in_a_finding_starts_another_workflow_command() -> None:
    (line,) = commands([finding(path=HOSTILE, message=HOSTILE, subject=HOSTILE)], RULES)
    assert not set(line) & set("\r\n\x1b\0")
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert len(properties.split(",")) == 3
    assert ":" not in properties
    assert unescaped(message).startswith("a\r\n::stop-commands::x\\x1b[31m,b:c%0A\\x00")


@given(st.text(max_size=40))
def test_github_escapes_can_be_read_back(text: str) -> None:
    (line,) = commands([finding(message=text, help="", subject="")], ())
    message = line.split("::", 2)[2]
    assert "\n" not in message
    assert re.fullmatch(r"(?:[^%]|%25|%0A|%0D)*", message)


def test_sarif_has_what_the_format_requires() -> None:
    log = sarif(
        [finding(related=(Place("src/a.py", "changed"),)), finding(line=None)], RULES, "lint"
    )
    assert log["version"] == "2.1.0"
    assert urlsplit(log["$schema"]).scheme == "https"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "planctl"
    assert [rule["id"] for rule in driver["rules"]] == ["PL001", "PL002"]
    assert {rule["defaultConfiguration"]["level"] for rule in driver["rules"]} <= {
        "none",
        "note",
        "warning",
        "error",
    }
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        assert place.get("region", {"startLine": 1})["startLine"] >= 1
    assert "region" not in run["results"][1]["locations"][0]["physicalLocation"]


def test_a_run_that_found_nothing_still_has_results() -> None:
    assert sarif([], RULES, "lint")["runs"][0]["results"] == []


@given(st.binary(min_size=1, max_size=30).map(os.fsdecode))
def test_a_path_in_sarif_is_a_relative_uri_of_the_same_bytes(path: str) -> None:
    uri = relative_uri(path)
    assert re.fullmatch(r"(?:[A-Za-z0-9/._~!$&'()*+,;=@-]|%[0-9A-F]{2})+", uri)
    assert ":" not in uri
    assert unquote_to_bytes(uri) == path.encode("utf-8", "surrogateescape")


def test_a_sarif_message_is_no_template_and_holds_no_link() -> None:
    log = sarif([finding(message="{0} and [a](b) and [*].x")], RULES, "lint")
    text = log["runs"][0]["results"][0]["message"]["text"]
    assert text == "{{0}} and \\[a](b) and [*].x"


def test_a_fingerprint_outlives_line_and_wording() -> None:
    first = finding().fingerprint()
    assert finding(line=99, message="other words, commit aa664a7f").fingerprint() == first
    assert finding(subject="X-001 A/two").fingerprint() != first
    assert finding(path="other.yaml").fingerprint() != first
    assert finding(rule="PL002").fingerprint() != first


def junit_rules(text: str) -> ET.Element:
    """Check what the strictest schemas in use ask of a document, and return its root."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for number, suite in enumerate(root):
        wanted = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors"}
        assert set(suite.attrib) >= wanted | {"skipped", "time"}
        assert suite.attrib["id"] == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert re.fullmatch(r"\d+\.\d{3}", suite.attrib["time"])
        tags = [child.tag for child in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        assert all(set(item.attrib) == {"name", "value"} for item in suite[0])
        for kind in ("failure", "error", "skipped"):
            found = [case for case in cases if case.find(kind) is not None]
            name = {"failure": "failures", "error": "errors", "skipped": "skipped"}[kind]
            assert suite.attrib[name] == str(len(found))
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            assert all("type" in outcome.attrib for outcome in case)
    return root


def test_junit_has_what_the_strictest_schemas_ask() -> None:
    cases = (
        Case("one", "X-001.A", 2.5),
        Case("two", "X-001.A", 0.25, Outcome("failure", "stale", "inputs: changed")),
        Case("three", "X-001.A", outcome=Outcome("error", "missing", "never produced")),
        Case("four", "X-001.A", outcome=Outcome("skipped", "waived", "by me")),
    )
    root = junit_rules(junit_xml([Suite("X-001 A", "X-001", NOW, cases, (("head", "abc"),))]))
    assert root[0].attrib["time"] == "2.750"
    assert root[0].attrib["timestamp"] == "2025-11-14T02:48:00"


@given(st.text(max_size=60))
def test_junit_is_xml_whatever_is_in_the_texts(text: str) -> None:
    case = Case(text, text, 1.0, Outcome("failure", text, text, text))
    suite = Suite(text, text, NOW, (case,), ((text, text),), text)
    document = junit_xml([suite])
    junit_rules(document)
    assert document.isascii()


def test_junit_of_findings_has_a_case_a_rule() -> None:
    text = written(ReportFormat.JUNIT, [finding(), finding(line=9)], RULES, "lint", NOW)
    cases = junit_rules(text).findall(".//testcase")
    assert [case.attrib["name"] for case in cases] == ["PL001 hidden failure", "PL002 no checks"]
    (failure,) = cases[0]
    assert failure.attrib["message"] == "2 findings"
    assert (failure.text or "").count("plans/plan.yaml:") == 2
    assert len(cases[1]) == 0


@pytest.mark.parametrize("form", ReportFormat)
def test_every_format_can_be_printed_anywhere(form: ReportFormat) -> None:
    text = written(form, [finding(path=HOSTILE, message=HOSTILE)], RULES, "lint", NOW)
    text.encode("utf-8")
    assert "\x1b" not in text
    if form is ReportFormat.SARIF:
        json.loads(text)
