"""`planctl export`: evidence for those who do not have the repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.models.export import Exported


def export(
    initiatives: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Initiatives; all without one.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Folder that `sha256sum --check` can check.")
    ] = None,
    in_toto: Annotated[
        Path | None, typer.Option("--in-toto", help="Folder of DSSE envelopes.")
    ] = None,
    ro_crate: Annotated[
        Path | None, typer.Option("--ro-crate", help="Folder that is an RO-Crate.")
    ] = None,
    json_: Json = False,
) -> int:
    """Copy evidence into a new folder; exit 1 if some of it is not as it was recorded."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.models.export import ExportKind
    from planctl.ops.export import export as carry_out
    from planctl.workspace import Workspace

    wanted = {
        ExportKind.BUNDLE: bundle,
        ExportKind.IN_TOTO: in_toto,
        ExportKind.RO_CRATE: ro_crate,
    }
    given = [(kind, folder) for kind, folder in wanted.items() if folder is not None]
    if len(given) != 1:
        raise UsageError(
            "an export needs one kind and its folder",
            "give one of `--bundle DIR`, `--in-toto DIR` and `--ro-crate DIR`",
        )
    result = carry_out(Workspace.open(), *given[0], initiatives or ())
    if json_:
        render.emit_json(result.as_dict())
    else:
        _show(result)
    return 0 if result.ok else 1


def _show(result: Exported) -> None:
    from planctl._text import count
    from planctl.cli import render

    render.line(
        f"wrote {result.folder}: {count(len(result.files), 'file')} of "
        f"{', '.join(result.initiatives)} at {result.head[:8]}"
    )
    if result.unsigned:
        render.line(f"{result.unsigned} of {count(result.receipts, 'receipt')} not signed")
    for item in result.troubles:
        render.line(f"{item.what}: {item.path}: {item.text}")
