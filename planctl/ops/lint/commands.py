"""Rules about commands: what hides a failure, what only prints, what reads names nobody set."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from planctl._bounded import ask
from planctl._questions import UnanswerableError
from planctl._shell import ShellFacts, read_shell
from planctl._shell_words import Nested
from planctl._text import listed
from planctl.models.check import LogCheck, LogValueCheck
from planctl.models.lint import Finding
from planctl.models.weak_signs import WORTH_READING
from planctl.ops.inputs import expand
from planctl.ops.lint.site import Site

_OF_THE_SHELL = re.compile(
    r"BASH\w*|HOME|PWD|OLDPWD|PATH|E?UID|PPID|S?RANDOM|SECONDS|LINENO|HOST\w*|OSTYPE|MACHTYPE|IFS|"
    r"OPT(?:ARG|IND|ERR)|SHLVL|SHELL|TERM|USER|LOGNAME|LANG|LC_\w+|TMPDIR|TZ|FUNCNAME|PIPESTATUS|"
    r"REPLY|COLUMNS|LINES|DIRSTACK|EPOCH\w+|GROUPS|PS4|SLURM_\w+|PYTHONUNBUFFERED"
)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_MENTION = re.compile(r"\$\{?(\w+)")
_MAX_NESTING = 4


def command_findings(site: Site) -> Iterator[Finding]:
    """Yield what a step's command does that makes its evidence weak."""
    if not WORTH_READING.search(site.step.run):
        return
    facts = read_shell(site.step.run)
    if not facts.readable:
        yield site.finding("PL016", f"`{_short(site.step.run)}`")
    yield from _hidden(site, facts, "")
    for nested in facts.nested:
        yield from _inner(site, nested, 1)
    yield from _typed(site, facts)


def _hidden(site: Site, facts: ShellFacts, where: str) -> Iterator[Finding]:
    for spot, how in facts.swallowed:
        yield site.finding("PL001", f"{where}line {spot.line}: `{_short(spot.text)}` {how}")
    for spot in facts.overruled:
        text = f"{where}line {spot.line}: ends with `{spot.text}` whatever was before"
        yield site.finding("PL002", text)
    if not facts.reads_status:
        for spot in facts.errexit_off:
            text = f"{where}line {spot.line}: `{spot.text}`, and nothing asks how the rest ends"
            yield site.finding("PL003", text)


def _inner(site: Site, nested: Nested, depth: int) -> Iterator[Finding]:
    """Yield what an inner shell hides: it has the options of its own command line only."""
    facts = read_shell(nested.script)
    lost: list[str] = []
    if facts.pipes and not nested.pipefail and not _sets(nested.script, "pipefail"):
        lost.append(f"of the pipe `{_short(facts.pipes[0].text)}` only the last part counts")
    if facts.early and not nested.errexit and not _sets(nested.script, "e"):
        lost.append(f"of its {facts.statements} statements only the last one counts")
    if lost:
        text = f"line {nested.spot.line}: `{_short(nested.spot.text)}`: {' and '.join(lost)}"
        yield site.finding("PL004", text)
    yield from _hidden(site, facts, f"in the inner shell of line {nested.spot.line}, ")
    if depth < _MAX_NESTING:
        for deeper in facts.nested:
            yield from _inner(site, deeper, depth + 1)


def _sets(script: str, option: str) -> bool:
    return re.match(rf"\s*set\s+-[^;\n]*{option}", script) is not None


def _typed(site: Site, facts: ShellFacts) -> Iterator[Finding]:
    if facts.idle and facts.statements and facts.readable:
        text = f"`{_short(site.step.run)}` runs nothing: what comes out of it was typed in"
        yield site.finding("PL005", text)
        return
    for index, check in enumerate(site.step.checks):
        wanted = _wanted(site, check)
        typed = [text for text in facts.printed if wanted and _finds(wanted, text)]
        if typed:
            said = f"`{wanted}` is found in `{_short(typed[0])}`, which the command itself prints"
            yield site.finding("PL006", said, f"checks.{index}")


def _finds(pattern: str, text: str) -> bool:
    # A pattern of a plan may be one that takes for ever.
    with contextlib.suppress(UnanswerableError):
        return ask("first_match", text.encode("utf-8", "replace"), pattern) is not None
    return False


def _wanted(site: Site, check: object) -> str | None:
    if isinstance(check, LogCheck) and check.log == site.step.log:
        return check.matches
    if isinstance(check, LogValueCheck) and check.log == site.step.log:
        return check.capture
    return None


def undeclared(site: Site, also: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Yield the names that a command reads and that nothing sets.

    Args:
        site: The step.
        also: Further names that are set, such as those of the environment.
    """
    plan, step = site.plan, site.step
    known = {"HUB", "AUTHORITATIVE_CMDS_DOC", *plan.env, *plan.secrets, *also}
    if plan.commands_doc is None:
        known.discard("AUTHORITATIVE_CMDS_DOC")
    mentioned = set(_MENTION.findall(step.run))
    if mentioned - known:
        facts = read_shell(step.run)
        unset = [name for name in facts.used if name not in known | facts.assigned]
        unset = [name for name in unset if not _OF_THE_SHELL.fullmatch(name)]
        if unset and facts.readable and not facts.sources:
            names = listed([f"${name}" for name in unset])
            text = f"reads {names}, which neither `env` nor `secrets` of the plan names"
            yield site.finding("PL007", text)
    for key, path in _paths(site):
        lost = [match[1] or match[2] for match in _REFERENCE.finditer(expand(path, plan.env))]
        if lost:
            said = f"`{path}`: there is no `{lost[0]}` in the plan's `env`"
            yield site.finding("PL007", said, key)


def _paths(site: Site) -> Iterator[tuple[str, str]]:
    for text in site.step.data:
        yield "data", text
    for text in site.step.outputs:
        yield "outputs", text
    for item in site.step.collect:
        yield "collect", item.source


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 80 else f"{flat[:77]}…"
