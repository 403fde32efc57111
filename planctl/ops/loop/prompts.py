"""What an agent is told: who it is, how things stand, what was refused, what it has to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from planctl._files import read_text
from planctl._text import listed, printable
from planctl.errors import BadFileError, UsageError
from planctl.models.loop import LoopRole
from planctl.models.verdict import VerifyReport
from planctl.workspace import Workspace

BUILT_IN = "main"
_MAX_BYTES = 200_000
_MAX_ROWS = 40
_DUTIES: dict[LoopRole, str] = {
    "supervisor": """\
You are the supervisor. You decide what is done next; you change no code and run no phase.

1. Look at what is proven: `planctl status`, `planctl verify`, `planctl ledger next`.
2. Write the order for the engineer into `input.md`. `planctl brief ID` writes one from the plan \
and the verdicts, only for what is not proven; edit it where you know more. (A refused one has to \
be removed before it is written anew.)
3. `planctl brief --check` must pass. An order for evidence that is fresh is refused, whatever \
the clock, a log's date or a file's name says.
4. Write three to five sentences about your decision, then a line `Next: …`, into the file that \
`$PLANCTL_SUMMARY` names.
""",
    "engineer": """\
You are the engineer. You carry out the brief below, and nothing else. It is also in `input.md`.

1. Change what it says under `Implement:`; run what it says under `Run:`.
2. Evidence comes from `planctl run-phase` (or `planctl run -- CMD`). What is fresh is not run \
again. Never edit a receipt, a log or anything else below `reports/`.
3. Stuck? `planctl block ID --reason …` names the obstacle; then stop.
4. Write three to five sentences about what you did and found, then a line `Next: …`, into the \
file that `$PLANCTL_SUMMARY` names. Every path, number and test result in them is checked.
""",
}
_RULES = """\
Do not commit, switch branches or close the turn: planctl does that when you have ended. Files \
that were changed before this turn belong to a person; leave them as they are.
"""


@dataclass(frozen=True)
class Scene:
    """Where a turn stands when its agent is asked.

    Attributes:
        number: Of the turn.
        report: What is proven of the focus.
        why: Why this focus, in a sentence.
        hints: What dwell says of it.
        before: What the turn before reported, a line each.
        refused: What was refused, a line each, receipts named.
        brief: The brief, for an engineer.
    """

    role: LoopRole
    number: int
    focus: str
    branch: str
    report: VerifyReport
    why: str = ""
    hints: Sequence[str] = ()
    before: Sequence[str] = ()
    refused: Sequence[str] = ()
    brief: str = ""


def prompt(scene: Scene, duties: str) -> str:
    """Spell what an agent reads.

    Args:
        scene: How things stand.
        duties: What its role does, from `duties_of`.
    """
    parts = [
        f"# Turn {scene.number:05d}, {scene.role}\n",
        duties.strip() + "\n",
        _RULES,
        _facts(scene),
        _section("Mind", scene.hints),
        _section("What the turn before reported", scene.before),
        _section("Refused orders: do not give them again", scene.refused),
    ]
    if scene.brief:
        parts.append("# Brief\n\n" + scene.brief.strip() + "\n")
    return "\n".join(part for part in parts if part)


def correction(scene: Scene, problems: Sequence[str]) -> str:
    """Spell what an agent reads whose summary was refused."""
    return "\n".join(
        [
            f"# Turn {scene.number:05d}, {scene.role}: the summary is refused\n",
            "Your work stays as it is. Write the summary once more into the file that "
            "`$PLANCTL_SUMMARY` names: three to five sentences, then `Next: …`, only with what is "
            "there. Sentences that are still wrong are struck out, and named as refused.\n",
            _section("Refused", problems),
        ]
    )


def duties_of(workspace: Workspace, role: LoopRole, name: str, folder: str) -> str:
    """Return what a role's prompt says of its duties.

    Args:
        workspace: The repository.
        role: Whose.
        name: Of the prompt.
        folder: Repository-relative folder with `<name>_<role>.md` or `<name>.md`.

    Raises:
        UsageError: There is no prompt of that name.
        BadFileError: Its file cannot be read.
    """
    place = workspace.root / folder
    for candidate in (place / f"{name}_{role}.md", place / f"{name}.md"):
        if candidate.is_file():
            return _read(workspace, candidate)
    if name == BUILT_IN:
        return _DUTIES[role]
    known = sorted(path.name for path in place.glob("*.md"))
    there = f"it has {listed(known)}" if known else f"there is no file in `{folder}/`"
    raise UsageError(
        f"no prompt `{name}` for the {role}",
        f"write `{folder}/{name}_{role}.md`; {there}; `{BUILT_IN}` is built in",
    )


def _read(workspace: Workspace, path: Path) -> str:
    shown = workspace.relative(path)
    try:
        return read_text(path, _MAX_BYTES)
    except UnicodeDecodeError as error:
        raise BadFileError(shown, f"is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise BadFileError(shown, f"cannot be read: {error.strerror}") from error


def _facts(scene: Scene) -> str:
    steps = scene.report.steps
    proven = sum(step.verdict.accepted for step in steps)
    lines = [
        f"Focus: {scene.focus}" + (f" ({scene.why})" if scene.why else ""),
        f"Branch: {scene.branch}",
        f"Proven: {proven} of {len(steps)} steps",
    ]
    for step in [item for item in steps if not item.verdict.accepted][:_MAX_ROWS]:
        rows = f" ({', '.join(step.rows)})" if step.rows else ""
        reason = f": {step.reasons[0]}" if step.reasons else ""
        lines.append(f"- {step.phase}/{step.step}{rows} is {step.verdict}{reason}")
    return "# How things stand\n\n" + "\n".join(map(printable, lines)) + "\n"


def _section(title: str, lines: Iterable[str]) -> str:
    told = [f"- {printable(' '.join(line.split()))}" for line in lines]
    return f"# {title}\n\n" + "\n".join(told) + "\n" if told else ""
