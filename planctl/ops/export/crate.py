"""Evidence as an RO-Crate: each run a `CreateAction` with what it read and made.

Formats: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and the profile Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5).
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from planctl import clock
from planctl._files import read_plain
from planctl._text import printable, relative_uri
from planctl._version import __version__
from planctl.models.export import ExportedFile, FileKind, Trouble
from planctl.models.receipt import InputFile, Receipt, StoredReceipt
from planctl.ops.export.copying import copy_all
from planctl.ops.export.folder import written
from planctl.ops.export.selection import Evidence, Wanted, files_of, signers
from planctl.workspace import Workspace

METADATA = "ro-crate-metadata.json"
_SPEC = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# The 1.1 context is older than this term of schema.org.
_CONTEXT = [f"{_SPEC}/context", {"sha256": "http://schema.org/sha256"}]
_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".npy": "application/octet-stream",
    ".npz": "application/zip",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
_LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")
_STATUS = {True: "CompletedActionStatus", False: "FailedActionStatus"}

Entity = dict[str, Any]


def write_crate(
    workspace: Workspace, found: Sequence[Evidence], folder: Path
) -> tuple[list[ExportedFile], list[Trouble]]:
    """Write plan, receipts and artifacts under their own names, with `ro-crate-metadata.json`."""
    wanted = [item for one in found for item in files_of(workspace, one)]
    wanted += [*signers(workspace), *_licence_file(workspace)]
    files, troubles = copy_all(workspace, wanted, folder)
    troubles += [item for one in found for item in one.troubles()]
    graph = [*_graph(workspace, found, files, troubles)]
    entities = {item["@id"]: item for item in graph}
    listed = [_plain(entity) for entity in entities.values()]
    text = json.dumps({"@context": _CONTEXT, "@graph": listed}, indent=2)
    digest = written(folder, METADATA, f"{text}\n".encode())
    files.append(ExportedFile(METADATA, FileKind.INDEX, digest))
    return files, troubles


def _plain(entity: Entity) -> Entity:
    """Return an entity with lists of one as that one, as RO-Crate wants its JSON-LD."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
        if value != []
    }


