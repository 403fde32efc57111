"""Findings as SARIF 2.1.0, for code scanning and editors.

Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from planctl._text import printable, relative_uri
from planctl._version import __version__
from planctl.models.annotation import Annotation, Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "%SRCROOT%"
_FINGERPRINT = "planctlFinding/v1"
_LINK = re.compile(r"\[(?=[^\[\]]*\]\()")


def sarif(
    annotations: Iterable[Annotation],
    rules: Sequence[Rule],
    command: str,
    properties: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a SARIF log with one run.

    Args:
        annotations: The findings; none means that the check ran and found nothing.
        rules: All rules that were asked, in a stable order.
        command: `verify` or `lint`: uploads of both to one service stay apart.
        properties: Further facts about the run, such as the commit that was judged.

    Returns:
        Plain values, ready for JSON.
    """
    index = {rule.id: number for number, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "planctl",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "automationDetails": {"id": f"planctl/{command}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the git work tree."}}},
        "results": [_result(item, index) for item in annotations],
    }
    if properties:
        run["properties"] = properties
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": rule.text},
        # No `helpUri`: it must be absolute, and the pages that help lie wherever planctl's
        # documentation was installed.
        "help": {"text": rule.help or rule.text},
        "defaultConfiguration": {"level": str(rule.level)},
    }


def _result(item: Annotation, index: dict[str, int]) -> dict[str, Any]:
    text = item.message if not item.help else f"{item.message}\n{item.help}"
    result: dict[str, Any] = {"ruleId": item.rule}
    if item.rule in index:
        result["ruleIndex"] = index[item.rule]
    result |= {
        "level": str(item.level),
        "message": {"text": _message(text)},
        "locations": [_location(item.path, item.line)],
        "partialFingerprints": {_FINGERPRINT: item.fingerprint()},
    }
    if item.related:
        result["relatedLocations"] = [
            _location(place.path, None) | {"id": number, "message": {"text": _message(place.text)}}
            for number, place in enumerate(item.related, 1)
        ]
    return result


def _message(text: str) -> str:
    """Escape what messages give a meaning to: `{0}` is a placeholder, `[text](target)` a link."""
    plain = printable(text, keep="\n\t").replace("{", "{{").replace("}", "}}")
    return _LINK.sub(r"\\[", plain)


def _location(path: str, line: int | None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": relative_uri(path), "uriBaseId": _ROOT}}
    if line is not None:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}
