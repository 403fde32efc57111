"""The text of a proposed `plan.yaml`: values quoted as they need, each step with its source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

from planctl._text import count, printable
from planctl.models.adoption import ProposedStep

_SHOWN = 5
# Of what may stand unquoted, also inside `[…]`; where in doubt, quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_./$][^\n\t:#\[\]{},&*!|>?'\"%@`]*")
# Text to this YAML library, a number or a truth value to others.
_OTHER = re.compile(r"[\d.+-]+(?:[eE][+-]?\d+)?|0[xob]\w+|[yYnN]")


def plan_text(
    initiative: str,
    title: str,
    found_in: str,
    folders: Sequence[str],
    steps: Sequence[ProposedStep],
    phases: Mapping[str, str],
    env: Mapping[str, str],
    working_plan: str | None = None,
    commands_doc: str | None = None,
    schema: bool = False,
) -> str:
    """Return a plan that holds the steps, as YAML with comments.

    Args:
        initiative: Its id.
        title: What it is about.
        found_in: The folder that was looked at.
        folders: Folders of evidence, newest first.
        steps: At least one.
        phases: Phase → title; phases without steps are left out.
        env: Values of variables.
        working_plan: The checklist, if it does not lie beside the plan.
        commands_doc: Page of the authoritative commands.
        schema: The repository has `plans/plan.schema.json`.
    """
    lines = ["# yaml-language-server: $schema=../../plan.schema.json"] if schema else []
    lines += [
        f"# Proposed by `planctl adopt` from what lies in {_comment(found_in or '.')}.",
        "# Nothing here was run by planctl. Read a command before you run it; above each stands",
        "# where it was read. No step has checks yet: say what its artifacts must show.",
        "schema: planctl/plan/v1",
        f"id: {scalar(initiative)}",
        f"title: {scalar(title)}",
        "adopted:",
        *(f"  - {scalar(folder)}" for folder in folders),
    ]
    lines += [f"working_plan: {scalar(working_plan)}"] if working_plan else []
    lines += [f"commands_doc: {scalar(commands_doc)}"] if commands_doc else []
    if env:
        lines += ["env:", *(f"  {name}: {scalar(value)}" for name, value in sorted(env.items()))]
    lines += ["phases:"]
    for name in _order(steps, phases):
        lines += [f"  {scalar(name)}:"]
        lines += [f"    title: {scalar(phases[name])}"] if phases.get(name) else []
        lines += ["    # gate: a commit that the evidence must contain", "    steps:"]
        for step in steps:
            if step.phase == name:
                lines += _step_lines(step)
    return "\n".join(lines) + "\n"


def _order(steps: Sequence[ProposedStep], phases: Mapping[str, str]) -> list[str]:
    used = {step.phase for step in steps}
    return [*(name for name in phases if name in used), *sorted(used - set(phases))]


def _step_lines(step: ProposedStep) -> Iterator[str]:
    pad = " " * 6
    yield f"{pad}# command: {_comment(str(step.source))}"
    for other in step.others:
        yield f"{pad}# another: {_comment(str(other))}"
    for path in step.versions[:_SHOWN]:
        yield f"{pad}# older log: {_comment(path)}"
    if (more := len(step.versions) - _SHOWN) > 0:
        yield f"{pad}# and {count(more, 'older one')}"
    yield f"{pad}- id: {scalar(step.id)}"
    pad += "  "
    if step.rows:
        yield f"{pad}rows: [{', '.join(scalar(row) for row in step.rows)}]"
    if step.kind != "command":
        yield f"{pad}kind: {step.kind}"
    yield from _command_lines(step.run, pad)
    yield f"{pad}log: {scalar(step.log)}"
    if step.inputs:
        yield f"{pad}inputs: [{', '.join(scalar(path) for path in step.inputs)}]"


def _command_lines(run: str, pad: str) -> Iterator[str]:
    lines = run.split("\n")
    fits = len(lines) > 1 and lines[0] == lines[0].lstrip()
    if not fits or any(line != line.rstrip() or not line.isprintable() for line in lines):
        yield f"{pad}run: {scalar(run)}"
        return
    yield f"{pad}run: |-"
    for line in lines:
        yield f"{pad}  {line}"


def scalar(text: str) -> str:
    """Return a text as a YAML scalar that reads back as just this text."""
    plain = _PLAIN.fullmatch(text) and text == text.strip() and text.isprintable()
    if plain and not _OTHER.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    # JSON's strings are YAML's double-quoted ones, but for characters beyond 16 bits.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _comment(text: str) -> str:
    return printable(text)
