"""Blockers: what stands in the way, and the command that must succeed before work goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from planctl._text import printable
from planctl.models.failures.signs import Signature


@dataclass(frozen=True)
class Blocker:
    """A failure and the way back.

    Attributes:
        path: Repository-relative path of its file.
        in_a_row: How often this step now failed with this signature without another end between.
        focus_blocked: The ledger now says `blocked`.
        return_condition: Command that must succeed before work goes on.
        receipt: Repository-relative path of the failed run's receipt, None if blocked by hand.
        findings: Rows of `docs/findings.md` that apply: id → text.
        turn: Number of the turn that failed, if one did.
    """

    path: str
    initiative: str
    title: str
    stamp: str
    signature: Signature
    reason: str
    command: str
    commit: str
    return_condition: str
    phase: str | None = None
    step: str | None = None
    receipt: str | None = None
    log: str | None = None
    exit_code: int | None = None
    attempts: int = 0
    in_a_row: int = 1
    focus_blocked: bool = False
    findings: dict[str, str] = field(default_factory=dict)
    turn: int | None = None


def render(blocker: Blocker) -> str:
    """Spell a blocker file."""
    facts = [
        ("Initiative", blocker.initiative),
        ("Phase", blocker.phase),
        ("Step", blocker.step),
        ("Turn", None if blocker.turn is None else f"{blocker.turn:05}"),
        ("Signature", f"{blocker.signature} ({blocker.in_a_row} in a row)"),
        ("Blocks", "the focus" if blocker.focus_blocked else "this, not the focus yet"),
        ("Exit code", None if blocker.exit_code is None else str(blocker.exit_code)),
        ("Commit", blocker.commit),
        ("Receipt", blocker.receipt),
        ("Log", blocker.log),
        ("Attempts so far", str(blocker.attempts)),
    ]
    shown = blocker.signature.lines or ("(the run printed nothing)",)
    findings = [f"- {name}: {text}" for name, text in blocker.findings.items()] or ["None."]
    parts = [
        [f"# Blocked: {blocker.title} ({blocker.stamp})", "", blocker.reason, ""],
        [f"- {name}: {value}" for name, value in facts if value is not None],
        ["", "## Error signature", "", *_fenced("text", shown)],
        ["", "## Command", "", *_fenced("sh", blocker.command.strip().split("\n"))],
        ["", "## Findings that apply", "", *findings],
        ["", "## Return condition", "", "Work goes on when this succeeds:", ""],
        _fenced("sh", blocker.return_condition.strip().split("\n")),
    ]
    text = "\n".join(line for part in parts for line in part)
    return printable(text, keep="\n\t") + "\n"


def _fenced(language: str, lines: list[str] | tuple[str, ...]) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", "\n".join(lines))), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


@dataclass(frozen=True)
class BlockerFacts:
    """What a later run needs to know of a blocker file; without a receipt no run wrote it.

    Attributes:
        signature: Kind and digest.
        in_a_row: How often in a row it had failed so.
        return_condition: The command that must succeed; empty in a file that somebody cut.
        blocks_focus: It marked the whole focus: a run does so the second time, a word at once.
        turn: Number of the turn that failed, if one did.
    """

    signature: str
    in_a_row: int
    receipt: str | None
    step: str | None = None
    title: str = ""
    stamp: str = ""
    reason: str = ""
    return_condition: str = ""
    blocks_focus: bool = True
    turn: int | None = None

    @property
    def kind(self) -> str:
        """The signature's kind."""
        return self.signature.partition(" ")[0]


_TITLE = re.compile(r"# Blocked: (.*) \((\S+)\)\n\n(.*)")
_CONDITION = re.compile(
    r"^## Return condition\n\nWork goes on when this succeeds:\n\n(`{3,})sh\n(.*?)\n\1$",
    re.MULTILINE | re.DOTALL,
)


def facts(text: str) -> BlockerFacts | None:
    """Read back what `render` wrote; None if it is no blocker file of ours."""
    # A reason or a command may look like a part of the file: each part is looked for in its place.
    told = text[max(text.find("\n\n- Initiative: "), 0) :]
    found = re.search(r"^- Signature: ([\w-]+ [0-9a-f]{8}) \((\d+) in a row\)$", told, re.MULTILINE)
    if found is None:
        return None
    receipt = re.search(r"^- Receipt: (\S+)$", told, re.MULTILINE)
    step = re.search(r"^- Step: (\S+)$", told, re.MULTILINE)
    turn = re.search(r"^- Turn: (\d+)$", told, re.MULTILINE)
    blocks = re.search(r"^- Blocks: the focus$", told, re.MULTILINE)
    title, conditions = _TITLE.match(text), _CONDITION.findall(text)
    return BlockerFacts(
        signature=found[1],
        in_a_row=int(found[2]),
        receipt=receipt[1] if receipt else None,
        step=step[1] if step else None,
        title=title[1] if title else "",
        stamp=title[2] if title else "",
        reason=title[3] if title else "",
        return_condition=conditions[-1][1] if conditions else "",
        # Files from before the line was there: only runs did not always mark the focus.
        blocks_focus=blocks is not None if "\n- Blocks: " in told else _blocked(found[2], receipt),
        turn=int(turn[1]) if turn else None,
    )


def _blocked(in_a_row: str, receipt: re.Match[str] | None) -> bool:
    return receipt is None or int(in_a_row) > 1


@dataclass(frozen=True)
class Unblocking:
    """A blocker that is out of the way: a record of its own, the blocker's file stays as it was.

    Attributes:
        blockers: Repository-relative paths of the blocker files that it resolves.
        how: One sentence: which condition held, or what was said instead.
        condition: The command that was run; empty when none was.
        seen: The last lines of what it printed.
        receipt: Of the run, if there is one.
    """

    initiative: str
    title: str
    stamp: str
    blockers: tuple[str, ...]
    how: str
    by: str
    commit: str
    condition: str = ""
    seen: tuple[str, ...] = ()
    receipt: str | None = None
    log: str | None = None


def render_unblocking(item: Unblocking) -> str:
    """Spell the file that says that blockers are out of the way."""
    facts = [
        ("Initiative", item.initiative),
        *(("Blocker", path) for path in item.blockers),
        ("By", item.by),
        ("Commit", item.commit),
        ("Receipt", item.receipt),
        ("Log", item.log),
    ]
    lines = [f"# Unblocked: {item.title} ({item.stamp})", "", item.how, ""]
    lines += [f"- {name}: {value}" for name, value in facts if value is not None]
    if item.condition:
        lines += ["", "## Return condition", "", *_fenced("sh", item.condition.strip().split("\n"))]
        lines += ["", "## What it said", "", *_fenced("text", item.seen or ("(nothing)",))]
    return printable("\n".join(lines), keep="\n\t") + "\n"


def resolved_by(text: str) -> tuple[str, ...]:
    """Return the blocker files that a record of `render_unblocking` resolves."""
    if not text.startswith("# Unblocked: "):
        return ()
    head = text.partition("\n## ")[0]
    return tuple(re.findall(r"^- Blocker: (.+)$", head, re.MULTILINE))
