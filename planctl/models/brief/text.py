"""How a brief reads: facts in, Markdown out."""

from __future__ import annotations

from dataclasses import dataclass

from planctl._text import count, listed, printable

Lines = tuple[str, ...]


@dataclass(frozen=True)
class StepFacts:
    """An open step, as a brief tells it.

    Attributes:
        state: Verdict and reason.
        duration: What it took before, a sentence; empty when nothing tells.
        expects: Log and artifacts, hub-relative.
        checks: What must hold of them.
    """

    id: str
    rows: Lines
    state: str
    command: str
    duration: str
    expects: Lines
    checks: Lines
    data: Lines = ()


@dataclass(frozen=True)
class PointerFacts:
    """A pointer and why it is there; `path:line`."""

    spelled: str
    why: str


@dataclass(frozen=True)
class BriefFacts:
    """All that a brief says.

    Attributes:
        implement: Target and why, for each file that must change.
        first: Commands that come before the run: `git checkout …`, `planctl hub new …`, with why.
        run: The command of the run; empty when nothing is to be run.
        tests: Selector and how many it collects, or why it is not counted.
        closes: Who works on it closes the turn.
    """

    focus: str
    title: str
    phase: str
    phase_title: str
    branch: str
    written: str
    summary: str
    hub: str
    run: str
    steps: tuple[StepFacts, ...]
    implement: tuple[tuple[str, str], ...] = ()
    first: tuple[tuple[str, str], ...] = ()
    tests: tuple[tuple[str, str], ...] = ()
    notes: Lines = ()
    env: tuple[tuple[str, str], ...] = ()
    pitfalls: Lines = ()
    blocked: Lines = ()
    findings: tuple[tuple[str, str], ...] = ()
    pointers: tuple[PointerFacts, ...] = ()
    next_up: Lines = ()
    because: str = ""
    closes: bool = True


_SHORT = ("Summary", "Focus", "Do Now", "Artifacts", "If Blocked", "Pointers")


def render(facts: BriefFacts, form: str) -> str:
    """Spell a brief; the short form has six of the sections."""
    head = [f"# Brief: {facts.focus}, phase {facts.phase}", ""]
    parts: dict[str, list[str]] = {
        "Written": [f"Written: {facts.written} by planctl"],
        "Summary": [f"Summary: {facts.summary}"],
        "Focus": [f"Focus: {facts.focus} — {_flat(facts.title)} (phase {_phase(facts)})"],
        "Branch": [f"Branch: {facts.branch}"],
        "Mapped tests": _tests(facts),
        "Artifacts": [f"Artifacts: {facts.hub}/"],
        "Do Now": ["", "## Do Now", "", *_do_now(facts)],
        "Notes": ["", "## Notes", "", *_items(facts.notes)] if facts.notes else [],
        "How-To Map": ["", "## How-To Map", "", *_how_to(facts)],
        "Pitfalls": ["", "## Pitfalls", "", *_items(facts.pitfalls)],
        "If Blocked": ["", "## If Blocked", "", *_items(facts.blocked)],
        "Findings Applied": ["", "## Findings Applied", "", *_findings(facts)],
        "Pointers": ["", "## Pointers", "", *_pointers(facts)],
        "Next Up": ["", "## Next Up", "", *_items(facts.next_up)],
    }
    chosen = [text for name, text in parts.items() if form == "long" or name in _SHORT]
    return printable("\n".join([*head, *(line for part in chosen for line in part), ""]), "\n")


def _phase(facts: BriefFacts) -> str:
    return f"{facts.phase}: {_flat(facts.phase_title)}" if facts.phase_title else facts.phase


def _flat(text: str) -> str:
    return " ".join(text.split())


def _items(lines: Lines) -> list[str]:
    return [f"- {_flat(line)}" for line in lines] or ["- none"]


def _tests(facts: BriefFacts) -> list[str]:
    if not facts.tests:
        return ["Mapped tests: none (no open step of this phase runs tests)"]
    if len(facts.tests) == 1:
        name, told = facts.tests[0]
        return [f"Mapped tests: `{name}` ({told})"]
    return ["Mapped tests:", *(f"- `{name}` ({told})" for name, told in facts.tests)]


def _do_now(facts: BriefFacts) -> list[str]:
    lines = [f"Implement: `{target}` — {_flat(why)}" for target, why in facts.implement]
    lines += [f"First: `{command}` ({_flat(why)})" for command, why in facts.first]
    if facts.run:
        names = listed([step.id for step in facts.steps])
        forced = f"; wanted again: {_flat(facts.because)}" if facts.because else ""
        lines.append(f"Run: `{facts.run}` ({names}{forced})")
    if facts.closes:
        lines.append(
            "Close: `planctl turn close --message '…' --next '…'`, "
            "which files summary, evidence and commit."
        )
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]


def _how_to(facts: BriefFacts) -> list[str]:
    lines: list[str] = []
    if facts.env:
        names = ", ".join(f"`{name}={value}`" for name, value in facts.env)
        lines += [f"`planctl run-phase` exports {names}.", ""]
    for step in facts.steps:
        rows = f" ({', '.join(step.rows)})" if step.rows else ""
        took = f" {step.duration}" if step.duration else ""
        lines += [f"### Step `{step.id}`{rows}", "", f"It is {_flat(step.state)}.{took}", ""]
        fence = "`" * max(3, step.command.count("```") * 3 + 1) if "```" in step.command else "```"
        lines += [f"{fence}sh", *step.command.strip().split("\n"), fence, ""]
        lines += [f"- leaves {', '.join(f'`{name}`' for name in step.expects)}"]
        lines += [f"- reads `{name}`, which is not in git" for name in step.data]
        lines += [f"- must hold: {_flat(check)}" for check in step.checks]
        lines.append("")
    return lines[:-1] if lines else ["- nothing is to be run"]


def _findings(facts: BriefFacts) -> list[str]:
    return [f"- {name}: {_flat(text)}" for name, text in facts.findings] or ["- none"]


def _pointers(facts: BriefFacts) -> list[str]:
    return [f"- `{item.spelled}` — {_flat(item.why)}" for item in facts.pointers] or ["- none"]


def summary_of(phase: str, open_steps: Lines, whole: int, worst: str) -> str:
    """Say in a sentence what is open of a phase."""
    left = f"{len(open_steps)} of {count(whole, 'step')} of phase {phase}"
    return f"{left} {'is' if len(open_steps) == 1 else 'are'} not proven: {worst}."
