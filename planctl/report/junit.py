"""Results as JUnit XML, which every CI service reads.

There is no one schema. What is written here is what the strictest of them in use allow (that of
Apache Ant and that of the Jenkins xUnit plugin): `properties` stand at the suite, never at the
case; every suite has a host and a time without zone; a case has at most one outcome.
"""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from planctl._text import count, printable
from planctl.models.annotation import Annotation, Rule


@dataclass(frozen=True)
class Outcome:
    """Why a case did not pass.

    Attributes:
        kind: `failure`: asked, and the answer is no; `error`: it could not be asked; `skipped`.
        type: One word, such as the verdict.
    """

    kind: Literal["failure", "error", "skipped"]
    type: str
    message: str
    text: str = ""


@dataclass(frozen=True)
class Case:
    """One thing that was asked; without an outcome the answer is yes."""

    name: str
    classname: str
    duration_s: float = 0.0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Suite:
    """Cases that belong together.

    Attributes:
        started: In UTC; the format has no place for a zone.
        properties: Names and values.
        output: Text shown with the suite.
    """

    name: str
    package: str
    started: dt.datetime
    cases: tuple[Case, ...]
    properties: tuple[tuple[str, str], ...] = ()
    output: str = ""


def junit_xml(suites: Iterable[Suite]) -> str:
    """Return suites as an XML document; equal suites give equal text."""
    root = ET.Element("testsuites")
    for number, suite in enumerate(suites):
        root.append(_suite(suite, number))
    ET.indent(root)
    # ASCII with character references: the same document whatever encoding the output has.
    body = ET.tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def finding_suites(
    annotations: Sequence[Annotation], rules: Iterable[Rule], command: str, now: dt.datetime
) -> tuple[Suite, ...]:
    """Return findings as one suite with a case a rule.

    Args:
        annotations: The findings.
        rules: All rules that were asked.
        command: `lint`, the name of the suite.
        now: When they were asked.
    """
    cases = tuple(
        _case_of_rule(rule, [item for item in annotations if item.rule == rule.id], command)
        for rule in rules
    )
    return (Suite(f"planctl {command}", command, now, cases),)


def _case_of_rule(rule: Rule, found: list[Annotation], command: str) -> Case:
    name = f"{rule.id} {rule.name}"
    if not found:
        return Case(name, f"planctl.{command}")
    lines = [
        f"{item.path}{'' if item.line is None else f':{item.line}'}: {item.level}: {item.message}"
        for item in found
    ]
    outcome = Outcome("failure", rule.id, count(len(found), "finding"), "\n".join(lines))
    return Case(name, f"planctl.{command}", outcome=outcome)


def _suite(suite: Suite, number: int) -> ET.Element:
    kinds = [case.outcome.kind for case in suite.cases if case.outcome is not None]
    node = ET.Element(
        "testsuite",
        {
            "name": _token(suite.name),
            "package": _token(suite.package),
            "id": str(number),
            "timestamp": f"{suite.started.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}",
            "hostname": "localhost",
            "tests": str(len(suite.cases)),
            "failures": str(kinds.count("failure")),
            "errors": str(kinds.count("error")),
            "skipped": str(kinds.count("skipped")),
            "time": f"{sum(case.duration_s for case in suite.cases):.3f}",
        },
    )
    properties = ET.SubElement(node, "properties")
    for name, value in suite.properties:
        ET.SubElement(properties, "property", {"name": _token(name), "value": _legal(value)})
    for case in suite.cases:
        _add_case(node, case)
    ET.SubElement(node, "system-out").text = _legal(suite.output)
    ET.SubElement(node, "system-err").text = ""
    return node


def _add_case(suite: ET.Element, case: Case) -> None:
    values = {
        "name": _token(case.name),
        "classname": _token(case.classname),
        "time": f"{case.duration_s:.3f}",
    }
    node = ET.SubElement(suite, "testcase", values)
    if case.outcome is not None:
        said = {"type": _token(case.outcome.type), "message": _legal(case.outcome.message)}
        ET.SubElement(node, case.outcome.kind, said).text = _legal(case.outcome.text)


def _legal(text: str) -> str:
    """Return text that XML 1.0 can hold: no control characters, no lone surrogates."""
    return printable(text, keep="\n\t")


def _token(text: str) -> str:
    """Return text as a name: one line, no blanks around it, never empty."""
    return " ".join(printable(text).split()) or "-"
