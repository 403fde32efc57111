"""Rules about what a plan says: checks, inputs, gates, waivers, names and values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planctl._text import listed
from planctl.models.annotation import Level
from planctl.models.check import Check, JsonCheck, LogCheck, LogValueCheck, SameCheck
from planctl.models.lint import Finding
from planctl.models.plan.plan import Plan, checks_of
from planctl.ops.inputs import expand
from planctl.ops.lint.commands import command_findings
from planctl.ops.lint.site import Site
from planctl.workspace import Workspace

_FAR = 1e300
_SOON = dt.timedelta(days=14)
_YEAR = dt.timedelta(days=366)
_HOMES = re.compile(r"(?<![\w$}.])(?:/(?:home|Users|root)/|~/)[\w.-][^\s'\";:,)]*")
_SECRET_WORDS = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|APIKEY|CREDENTIALS?|"
    r"(?:API|ACCESS|PRIVATE|SECRET)_KEY)(?:_|$)",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|"
    r"\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bxox[abprs]-[\w-]{10,}|"
    r"\bsk-[A-Za-z0-9_-]{20,}|\bpypi-[\w-]{40,}|://[^/\s:@]+:[^/\s:@$]+@"
)
_HARMLESS = re.compile(r"[\d.]*|true|false|yes|no|none|\$\w+|\$\{\w+\}", re.IGNORECASE)


def cheap_findings(site: Site) -> Iterator[Finding]:
    """Yield what can be told from the plan alone, fast enough for every `verify`."""
    yield from command_findings(site)
    if not checks_of(site.step):
        yield site.finding("PL010", "the step has no checks: any result passes", "checks")
    if not site.plan.inputs_of(site.phase, site.step):
        yield site.finding("PL011", "the step declares no inputs", "inputs")
    for index, check in enumerate(site.step.checks):
        why = cannot_fail(check, site)
        if why is not None:
            yield site.finding("PL012", why, f"checks.{index}")


def plan_findings(workspace: Workspace, plan: Plan, found: list[Site]) -> Iterator[Finding]:
    """Yield what a whole plan gets wrong: gates, waivers, secrets, repeated commands."""
    for site in found:
        yield from _machine_paths(site, workspace.root)
        yield from _waiver(site, workspace.clock().date())
        if _SECRET_VALUES.search(site.step.run):
            yield site.finding("PL015", "a word of the command looks like a secret")
    yield from _secrets(plan, found)
    yield from _repeated(plan, found)
    yield from _gates(workspace, plan, found)


def cannot_fail(check: Check, site: Site) -> str | None:
    """Return why a check holds for every result, or None."""
    match check:
        case LogCheck():
            empty = check.matches is not None and re.search(check.matches, "") is not None
            if empty and check.not_matches is None:
                return f"`matches: {check.matches}` is found in an empty log"
        case JsonCheck() | LogValueCheck():
            return _empty_bounds(check) or _itself(check) or _constant(check)
        case SameCheck():
            sources = {item.to.rstrip("/"): item.source for item in site.step.collect}
            copies = [sources.get(name) for name in check.same]
            if None not in copies and len(set(copies)) == 1:
                return f"all of {listed(check.same)} are copies of `{copies[0]}`"
        case _:
            pass
    return None


def _empty_bounds(check: JsonCheck | LogValueCheck) -> str | None:
    others = (check.eq, check.ne, check.same_as, check.finite)
    if any(other is not None for other in others):
        return None
    if check.within is not None:
        always = check.within >= 1
        return (
            f"`within: {check.within:g}` holds for any two numbers alike in sign" * always or None
        )
    low = [bound for bound in (check.gt, check.ge) if bound is not None]
    high = [bound for bound in (check.lt, check.le) if bound is not None]
    if all(bound <= -_FAR for bound in low) and all(bound >= _FAR for bound in high):
        return "every number lies within its bounds"
    if not isinstance(check, JsonCheck) or not re.fullmatch(r"length\([^()]*\)", check.path):
        return None
    always = not high and max(low, default=0) <= 0 and check.gt != 0
    return f"`{check.path}` is never less than 0" if always else None


def _itself(check: JsonCheck | LogValueCheck) -> str | None:
    other = check.of or check.same_as
    if other is None:
        return None
    own = {"json_file", "path"} if isinstance(check, JsonCheck) else {"log", "capture"}
    if all(getattr(check, key) == getattr(other, key, None) for key in own):
        return "compares a value with itself"
    return None


def _constant(check: JsonCheck | LogValueCheck) -> str | None:
    """Tell whether a path gives the same value for documents that have nothing in common."""
    if not isinstance(check, JsonCheck) or not re.search(r"[`'=<>!]", check.path):
        return None
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        expression = jmespath.compile(check.path)
        documents: tuple[Any, ...] = (None, {}, [], {"a": 1}, "x")
        seen = [expression.search(document) for document in documents]
    except JMESPathError:
        return None
    if seen[0] is not None and all(value == seen[0] for value in seen):
        return f"`{check.path}` gives `{seen[0]!r}` for every document"
    return None


def _machine_paths(site: Site, root: Path) -> Iterator[Finding]:
    texts = {"run": site.step.run, **{f"env.{k}": v for k, v in site.plan.env.items()}}
    for key, text in texts.items():
        if key != "run" and f"${key[4:]}" not in site.step.run:
            continue
        own = [str(root)] if f"{root}/" in f"{text}/" and str(root) != "/" else []
        homes = own or _HOMES.findall(text)
        if homes:
            said = f"`{homes[0][:80]}` is on this machine only"
            yield site.finding("PL008", said if key == "run" else f"`{key}`: {said}")


def _waiver(site: Site, today: dt.date) -> Iterator[Finding]:
    waive = site.step.waive
    if waive is None:
        return
    said = f"{waive.who}: {waive.why} (until {waive.until})"
    if waive.until < today:
        yield site.finding("PL014", f"has ended: {said}", "waive")
    elif waive.until - today > _YEAR:
        yield site.finding("PL014", f"runs for more than a year: {said}", "waive")
    elif waive.until - today <= _SOON:
        days = (waive.until - today).days
        text = f"ends in {days} days: {said}"
        yield site.finding("PL014", text, "waive", level=Level.NOTE)


def _secrets(plan: Plan, found: list[Site]) -> Iterator[Finding]:
    for name, value in plan.env.items():
        named = _SECRET_WORDS.search(name) is not None and not _HARMLESS.fullmatch(value)
        if found and (named or _SECRET_VALUES.search(value)):
            first = found[0]
            why = "its name says so" if named else "its value has the form of one"
            # The value itself is not shown: what lint prints goes into logs too.
            yield Finding(
                "PL015",
                f"looks like a secret ({why})",
                first.path,
                key=f"env.{name}",
                initiative=plan.id,
                level=Level.ERROR,
            )


def _repeated(plan: Plan, found: list[Site]) -> Iterator[Finding]:
    seen: dict[str, Site] = {}
    for site in found:
        text = " ".join(expand(site.step.run, plan.env).split())
        if text in seen:
            yield site.finding("PL009", f"runs what `{seen[text].step.id}` runs")
        seen.setdefault(text, site)


def _gates(workspace: Workspace, plan: Plan, found: list[Site]) -> Iterator[Finding]:
    repo = workspace.repo
    for name, phase in plan.phases.items():
        first = next(site for site in found if site.phase == name)
        if phase.gate is None or repo.head is None:
            continue
        full = repo.resolve(phase.gate)
        if full is None:
            text = f"the gate `{phase.gate}` is no commit of this clone"
        elif not repo.is_ancestor(full, repo.head):
            text = f"HEAD `{repo.head[:8]}` does not contain the gate `{phase.gate}`"
        else:
            continue
        yield Finding(
            "PL013",
            text,
            first.path,
            first.line,
            f"phases.{name}.gate",
            plan.id,
            name,
            level=Level.ERROR,
        )
