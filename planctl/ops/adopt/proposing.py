"""From logs and the commands that made them to the steps of a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from planctl.models.adoption import Gap, GapKind, ProposedStep
from planctl.models.plan.plan import Step
from planctl.ops.adopt.gaps import gaps_of_failures
from planctl.ops.adopt.logs import Log
from planctl.ops.adopt.matching import Made, selectors_of, variables_in
from planctl.ops.adopt.rows import Row, phase_of, rows_of

# planctl sets the first two; the shell or the machine has the others.
_KNOWN = frozenset(
    {"HUB", "AUTHORITATIVE_CMDS_DOC", "HOME", "PATH", "PWD", "TMPDIR", "USER", "SHELL"}
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_SHELL_OWN = re.compile(r"\d+|[_?#@*!$-]")
_PYTEST = re.compile(r"(?:^|[\s/])py\.?test(?:\s|$)")


@dataclass(frozen=True)
class Steps:
    """What the logs of an initiative give."""

    steps: tuple[ProposedStep, ...]
    env: dict[str, str]
    gaps: tuple[Gap, ...]


def families(logs: Sequence[Log], order: Mapping[str, int]) -> list[list[Log]]:
    """Group logs that are versions of one, each group newest first.

    Args:
        logs: The logs.
        order: Path → rank; the lowest is the newest.
    """
    groups: dict[str, list[Log]] = {}
    for log in logs:
        groups.setdefault(log.family, []).append(log)
    return [sorted(group, key=lambda log: order[log.path]) for group in groups.values()]


def propose(
    groups: Sequence[list[Log]],
    known: Mapping[str, Made],
    rows: Sequence[Row],
    phases: dict[str, str],
    tracked: frozenset[str],
) -> Steps:
    """Turn each group of logs whose command is known into a step.

    Args:
        groups: Versions of one log each, newest first.
        known: Path of a log → how it was made.
        rows: The checklist.
        phases: Phase → title, in order.
        tracked: Every tracked file.
    """
    steps: list[ProposedStep] = []
    gaps: list[Gap] = []
    notes: list[Made] = []
    for group in groups:
        sources = [known[log.path] for log in group if log.path in known]
        if not sources:
            text = "nothing says which command made it"
            gaps.append(Gap(GapKind.COMMAND, group[0].path, text))
            continue
        step = _step(group, sources[0], rows, phases, tracked)
        if (wrong := _refused(step)) is not None:
            gaps.append(Gap(GapKind.NAME, group[0].path, wrong))
            continue
        steps.append(step)
        notes.append(sources[0])
        gaps += [
            Gap(GapKind.AMBIGUOUS, str(other), f"another command for `{step.path}`")
            for other in step.others
        ]
    planned = {step.path for step in steps}
    gaps += gaps_of_failures(group[0] for group in groups if group[0].path in planned)
    env, missing = _environment(steps, notes)
    # Commands of one document in the order it gives them.
    steps.sort(key=lambda step: (step.source.path, step.source.line, step.path))
    return Steps(tuple(_unique(steps)), env, (*gaps, *missing))


def _step(
    group: list[Log],
    made: Made,
    rows: Sequence[Row],
    phases: dict[str, str],
    tracked: frozenset[str],
) -> ProposedStep:
    log = group[0]
    proven = rows_of(replace(made, log=log), rows) or rows_of(made, rows)
    source = made.source
    if made.log.path != log.path:
        source = replace(source, how=f"{source.how}; of `{made.log.name}`, an earlier version")
    return ProposedStep(
        phase=phase_of(made, proven, rows, phases),
        id=_id(log),
        log=log.name,
        path=log.path,
        run=made.run,
        source=source,
        kind="pytest" if _PYTEST.search(made.run) and log.tests else "command",
        rows=proven,
        inputs=tuple(inputs_of(made, tracked)),
        others=made.others,
        versions=tuple(other.path for other in group[1:]),
    )


def _id(log: Log) -> str:
    stem = log.family.rsplit("/", 1)[-1]
    stem = stem.rpartition(".")[0] or stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_") or "log"


def _unique(steps: Sequence[ProposedStep]) -> Iterator[ProposedStep]:
    """Yield the steps with ids that differ: the folder of the log comes in front, else a number."""
    names = [step.id for step in steps]
    taken: set[str] = set()
    for step in steps:
        name = step.id
        if names.count(name) > 1:
            folders = [p for p in step.log.split("/")[:-1] if p not in ("cli", "green", "logs")]
            front = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(folders)).strip("-_")
            name = f"{front}-{name}" if front else name
        start, number = name, 1
        while name in taken:
            number += 1
            name = f"{start}-{number}"
        taken.add(name)
        yield replace(step, id=name)


def _refused(step: ProposedStep) -> str | None:
    """Say why no plan can hold a step; None if one can."""
    raw = {"id": step.id, "run": step.run, "log": step.log, "inputs": list(step.inputs)}
    try:
        Step.model_validate(raw)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    if not step.path.isprintable():
        return f"{step.path!r} holds characters that do not print"
    return None


def inputs_of(made: Made, tracked: frozenset[str]) -> Iterator[str]:
    """Yield the tracked files and packages that a command names."""
    words = made.noted.statement.words if made.noted else tuple(made.run.split())
    tests = selectors_of(made.noted.statement) if made.noted else list(made.log.tests)
    seen: set[str] = set()
    for name, after in zip((*words, ""), (*words[1:], "", ""), strict=False):
        for path in [] if set(name) & set("*?[!") else _meant(name, after, tracked):
            if path not in seen:
                seen.add(path)
                yield path
    for test in tests:
        path = test.split("::", 1)[0]
        if path in tracked and path not in seen:
            seen.add(path)
            yield path


def _meant(word: str, after: str, tracked: frozenset[str]) -> Iterator[str]:
    plain = word.split("::", 1)[0].removeprefix("./").rstrip("/")
    if plain in tracked:
        yield plain
    if word == "-m" and re.fullmatch(r"[\w.]+", after):
        top = after.split(".", 1)[0]
        for package in (top, f"src/{top}"):
            if any(path.startswith(f"{package}/") for path in tracked):
                yield f"{package}/**"


def _environment(
    steps: Sequence[ProposedStep], notes: Sequence[Made]
) -> tuple[dict[str, str], list[Gap]]:
    """Return the variables that all documents give one value, and what has none."""
    values: dict[str, dict[str, str]] = {}
    users: dict[str, str] = {}
    for step, made in zip(steps, notes, strict=True):
        for name in _free_variables(step.run):
            users.setdefault(name, step.path)
            value = made.noted.value(name) if made.noted else None
            if value is not None:
                values.setdefault(name, {})[_relative(value)] = str(step.source)
    env: dict[str, str] = {}
    gaps: list[Gap] = []
    for name, user in sorted(users.items()):
        found = sorted(values.get(name, {}))
        usable = [value for value in found if "$" not in value and "`" not in value]
        if len(found) == 1 and usable and not _SECRET.search(name):
            env[name] = found[0]
        else:
            gaps.append(Gap(GapKind.VARIABLE, f"${name}", _why_none(name, found, user)))
    return env, gaps


def _why_none(name: str, found: Sequence[str], user: str) -> str:
    if _SECRET.search(name):
        return f"looks like a secret and is not copied (the command of `{user}`)"
    if len(found) > 1:
        listed = ", ".join(f"`{value}`" for value in found[:4])
        return f"has several values: {listed} (the command of `{user}`)"
    return f"nothing says its value (the command of `{user}`)"


def _relative(value: str) -> str:
    return re.sub(r"^(?:\$PWD|\$\{PWD\}|\$\(pwd\)|\.)/", "", value)


def _free_variables(run: str) -> Iterator[str]:
    own = set(re.findall(r"(?:^|[\s;&(])([A-Za-z_]\w*)=", run))
    own |= set(re.findall(r"\bfor\s+([A-Za-z_]\w*)\s+in\b", run))
    for name in dict.fromkeys(variables_in(run)):
        if name not in _KNOWN and name not in own and not _SHELL_OWN.fullmatch(name):
            yield name
