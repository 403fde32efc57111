"""Receipts as in-toto consumers expect them.

Names: https://github.com/in-toto/attestation/blob/main/spec/v1/envelope.md and `bundle.md`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from planctl.models.export import ExportedFile, FileKind, Trouble
from planctl.ops.export.copying import copy_all
from planctl.ops.export.folder import written
from planctl.ops.export.selection import Evidence, envelope_of, signers
from planctl.workspace import Workspace


def write_attestations(
    workspace: Workspace, found: Sequence[Evidence], folder: Path
) -> tuple[list[ExportedFile], list[Trouble]]:
    """Write each initiative's envelopes: all in one bundle, those that decide by step.

    `<ID>.intoto.jsonl` has one envelope a line, oldest first; `<ID>/<step>.json` is the envelope
    that speaks for the step now. Payloads and signatures are those of the receipts.
    """
    files, troubles = copy_all(workspace, signers(workspace), folder)
    for one in found:
        troubles += one.troubles()
        envelopes = {i.path: envelope_of(workspace, i.path) for i in one.intact}
        lines = b"".join(_line(content) for content in envelopes.values())
        name = f"{one.plan.id}.intoto.jsonl"
        files.append(ExportedFile(name, FileKind.RECEIPT, written(folder, name, lines)))
        for step in one.report.steps:
            if step.receipt in envelopes:
                name = f"{one.plan.id}/{step.step}.json"
                digest = written(folder, name, envelopes[step.receipt])
                files.append(ExportedFile(name, FileKind.RECEIPT, digest))
    return files, troubles


def _line(envelope: bytes) -> bytes:
    """Return an envelope on one line; its payload is a string and stays as it is."""
    text = json.dumps(json.loads(envelope), separators=(",", ":"), ensure_ascii=True)
    return f"{text}\n".encode()
