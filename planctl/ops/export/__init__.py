"""Export: evidence copied out of the repository, deterministic and whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from planctl.models.export import Exported, ExportedFile, ExportKind, Trouble
from planctl.models.signing.envelope import parse_envelope
from planctl.ops.export.bundle import write_bundle
from planctl.ops.export.crate import write_crate
from planctl.ops.export.folder import new_folder
from planctl.ops.export.intoto import write_attestations
from planctl.ops.export.selection import Evidence, envelope_of, evidence
from planctl.workspace import Workspace

_WRITERS = {
    ExportKind.BUNDLE: write_bundle,
    ExportKind.IN_TOTO: write_attestations,
    ExportKind.RO_CRATE: write_crate,
}


def export(
    workspace: Workspace, kind: ExportKind, folder: Path, initiatives: Sequence[str] = ()
) -> Exported:
    """Export the evidence of some initiatives into a new folder.

    The folder appears when everything is written. Nothing in it depends on a clock: equal evidence
    at one commit gives equal bytes. Evidence goes out as it lies there; what is not as it was
    recorded is named.

    Args:
        workspace: The repository.
        kind: What for.
        folder: Absent or empty.
        initiatives: Their ids; all without one.

    Returns:
        What was written, and what is not as it was recorded.

    Raises:
        PreconditionError: The folder is not empty, or lies among the evidence.
        NotFoundError: No such initiative, none at all, or no commit.
        PlanError: A plan cannot be used.
    """
    head = workspace.now_head
    found = evidence(workspace, initiatives)
    with new_folder(workspace, folder) as part:
        files, troubles = _WRITERS[kind](workspace, found, part)
    return _result(workspace, kind, folder, head, found, files, troubles)


def _result(
    workspace: Workspace,
    kind: ExportKind,
    folder: Path,
    head: str,
    found: Sequence[Evidence],
    files: Sequence[ExportedFile],
    troubles: Sequence[Trouble],
) -> Exported:
    paths = [stored.path for one in found for stored in one.intact]
    envelopes = [parse_envelope(envelope_of(workspace, path), path) for path in paths]
    return Exported(
        folder=str(folder),
        kind=kind,
        head=head,
        initiatives=tuple(one.plan.id for one in found),
        files=tuple(sorted(files, key=lambda item: item.path)),
        troubles=tuple(sorted(troubles, key=lambda item: (item.path, item.what))),
        receipts=len(paths),
        unsigned=sum(not envelope.signatures for envelope in envelopes),
    )
