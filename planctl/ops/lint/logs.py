"""Rules about logs: whether tests ran, and whether a log is what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from planctl._files import behind_link, open_plain
from planctl.models.annotation import Level
from planctl.models.lint import BY_ID, Finding
from planctl.models.receipt import Receipt
from planctl.models.test_outcome import TestOutcome, put_aside, read_outcome
from planctl.ops.lint.site import Site
from planctl.ops.run_log import TITLE, Claims, body, claims

_TAIL_BYTES = 256_000
_HEAD_BYTES = 64_000
_WHOLE = {"suite", "full", "all", "complete", "everything"}
# Words of names that say nothing of what ran.
_GENERAL = {"pytest", "test", "tests", "log", "run", "unit", "py", "green", "red", "output", "v"}
_COLLECTED = re.compile(r"^=* ?\d+(?:/\d+)? tests? collected", re.MULTILINE)
_STATUS = re.compile(
    r"^(?:exit(?:[ _-]?(?:code|status))?|EXIT) ?[:=] ?([0-9]{1,4})[ \t\r]*$", re.MULTILINE
)


Selectors = Mapping[str, frozenset[str]]
"""Name of a test file (without `.py`) or test function → files it stands in."""


@dataclass(frozen=True)
class LogText:
    """What is known of a log.

    Attributes:
        path: Repository-relative path; `name` below its hub.
        output: The end of what the command said.
        outcome: Of its tests, if it says one.
        exit_code: In its trailer or last lines, or None.
        command: As its header has it, or empty.
    """

    path: str
    name: str
    output: str
    outcome: TestOutcome | None
    exit_code: int | None
    command: str


def read_log(root: Path, hub: str, name: str) -> LogText | None:
    """Read what a log says of its run; None when it cannot be read."""
    place = root / hub / name
    try:
        if behind_link(root, place):
            return None
        size = place.stat().st_size
        with open_plain(place) as stream:
            head = stream.read(_HEAD_BYTES)
            stream.seek(max(0, size - _TAIL_BYTES))
            tail = stream.read(_TAIL_BYTES).decode("utf-8", "replace")
        said = claims(place)
    except OSError:
        return None
    if size <= _TAIL_BYTES and head.startswith(TITLE.encode()):
        tail = body(tail.encode()).decode()
    command = re.search(r"^# command: (.*)$", head.decode("utf-8", "replace"), re.MULTILINE)
    return LogText(
        path=f"{hub}/{name}",
        name=name,
        output=tail,
        outcome=read_outcome(tail),
        exit_code=_exit_code(said, tail),
        command=command[1] if command else "",
    )


def _exit_code(said: Claims | None, tail: str) -> int | None:
    if said is not None:
        return int(said.exit_code) if re.fullmatch(r"[0-9]{1,4}", said.exit_code) else None
    found = _STATUS.findall(tail[-2000:])
    return int(found[-1]) if found else None


def log_findings(
    site: Site, root: Path, receipt: Receipt, selectors: Selectors
) -> Iterator[Finding]:
    """Yield what is wrong with the log of the receipt that speaks for a step.

    Args:
        site: The step.
        root: The repository root.
        receipt: The receipt.
        selectors: The tests of the repository.
    """
    log = read_log(root, receipt.hub, receipt.log)
    if log is None:
        return
    expected = site.step.kind == "pytest"
    for rule, text in _said(log, receipt.command, selectors, expected):
        yield site.finding(rule, text, "", path=log.path)


def loose_log_findings(
    root: Path, hub: str, names: Iterable[str], initiative: str, selectors: Selectors
) -> Iterator[Finding]:
    """Yield what is wrong with logs of a hub that no step's receipt speaks for.

    Args:
        root: The repository root.
        hub: Repository-relative path.
        names: Hub-relative paths of the logs.
        initiative: Whose hub it is.
        selectors: The tests of the repository.
    """
    for name in names:
        log = read_log(root, hub, name)
        if log is None:
            continue
        for rule, text in _said(log, log.command, selectors, False):
            yield Finding(rule, text, log.path, initiative=initiative, level=_level(rule))


def _level(rule: str) -> Level:
    return BY_ID[rule].level


def _said(
    log: LogText, command: str, selectors: Selectors, pytest_expected: bool
) -> Iterator[tuple[str, str]]:
    outcome, name = log.outcome, PurePosixPath(log.name)
    words = _words(name.stem)
    if outcome is not None and (empty := outcome.empty()) is not None:
        aside = f", {put_aside(empty)} put aside" if put_aside(empty) else ""
        yield "PL020", f"holds `{empty.text}`: no test ran{aside}"
    if outcome is not None and _WHOLE & words and outcome.ran == 1:
        called = min(_WHOLE & words)
        yield "PL021", f"is called `{called}`, and holds one test: `{outcome.line}`"
    if (
        outcome is None
        and ("pytest" in words or pytest_expected)
        and not _COLLECTED.search(log.output)
    ):
        yield "PL021", "is a log of pytest, and holds no closing line of one"
    if log.name.startswith("green/") and (why := _not_green(log)) is not None:
        yield "PL021", f"lies in `green/`, and {why}"
    other = _other_selector(name.stem, command, selectors)
    if other is not None:
        yield (
            "PL021",
            f"names `{other}`, which is not what ran: `{' '.join(command.split())[:120]}`",
        )


def _not_green(log: LogText) -> str | None:
    if log.outcome is not None and log.outcome.bad:
        return f"ends with `{log.outcome.line}`"
    if log.exit_code not in (None, 0):
        return f"its command ended with {log.exit_code}"
    return None


def _words(stem: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", stem.lower()) if word}


def _other_selector(stem: str, command: str, selectors: Selectors) -> str | None:
    """Return a test that a name speaks of although the command runs another one.

    A label of one's own (`pytest_nightly`) is no selector: only names of tests that there are.
    """
    if "pytest" not in command and "unittest" not in command:
        return None
    bare = re.sub(r"_v\d+$", "", stem)
    label = re.sub(r"^(?:pytest|log|run)[_-]+", "", bare).replace("-", "_")
    tested = [word for word in command.split() if "test" in word]
    if _words(label) <= _GENERAL or " -k" in command or any(label in word for word in tested):
        return None
    for wanted in (label, f"test_{label}"):
        files = selectors.get(wanted, frozenset())
        if files and not any(_runs(command, file, wanted) for file in files):
            return wanted
    return None


def _runs(command: str, file: str, wanted: str) -> bool:
    """Tell whether a command runs a test: its file, a folder above it, or itself by name."""
    for word in command.split():
        path, mark, node = word.strip("'\";|&()").partition("::")
        above = file == path or file.startswith(f"{path.rstrip('/')}/")
        if above and (not mark or wanted in node or wanted == PurePosixPath(file).stem):
            return True
    named = [
        word for word in command.split() if word.endswith(".py") or "/" in word or "::" in word
    ]
    return not any("test" in word for word in named)  # pytest without a path runs everything
