"""Findings as workflow commands: GitHub Actions shows them beside the lines of a change.

Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planctl._text import printable
from planctl.models.annotation import Annotation, Level, Rule

_COMMAND = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def commands(annotations: Iterable[Annotation], rules: Iterable[Rule]) -> Iterator[str]:
    """Yield one workflow command a finding.

    Args:
        annotations: The findings.
        rules: What they are instances of; the rule's name becomes the title.
    """
    names = {rule.id: rule.name for rule in rules}
    for item in annotations:
        subject = f" ({item.subject.partition(': ')[0]})" if item.subject else ""
        title = f"{names.get(item.rule, item.rule)}{subject}"
        place = [f"file={_value(item.path)}"]
        if item.line is not None:
            place.append(f"line={item.line}")
        message = item.message if not item.help else f"{item.message}\n{item.help}"
        yield f"::{_COMMAND[item.level]} {','.join(place)},title={_value(title)}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a message: after this it has no line end, and nothing in it starts a command."""
    plain = printable(text, keep="\n\r\t")
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    """Escape the value of a property, where `:` and `,` have a meaning too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
