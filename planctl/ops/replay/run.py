"""Replay: recorded steps run again in a clean work tree, and what comes out compared."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from planctl._process import Stop, stop_on_signals
from planctl._text import listed
from planctl.errors import NotFoundError
from planctl.models.plan.plan import ordered
from planctl.ops.clean_tree import clean_room, remove_leftovers
from planctl.ops.replay.one import Candidate, Replaying, ReplayOptions, StepReplay
from planctl.ops.run_phase import Reporter
from planctl.ops.signing.signer import find_signer
from planctl.ops.verify import verify
from planctl.workspace import Workspace


@dataclass(frozen=True)
class ReplayResult:
    """What became of a sample of receipts."""

    seed: int
    sample: float
    of: int
    steps: tuple[StepReplay, ...]
    leftovers: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every receipt of the sample was replayed, and all agreed."""
        return all(step.outcome in ("agreed", "would run") for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        plain = asdict(replace(self, steps=()))
        return plain | {"ok": self.ok, "steps": [step.as_dict() for step in self.steps]}


def replay(
    workspace: Workspace, initiatives: list[str], options: ReplayOptions, reporter: Reporter
) -> ReplayResult:
    """Run a sample of recorded steps again, each in a clean work tree, and compare.

    Only receipts that speak for their steps now are asked. Nothing but the replays' own files is
    written into the repository.

    Args:
        workspace: The repository.
        initiatives: Their ids.
        options: See `ReplayOptions`.
        reporter: Gets a line a step and the commands' output.

    Raises:
        NotFoundError: No such phase or step, or no receipt that could be replayed.
        InterruptedRunError: Ctrl-C or SIGTERM; what was compared before is filed.
    """
    signer = find_signer(workspace)
    leftovers = remove_leftovers(workspace.repo)
    everything = [item for name in initiatives for item in _candidates(workspace, name, options)]
    if not everything:
        raise NotFoundError(
            "there is no receipt to replay", "`planctl verify` says what is proven, and by what"
        )
    chosen = sample(everything, options.sample, options.seed)
    stop = Stop()
    done: list[StepReplay] = []
    with stop_on_signals(stop), clean_room(workspace.repo) as room:
        for candidate in chosen:
            run = Replaying(workspace, candidate, options, room, reporter, stop, signer)
            done.append(run.result())
            reporter.event(candidate.verdict.step, _said(done[-1]))
    return ReplayResult(options.seed, options.sample, len(everything), tuple(done), leftovers)


def _said(result: StepReplay) -> str:
    return result.outcome + (f": {result.reason}" if result.reason else "")


def _candidates(
    workspace: Workspace, initiative: str, options: ReplayOptions
) -> Iterator[Candidate]:
    """Yield the steps with a receipt that speaks for them, each after what it needs."""
    plan = workspace.load_plan(initiative)
    report = verify(workspace, plan, options.phase)
    by_id = {step.step: step for step in report.steps}
    if options.step is not None and options.step not in by_id:
        known = listed(list(by_id))
        raise NotFoundError(f"`{initiative}` has no step `{options.step}` there", f"it has {known}")
    for step in ordered({step.id: step.needs for _, step in plan.steps()}):
        verdict = by_id.get(step)
        if verdict is None or options.step not in (None, step) or verdict.stored is None:
            continue
        yield Candidate(plan, verdict, verdict.stored)


def sample(candidates: list[Any], fraction: float, seed: int) -> list[Any]:
    """Return a fraction of the candidates, at least one, in their order.

    Each is ranked by the SHA-256 of the seed and its receipt's digest, so that anyone can draw
    the same again, and one more receipt changes little.
    """

    def rank(candidate: Candidate) -> str:
        text = f"{seed}:{candidate.stored.payload_sha256}"
        return hashlib.sha256(text.encode()).hexdigest()

    wanted = max(1, math.ceil(fraction * len(candidates)))
    chosen = {id(item) for item in sorted(candidates, key=rank)[:wanted]}
    return [item for item in candidates if id(item) in chosen]
