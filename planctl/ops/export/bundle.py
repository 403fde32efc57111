"""A bundle that `sha256sum --check` alone can check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from planctl import clock
from planctl._text import count, printable
from planctl.models.export import ExportedFile, FileKind, Trouble
from planctl.models.inventory import machine_line
from planctl.models.receipt import Receipt
from planctl.ops.export.copying import copy_all
from planctl.ops.export.folder import written
from planctl.ops.export.selection import (
    NOT_RECORDED,
    Evidence,
    Wanted,
    files_of,
    once,
    signers,
)
from planctl.workspace import Workspace

SUMS = "SHA256SUMS"
INDEX = "INDEX.md"


def write_bundle(
    workspace: Workspace, found: Sequence[Evidence], folder: Path
) -> tuple[list[ExportedFile], list[Trouble]]:
    """Write plan, receipts and artifacts under their own names, with `SHA256SUMS` and an index.

    An artifact stands in `SHA256SUMS` with the digest its receipt recorded: one that was changed
    since fails the check. Equal evidence gives equal bytes.
    """
    wanted = [item for one in found for item in files_of(workspace, one)]
    wanted += signers(workspace)
    files, troubles = copy_all(workspace, wanted, folder)
    troubles += [item for one in found for item in one.troubles()]
    text = "\n".join(index_lines(found, files, troubles, workspace.now_head)) + "\n"
    digest = written(folder, INDEX, text.encode("utf-8"))
    files.append(ExportedFile(INDEX, FileKind.INDEX, digest))
    written(folder, SUMS, sums(files, wanted))
    return files, troubles


def sums(files: Iterable[ExportedFile], wanted: Iterable[Wanted]) -> bytes:
    """Return the text of `SHA256SUMS`; what was recorded and is gone is listed too."""
    rows = {item.path: item.recorded for item in once(wanted) if item.recorded is not None}
    rows |= {item.path: item.recorded or item.sha256 for item in files}
    # A file that a folder's manifest does not know has no recorded digest and fails as such.
    known = {path: "0" * 64 if value == NOT_RECORDED else value for path, value in rows.items()}
    return b"".join(os.fsencode(machine_line(known[path], path)) for path in sorted(known))


def index_lines(
    found: Sequence[Evidence],
    files: Sequence[ExportedFile],
    troubles: Sequence[Trouble],
    head: str,
) -> Iterator[str]:
    """Yield the lines of the index, for people."""
    yield f"# Evidence of {', '.join(one.plan.id for one in found)}"
    yield ""
    yield f"Exported by planctl from commit `{head}`."
    yield ""
    yield f"`{SUMS}` names every other file, this one too. Artifacts stand there with the digest"
    yield "that was recorded when the command ended, so that one command checks both the copy and"
    yield "the evidence:"
    yield ""
    yield f"    sha256sum --check --strict {SUMS}"
    yield ""
    yield "A receipt is a DSSE envelope. What it says, and the digest that its name ends with:"
    yield ""
    yield "    jq -r .payload RECEIPT | base64 -d | jq ."
    yield "    jq -r .payload RECEIPT | base64 -d | sha256sum"
    yield ""
    yield from _trouble_lines(troubles)
    for one in found:
        yield from _initiative_lines(one, files)


def _trouble_lines(troubles: Sequence[Trouble]) -> Iterator[str]:
    if not troubles:
        return
    yield f"## {count(len(troubles), 'file')} not as recorded"
    yield ""
    for item in troubles:
        yield f"- **{item.what}** {code(item.path)}: {printable(item.text)}"
    yield ""


def _initiative_lines(one: Evidence, files: Sequence[ExportedFile]) -> Iterator[str]:
    yield f"## {one.plan.id}: {printable(one.plan.title)}"
    yield ""
    yield "| phase | step | rows | verdict at the export | tier | receipt that decides |"
    yield "|---|---|---|---|---|---|"
    for step in one.report.steps:
        # The name of a receipt has no character that means something in a table.
        name = code(step.receipt.rsplit("/", 1)[-1]) if step.receipt else ""
        cells = (step.phase, step.step, " ".join(step.rows), str(step.verdict), step.tier or "")
        yield "| " + " | ".join([*map(_cell, cells), name]) + " |"
    for stored in one.intact:
        yield ""
        yield from _receipt_lines(stored.path, stored.receipt)
    if one.adopted:
        yield ""
        yield "### Adopted: in the repository before planctl, without a receipt"
        yield ""
        for item in one.adopted:
            known = f"last changed by `{item.last}`" if item.last else "not in git"
            yield f"- {code(item.path)} `{item.sha256}`, {known}"
    yield ""


def _receipt_lines(path: str, receipt: Receipt) -> Iterator[str]:
    ended = "passed" if receipt.ok else f"failed, exit {receipt.exit_code}"
    yield f"### {receipt.phase} / {receipt.step}: {ended}"
    yield ""
    yield f"- receipt: {code(path)}"
    dirty = f", with uncommitted changes of {count(len(receipt.dirty), 'input')}"
    yield f"- commit: `{receipt.commit}`{dirty if receipt.dirty else ''}"
    start, end = clock.iso(receipt.started), clock.iso(receipt.finished)
    yield f"- run: {start} to {end}, by `{printable(receipt.role)}`"
    yield f"- command: {code(receipt.command)}"
    for subject in receipt.subjects:
        yield f"- artifact: {code(f'{receipt.hub}/{subject.name}')} `{subject.sha256}`"


def code(text: str) -> str:
    """Return text as inline code of Markdown, whatever is in it."""
    plain = printable(text)
    fence = "`"
    while fence in plain:
        fence += "`"
    blank = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{blank}{plain}{blank}{fence}"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
