"""Resources: the documents agents read, by address."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from planctl._files import behind_link, read_text
from planctl._text import json_text
from planctl.errors import BadFileError, NotFoundError
from planctl.ops.status import status
from planctl.workspace import ACTIVE, BRIEF, LEDGER, Workspace

SCHEME = "planctl://"
_MAX_BYTES = 16_000_000
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_MARKDOWN, _YAML, _JSON = "text/markdown", "application/yaml", "application/json"


@dataclass(frozen=True)
class Document:
    """A resource: where it is, what it is."""

    uri: str
    name: str
    description: str
    mime_type: str


@dataclass(frozen=True)
class Content:
    """What a resource holds."""

    text: str
    mime_type: str


TEMPLATES = (
    Document(f"{SCHEME}plan/{{id}}", "plan", "The plan.yaml of an initiative.", _YAML),
    Document(f"{SCHEME}summary/{{id}}", "summary", "Its Turn Summaries, newest first.", _MARKDOWN),
    Document(f"{SCHEME}receipt/{{ulid}}", "receipt", "What planctl saw of one run.", _JSON),
)
_ALWAYS = (
    Document(f"{SCHEME}status", "status", "Where every initiative stands, computed now.", _JSON),
)


def documents(workspace: Workspace) -> tuple[Document, ...]:
    """Return the resources there are now; receipts are too many to list."""
    found = list(_ALWAYS)
    for path, name, what in (
        (LEDGER, "ledger", "The ledger: items, statuses, attempts."),
        (BRIEF, "brief", "The order of the next turn."),
    ):
        if (workspace.root / path).is_file():
            found.append(Document(f"{SCHEME}{name}", name, what, _MARKDOWN))
    for initiative in workspace.initiatives():
        known = quote(initiative, safe="")
        found.append(Document(f"{SCHEME}plan/{known}", f"plan {initiative}", "Its plan.", _YAML))
        if (workspace.root / ACTIVE / initiative / "summary.md").is_file():
            what = "Its Turn Summaries, newest first."
            uri = f"{SCHEME}summary/{known}"
            found.append(Document(uri, f"summary {initiative}", what, _MARKDOWN))
    return tuple(found)


def read(workspace: Workspace, uri: str) -> Content:
    """Return what a resource holds now.

    Args:
        workspace: The repository.
        uri: `planctl://…`.

    Raises:
        NotFoundError: There is no such resource.
        BadFileError: Its file cannot be read.
    """
    kind, _, name = uri.removeprefix(SCHEME).partition("/")
    reader = _READERS.get(kind) if uri.startswith(SCHEME) else None
    if reader is None or bool(name) != (kind in _NAMED):
        raise NotFoundError(f"there is no resource `{uri[:200]}`", f"there are {_known()}")
    return reader(workspace, unquote(name))


def _known() -> str:
    named = (item.uri for item in TEMPLATES)
    plain = (f"{SCHEME}{kind}" for kind in _READERS if kind not in _NAMED)
    return ", ".join(f"`{uri}`" for uri in (*plain, *named))


def _status(workspace: Workspace, _: str) -> Content:
    return Content(json_text([asdict(row) for row in status(workspace)]), _JSON)


def _ledger(workspace: Workspace, _: str) -> Content:
    return Content(_text(workspace, LEDGER, "`planctl init` writes one"), _MARKDOWN)


def _brief(workspace: Workspace, _: str) -> Content:
    return Content(_text(workspace, BRIEF, "`planctl brief ID` writes one"), _MARKDOWN)


def _plan(workspace: Workspace, initiative: str) -> Content:
    return Content(_text(workspace, f"{_folder(workspace, initiative)}/plan.yaml", None), _YAML)


def _summary(workspace: Workspace, initiative: str) -> Content:
    path = f"{_folder(workspace, initiative)}/summary.md"
    return Content(_text(workspace, path, "closing a turn writes one"), _MARKDOWN)


def _receipt(workspace: Workspace, ulid: str) -> Content:
    if _ULID.fullmatch(ulid) is None:
        raise NotFoundError(f"`{ulid[:40]}` is no id of a receipt", "it has 26 letters and digits")
    found = sorted((workspace.root / ACTIVE).glob(f"*/reports/*/*/receipts/{ulid}_*.json"))
    if not found:
        raise NotFoundError(f"there is no receipt `{ulid}`", "`verify` names those that count")
    return Content(_text(workspace, workspace.relative(found[0]), None), _JSON)


def _folder(workspace: Workspace, initiative: str) -> str:
    known = workspace.initiatives()
    if initiative not in known:
        listed = ", ".join(f"`{name}`" for name in known[:20]) or "none"
        raise NotFoundError(f"there is no initiative `{initiative[:200]}`", f"there is {listed}")
    return f"{ACTIVE}/{initiative}"


def _text(workspace: Workspace, path: str, hint: str | None) -> str:
    place: Path = workspace.root / path
    if behind_link(workspace.root, place):
        raise BadFileError(path, "lies behind a symbolic link, where git does not see it")
    if not place.exists():
        raise NotFoundError(f"there is no `{path}`", hint)
    try:
        return read_text(place, _MAX_BYTES, "replace")
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}") from error


_READERS: dict[str, Callable[[Workspace, str], Content]] = {
    "status": _status,
    "ledger": _ledger,
    "brief": _brief,
    "plan": _plan,
    "summary": _summary,
    "receipt": _receipt,
}
_NAMED = ("plan", "summary", "receipt")
