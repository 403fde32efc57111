"""`planctl run -- CMD`: an ad hoc command, logged and recorded like a step."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from pydantic import ValidationError

from planctl import clock
from planctl._lock import hold
from planctl._process import Stop, stop_on_signals
from planctl.errors import InterruptedRunError, NotFoundError, UsageError
from planctl.executors.local import LocalExecutor
from planctl.models.plan.plan import AD_HOC, Step
from planctl.ops.hub import write_inventory
from planctl.ops.receipts import intact_receipts
from planctl.ops.record import Recorder, run_step
from planctl.ops.run_phase import Reporter
from planctl.ops.signing.signer import find_signer
from planctl.workspace import Workspace

_WAYS = {
    "`--log`": "name a file inside the hub, as `cli/measure.log`",
    "`--input`": "write a glob relative to the repository root, as `src/**`",
}


@dataclass(frozen=True)
class OnceResult:
    """What became of an ad hoc command; paths are repository-relative."""

    initiative: str
    hub: str
    exit_code: int
    log: str
    receipt: str
    duration_s: float


def run_once(
    workspace: Workspace,
    command: list[str],
    reporter: Reporter,
    initiative: str | None = None,
    log: str | None = None,
    inputs: tuple[str, ...] = (),
) -> OnceResult:
    """Run a command at the repository root and record it in an initiative's hub.

    Args:
        workspace: The repository.
        command: The words of the command line.
        reporter: Gets its output.
        initiative: Whose hub; may be left out when there is one initiative.
        log: Hub-relative log name; `cli/<command>.log` without it.
        inputs: Globs over tracked files the result depends on.

    Raises:
        UsageError: The log's name, a glob or the command cannot be used.
        NotFoundError: No initiative, several of them, or no hub.
        KeyFileError: The signing key that is configured cannot be used.
        InterruptedRunError: Ctrl-C or SIGTERM; the log is kept.
    """
    name = initiative or _only(workspace)
    plan = workspace.load_plan(name)
    hub = workspace.hub(plan)
    slug = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(command[:2])).strip("_")[:40] or "command"
    step = _step(slug, command, f"cli/{slug}.log" if log is None else log, inputs)
    signer = find_signer(workspace)
    stop = Stop()
    lock = workspace.repo.git_dir / "planctl" / f"{hub.name.replace('/', '%')}.lock"
    with hold(lock, f"run {slug}", clock.iso(workspace.clock())), stop_on_signals(stop):
        taken = workspace.repo.paths_on_branches(hub.name)
        recorder = Recorder(
            workspace=workspace,
            plan=plan,
            hub=hub,
            executor=LocalExecutor(workspace.clock, stop),
            known={item.payload_sha256: item for item in intact_receipts(workspace, plan, hub)},
            on_output=reporter.output,
            taken=frozenset((workspace.root / path).as_posix() for path in taken),
            signer=signer,
        )
        run = run_step(recorder, AD_HOC, step, {})
        if run is None:
            raise InterruptedRunError("interrupted", "the log is kept; there is no receipt")
        own = [item for item in recorder.receipts() if item.receipt.hub == hub.name]
        write_inventory(hub, own)
    receipt = run.stored.receipt
    return OnceResult(
        initiative=name,
        hub=hub.name,
        exit_code=receipt.exit_code,
        log=f"{hub.name}/{receipt.log}",
        receipt=run.stored.path,
        duration_s=run.job.duration_s,
    )


def _step(slug: str, command: list[str], log: str, inputs: tuple[str, ...]) -> Step:
    raw = {"id": f"run-{slug}", "run": shlex.join(command), "log": log, "inputs": inputs}
    try:
        return Step.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        option = {"log": "`--log`", "inputs": "`--input`"}.get(str(first["loc"][0]), "the command")
        what = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{option} {first['input']!r}: {what}", _WAYS.get(option)) from error


def _only(workspace: Workspace) -> str:
    names = workspace.initiatives()
    if len(names) == 1:
        return names[0]
    known = ", ".join(f"`{item}`" for item in names) or "none"
    raise NotFoundError(f"there are {len(names)} initiatives: {known}", "choose one with `--id`")
