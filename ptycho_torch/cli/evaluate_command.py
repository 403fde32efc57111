"""`ptycho-torch evaluate`: what a reconstruction is worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ptycho_torch.cli import edge
from ptycho_torch.cli import options as opt
from ptycho_torch.cli.render import show

FoundFile = Annotated[
    Path, typer.Argument(help="Reconstruction: reconstruction.npz, or any file with an object.")
]


TruthFile = Annotated[
    Path | None, opt.flag("truth", "File with the true object, such as a simulated scan.")
]
OtherFile = Annotated[
    Path | None, opt.flag("against", "Another reconstruction, from whatever program.")
]
ScanOfIt = Annotated[
    Path | None, opt.flag("scan", "Scan it was made from, for R factor and likelihood.")
]
InHalves = Annotated[
    bool, opt.flag("halves", "Reconstruct two halves of the scan and correlate them.", False)
]
SplitFlag = Annotated[
    Literal["patterns", "counts"],
    opt.flag("split", "How to halve: by neighbouring patterns, or by photons.", "patterns"),
]
Epochs = Annotated[int, opt.flag("epochs", "rPIE passes for each half.", 24)]
MaxError = Annotated[
    float | None, opt.flag("max_error", "Exit 1 when the relative error is larger.")
]
PictureFile = Annotated[
    Path | None, opt.flag("picture", "PNG to write; without it one beside the reconstruction.")
]
NoPicture = Annotated[bool, typer.Option("--no_picture", "--no-picture", help="Draw nothing.")]


@edge.guarded
def evaluate(
    reconstruction: FoundFile,
    truth: TruthFile = None,
    against: OtherFile = None,
    scan_file: ScanOfIt = None,
    halves: InHalves = False,
    split: SplitFlag = "patterns",
    epochs: Epochs = 24,
    max_error: MaxError = None,
    picture: PictureFile = None,
    no_picture: NoPicture = False,
    measurement: opt.MeasurementFlag = None,
    cpu_threads: opt.CpuThreads = None,
    as_json: opt.Json = False,
) -> None:
    """Compare a reconstruction with the truth, another one or its data, the flat object beside."""
    from ptycho_torch.config_factory import create_execution_config, require_range

    _check(truth, against, scan_file, halves=halves, gate=max_error is not None)
    require_range("epochs", epochs, lowest=1)
    if max_error is not None:
        require_range("max_error", max_error, lowest=0)
    execution = create_execution_config(cpu_threads=cpu_threads)
    edge.talk(quiet=True)
    from ptycho_torch.assessment import Question, assess, default_picture
    from ptycho_torch.runtime import prepare_torch

    prepare_torch(execution, seed=0)
    reference = truth or against
    drawn = not no_picture and (reference is not None or halves)
    question = Question(
        found=reconstruction,
        truth=truth,
        against=against,
        scan=scan_file,
        measurement=measurement,
        halves=split if halves else None,
        epochs=epochs,
        picture=(picture or default_picture(reconstruction, reference)) if drawn else None,
    )
    report = assess(question)
    passed = _judge_error(report, max_error)
    if as_json:
        show(report, as_json)
    else:
        _print(report)
    if not passed:
        raise typer.Exit(1)


def _check(
    truth: Path | None, against: Path | None, scan: Path | None, *, halves: bool, gate: bool
) -> None:
    """Refuse combinations of flags that ask for nothing or for too much."""
    from ptycho_torch.errors import ConfigError

    alone = truth is None and against is None
    if alone and scan is None:
        raise ConfigError("nothing to compare with", "give --truth, --against, --scan or several")
    if truth is not None and against is not None:
        raise ConfigError("`truth` and `against` exclude each other", "give one of them")
    if halves and scan is None:
        raise ConfigError("`halves` needs the scan", "give --scan")
    if gate and alone:
        raise ConfigError("`max_error` needs something to differ from", "give --truth or --against")


def _judge_error(report: dict[str, Any], max_error: float | None) -> bool:
    """Whether the error is small enough; noted in the report when that was asked."""
    if max_error is None:
        return True
    passed = bool(report["reconstruction"]["relative_error"] <= max_error)
    report["max_error"], report["passed"] = max_error, passed
    return passed


def _print(report: Mapping[str, Any]) -> None:
    """Both rows side by side, then what else is known; curves are for --json."""
    if "reconstruction" in report:
        rows = report["reconstruction"], report["flat"]
        width = max(map(len, rows[0]))
        print(f"{'':<{width}}  {'reconstruction':>14}  {'flat':>14}")
        for name in rows[0]:
            print(f"{name:<{width}}  {_text(rows[0][name]):>14}  {_text(rows[1][name]):>14}")
        print(f"\nlooks like: {report['looks_like']}")
        for remark in report["remarks"]:
            print(f"  {remark}")
    hidden = {"reconstruction", "flat", "looks_like", "remarks", "frc"}
    rest = {name: value for name, value in report.items() if name not in hidden}
    if "halves" in rest:
        rest["halves"] = {k: v for k, v in rest["halves"].items() if k != "frc"}
    show(rest, as_json=False)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