def _graph(
    workspace: Workspace,
    found: Sequence[Evidence],
    files: Sequence[ExportedFile],
    troubles: Sequence[Trouble],
) -> Iterator[Entity]:
    stored = [item for one in found for item in one.intact]
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPEC},
        "about": {"@id": "./"},
    }
    yield _root(workspace, found, files, stored)
    yield {
        "@id": _PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    said = {item.path: f"{item.what}: {item.text}" for item in troubles}
    yield from (_file(item, said.get(item.path)) for item in files)
    yield from _licence_entities(workspace)
    there = {item.path for item in files}
    for item in stored:
        yield from _run(item, there)


def _root(
    workspace: Workspace,
    found: Sequence[Evidence],
    files: Sequence[ExportedFile],
    stored: Sequence[StoredReceipt],
) -> Entity:
    head = workspace.now_head
    names = ", ".join(one.plan.id for one in found)
    titles = "; ".join(f"{one.plan.id}: {printable(one.plan.title)}" for one in found)
    return {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": _PROFILE},
        "name": f"Evidence of {names}",
        "description": f"{titles}. Exported by planctl {__version__} from commit {head}.",
        "datePublished": clock.iso(workspace.repo.commits([head])[head].committed),
        "identifier": head,
        "license": _licence(workspace),
        "hasPart": [{"@id": relative_uri(item.path)} for item in files],
        "mentions": [{"@id": _action_id(item)} for item in stored],
    }


def _file(item: ExportedFile, trouble: str | None) -> Entity:
    kind = _TYPES.get(PurePosixPath(item.path).suffix.lower(), "application/octet-stream")
    entity: Entity = {
        "@id": relative_uri(item.path),
        "@type": "File",
        "name": printable(PurePosixPath(item.path).name),
        "description": str(item.kind) if trouble is None else f"{item.kind}; {printable(trouble)}",
        "encodingFormat": kind,
        "sha256": item.sha256,
    }
    return entity


def _action_id(stored: StoredReceipt) -> str:
    return f"#run-{stored.receipt.ulid}-{stored.payload_sha256[:16]}"


def _run(stored: StoredReceipt, there: set[str]) -> Iterator[Entity]:
    receipt = stored.receipt
    made = [f"{receipt.hub}/{subject.name}" for subject in receipt.subjects]
    command, agent = f"#command-{receipt.contract_sha256}", f"#role-{relative_uri(receipt.role)}"
    inputs = [_input(item) for item in receipt.inputs]
    outside = [_outside(item.path, item.sha256) for item in receipt.data]
    revision = _revision(receipt)
    action: Entity = {
        "@id": _action_id(stored),
        "@type": "CreateAction",
        "name": f"{receipt.initiative} {receipt.phase}/{receipt.step}",
        "description": printable(receipt.command, keep="\n\t"),
        "startTime": _time(receipt.started),
        "endTime": _time(receipt.finished),
        "actionStatus": f"http://schema.org/{_STATUS[receipt.ok]}",
        "instrument": {"@id": command},
        "agent": {"@id": agent},
        "object": [{"@id": item["@id"]} for item in (revision, *inputs, *outside)],
        "result": [{"@id": relative_uri(name)} for name in made if name in there],
        "subjectOf": {"@id": relative_uri(stored.path)},
    }
    if not receipt.ok:
        wrong = [item.seen for item in receipt.checks if not item.ok]
        action["error"] = printable("; ".join([f"exit code {receipt.exit_code}", *wrong]))
    yield action
    yield _instrument(receipt, command)
    yield {
        "@id": agent,
        # The specification knows people and organisations; a role may be either, or a program.
        "@type": "Person" if receipt.role == "person" else "Organization",
        "name": printable(receipt.role),
        "description": "The role that the run was recorded under; who had it is not recorded.",
    }
    yield from (revision, *inputs, *outside)


def _time(when: dt.datetime) -> str:
    # With an offset in digits: validators of the profile know no `Z`.
    return when.astimezone(dt.UTC).isoformat(timespec="seconds")


def _instrument(receipt: Receipt, command: str) -> Entity:
    return {
        "@id": command,
        "@type": "SoftwareSourceCode",
        "name": f"command of step {receipt.step}",
        "programmingLanguage": "bash",
        "text": printable(str(receipt.contract.get("run", receipt.command)), keep="\n\t"),
        "identifier": receipt.contract_sha256,
        "version": receipt.contract_sha256[:16],
    }


def _revision(receipt: Receipt) -> Entity:
    dirty = f", with {len(receipt.dirty)} inputs changed and not committed" if receipt.dirty else ""
    entity: Entity = {
        "@id": f"#commit-{receipt.commit}",
        "@type": "SoftwareSourceCode",
        "name": f"commit {receipt.commit[:12]}",
        "description": f"The code that the command ran on{dirty}.",
        "identifier": _swhid("rev", receipt.commit),
        "version": receipt.commit,
    }
    if receipt.dirty:
        entity["@id"] += f"-{(receipt.diff_sha256 or 'dirty')[:16]}"
    return entity


def _input(item: InputFile) -> Entity:
    return {
        "@id": f"#input-{item.blob}-{relative_uri(item.path)}",
        "@type": "CreativeWork",
        "name": printable(item.path),
        "identifier": _swhid("cnt", item.blob),
    }


def _outside(path: str, sha256: str) -> Entity:
    return {
        "@id": f"#data-{sha256}",
        "@type": "CreativeWork",
        "name": printable(path),
        "description": "A data file outside git; it is not part of this crate.",
        "sha256": sha256,
    }


def _swhid(kind: str, git_id: str) -> str:
    """Return a git id as a Software Heritage identifier, which SHA-1 ids are."""
    return f"swh:1:{kind}:{git_id}" if len(git_id) == 40 else git_id


def _licence_file(workspace: Workspace) -> list[Wanted]:
    there = [name for name in _LICENCES if (workspace.root / name).is_file()]
    return [Wanted(there[0], FileKind.LICENCE)] if there else []


def _spdx(workspace: Workspace) -> str | None:
    project = workspace.root / "pyproject.toml"
    if not project.is_file():
        return None
    try:
        raw = tomllib.loads(read_plain(project, 4_000_000).decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return None  # the licence file, if there is one, still says it
    table = raw.get("project")
    name = table.get("license") if isinstance(table, dict) else None
    return name if isinstance(name, str) and _SPDX.fullmatch(name) else None


def _licence(workspace: Workspace) -> Entity | str:
    if (name := _spdx(workspace)) is not None:
        return {"@id": f"https://spdx.org/licenses/{name}"}
    files = _licence_file(workspace)
    return {"@id": files[0].path} if files else "The repository states no licence."


def _licence_entities(workspace: Workspace) -> Iterator[Entity]:
    if (name := _spdx(workspace)) is not None:
        yield {
            "@id": f"https://spdx.org/licenses/{name}",
            "@type": "CreativeWork",
            "name": name,
            "description": "As pyproject.toml states it.",
        }
