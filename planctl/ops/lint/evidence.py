"""Rules about recorded evidence: copies, runs that differ, rows that moved."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from planctl._git import Repository
from planctl._text import listed
from planctl.errors import PlanError
from planctl.models.check import JsonCheck, LogValueCheck, SameCheck
from planctl.models.lint import Finding
from planctl.models.plan.parse import parse_plan
from planctl.models.plan.plan import Plan
from planctl.models.receipt import Receipt, StoredReceipt, Subject
from planctl.ops.artifacts import Artifacts, subject_path
from planctl.ops.checks import values_of
from planctl.ops.lint.site import Site
from planctl.ops.predicates import resolver

# Below this many bytes two files are alike by chance: `{}`, `true`, an empty table.
_TRIVIAL_BYTES = 64
_SHOWN = 4

Proven = dict[str, tuple[Site, StoredReceipt]]
"""Step → the step and the receipt that speaks for it."""


def identical(root: Path, proven: Proven) -> Iterator[Finding]:
    """Yield artifacts of different names that have the same content."""
    seen: dict[str, list[tuple[Site, Receipt, Subject]]] = {}
    for site, stored in proven.values():
        folders = {s.declared for s in stored.receipt.subjects if s.kind == "folder"}
        for subject in stored.receipt.subjects:
            listing = subject.declared.removesuffix(".sha256") in folders - {subject.declared}
            if subject.name != stored.receipt.log and not listing:
                seen.setdefault(subject.sha256, []).append((site, stored.receipt, subject))
    allowed = [set(check.same) for site, _ in proven.values() for check in _same_checks(site)]
    for group in seen.values():
        names = sorted({subject.declared for _, _, subject in group})
        if len(names) < 2 or any(set(names) <= pair for pair in allowed):
            continue
        if _size(root, group[0][1], group[0][2]) < _TRIVIAL_BYTES:
            continue
        site = group[-1][0]
        digest = group[0][2].sha256[:12]
        yield site.finding(
            "PL022", f"{listed(names, _SHOWN)} have one content ({digest})", "collect"
        )


def _same_checks(site: Site) -> list[SameCheck]:
    return [check for check in site.step.checks if isinstance(check, SameCheck)]


def _size(root: Path, receipt: Receipt, subject: Subject) -> int:
    place = subject_path(root, receipt, subject)
    try:
        return place.lstat().st_size if subject.kind == "file" else _TRIVIAL_BYTES
    except OSError:
        return _TRIVIAL_BYTES  # gone: what it was is not known to be trivial


def differing_runs(
    root: Path, proven: Proven, everything: Iterable[StoredReceipt], tolerance: float
) -> Iterator[Finding]:
    """Yield numbers that checks look at and that runs of the same code do not agree in.

    Args:
        root: The repository root.
        proven: The receipts that speak for their steps.
        everything: All receipts of the plan that hold.
        tolerance: Share of the larger number; a check's own `within` goes before.
    """
    stored = list(everything)
    by_digest = {item.payload_sha256: item.receipt for item in stored}
    artifacts = Artifacts(root)
    for site, chosen in proven.values():
        alike = [item.receipt for item in stored if _same_run(item.receipt, chosen.receipt)]
        if len(alike) < 2:
            continue
        for check in site.step.checks:
            if not isinstance(check, JsonCheck | LogValueCheck):
                continue
            name = check.path if isinstance(check, JsonCheck) else check.capture
            limit = check.within or tolerance
            seen = [_numbers(check, root, r, by_digest, artifacts) for r in alike]
            spread = _spread([numbers for numbers in seen if numbers])
            if spread is not None and spread[0] > limit:
                text = (
                    f"`{name}` was {spread[1]:.6g} and {spread[2]:.6g} in {len(alike)} runs on the "
                    f"same inputs: {spread[0]:.1%} apart, {limit:.1%} tolerated"
                )
                yield site.finding("PL023", text, "checks")


def _same_run(one: Receipt, other: Receipt) -> bool:
    key = ("step", "initiative", "phase", "contract_sha256", "inputs", "data")
    return one.ok and all(getattr(one, name) == getattr(other, name) for name in key)


def _numbers(
    check: JsonCheck | LogValueCheck,
    root: Path,
    receipt: Receipt,
    by_digest: dict[str, Receipt],
    artifacts: Artifacts,
) -> list[float] | None:
    declared = check.json_file if isinstance(check, JsonCheck) else check.log
    subject = receipt.subject_for(declared)
    if subject is None or artifacts.state(receipt, subject) != subject.sha256:
        return None
    found: Any = values_of(check, resolver(root, receipt, by_digest.get))
    numbers = [item for item in found or () if _is_number(item)]
    return numbers if found and len(numbers) == len(found) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spread(runs: list[list[float]]) -> tuple[float, float, float] | None:
    """Return the largest relative distance between runs, with the two numbers."""
    if len(runs) < 2 or len({len(numbers) for numbers in runs}) != 1:
        return None
    widest = (0.0, 0.0, 0.0)
    for numbers in zip(*runs, strict=True):
        low, high = min(numbers), max(numbers)
        scale = max(abs(low), abs(high))
        apart = (high - low) / scale if scale else 0.0
        widest = max(widest, (apart, low, high))
    return widest


def moved_rows(repo: Repository, plan: Plan, proven: Proven) -> Iterator[Finding]:
    """Yield rows that left the step that proved them since its last receipt.

    The plan of then is the one of the commit that brought the receipt, else of the commit that
    the receipt was recorded at.
    """
    if not proven:
        return
    added = repo.first_added([stored.path for _, stored in proven.values()])
    now = {row: step.id for _, step in plan.steps() for row in step.rows}
    commits: dict[str, str] = {}
    for step, (_, stored) in proven.items():
        first = added.get(stored.path)
        commits[step] = stored.receipt.commit if first is None else first.commit.id
    path = next(iter(proven.values()))[0].path
    plans = _plans_at(repo, sorted(set(commits.values())), path)
    for step, (site, _) in proven.items():
        for row in plans.get(commits[step], {}).get(step, ()):
            if row not in site.step.rows:
                gone = f"`{now[row]}` has it now" if row in now else "no step has it now"
                text = f"row `{row}` was proven by this step at {commits[step][:8]}; {gone}"
                yield site.finding("PL024", text, "rows")


def _plans_at(
    repo: Repository, commits: list[str], path: str
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return commit → step → rows, for the commits that have a plan that can be used."""
    asked = "".join(f"{commit}:{path}\n" for commit in commits)
    answer = repo.ask("cat-file", "--batch-check=%(objectname)", stdin=asked).decode()
    lines = zip(commits, answer.splitlines(), strict=True)
    blobs = {commit: line for commit, line in lines if " " not in line}
    texts = repo.blobs(blobs.values())
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for commit, blob in blobs.items():
        with contextlib.suppress(PlanError):  # no plan of then could be used: nothing has moved
            plan = parse_plan(texts.get(blob, b"").decode("utf-8", "replace"), path)
            found[commit] = {step.id: step.rows for _, step in plan.steps()}
    return found
