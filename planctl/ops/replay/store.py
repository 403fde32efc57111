"""Replays on disk: written once, read back, and what they say of a receipt."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from planctl._files import atomic_write, behind_link, git_blob_id, read_plain
from planctl._git import Added
from planctl._text import listed, printable
from planctl.errors import ReceiptError
from planctl.models.plan.plan import Plan
from planctl.models.receipt import StoredReceipt, payload_digest
from planctl.models.signing.envelope import (
    MAX_BYTES,
    Envelope,
    Signature,
    envelope_text,
    parse_envelope,
)
from planctl.ops.receipts import recorded
from planctl.workspace import Hub, Workspace

if TYPE_CHECKING:
    # Every verdict asks for replays; most repositories have none.
    from planctl.models.replay import Replay
    from planctl.ops.signing.signer import Signer

FOLDER = "replays"


@dataclass(frozen=True)
class LoadedReplay:
    """A replay's file as found, or as git first had it.

    Attributes:
        path: Repository-relative path.
        replay: What it says; None when it cannot be read.
        digest: SHA-256 of its payload, or empty.
        broken: Why it is not intact, or None.
        gone: What became of a file that git had and that is not there, or None.
    """

    path: str
    replay: Replay | None = None
    digest: str = ""
    broken: str | None = None
    gone: str | None = None
    payload: bytes = field(default=b"", repr=False)
    signatures: tuple[Signature, ...] = ()

    @property
    def holds(self) -> bool:
        """It is there as it was written."""
        return self.replay is not None and self.broken is None and self.gone is None


@dataclass(frozen=True)
class Standing:
    """What the replays of one receipt say together.

    Attributes:
        agreed: The newest replays, when all of them agree and are there as they were written.
        against: The newest replays that do not agree, also when their files are gone.
        total: How many replays there are.
        score: The lowest determinism score of them, or None.
        nondeterministic: Artifacts that did not have the same bytes in all runs.
    """

    agreed: tuple[LoadedReplay, ...] = ()
    against: tuple[LoadedReplay, ...] = ()
    total: int = 0
    score: float | None = None
    nondeterministic: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replays:
    """Every replay of a plan's receipts."""

    loaded: tuple[LoadedReplay, ...] = ()

    @cached_property
    def _about(self) -> dict[str, list[LoadedReplay]]:
        about: dict[str, list[LoadedReplay]] = {}
        for item in self.loaded:
            if item.replay is not None:
                about.setdefault(item.replay.receipt_sha256, []).append(item)
        return about

    def of(self, stored: StoredReceipt) -> list[LoadedReplay]:
        """Return the replays that speak of exactly this receipt."""
        found = self._about.get(stored.payload_sha256, [])
        return [item for item in found if _fits(item, stored)]

    def standing(self, stored: StoredReceipt) -> Standing:
        """Return what the replays of a receipt say: the newest count, told by `previous`."""
        found = [(item, item.replay) for item in self.of(stored) if item.replay is not None]
        named = {digest for _, replay in found for digest in replay.previous}
        newest = [(item, replay) for item, replay in found if item.digest not in named]
        against = tuple(item for item, replay in newest if not replay.agreed)
        agreeing = tuple(item for item, replay in newest if replay.agreed and item.holds)
        scores = [replay.score for _, replay in found if replay.score is not None]
        moved = {name for _, replay in found for name in replay.nondeterministic}
        return Standing(
            agreed=() if against else agreeing,
            against=against,
            total=len(found),
            score=min(scores, default=None),
            nondeterministic=tuple(sorted(moved)),
        )

    def tips(self, stored: StoredReceipt) -> tuple[str, ...]:
        """Return the payload digests of a receipt's replays that no other names as `previous`."""
        found = [(item, item.replay) for item in self.of(stored) if item.replay is not None]
        named = {digest for _, replay in found for digest in replay.previous}
        return tuple(sorted({item.digest for item, _ in found} - named))


def remarks(standing: Standing) -> list[str]:
    """Return what a reader of a verdict should know of the replays of its receipt."""
    said: list[str] = []
    for item in standing.against:
        name = item.path.rsplit("/", 1)[-1]
        gone = f" (the file is gone; {item.gone})" if item.gone else ""
        said.append(f"a replay did not agree: {_doubt(item)}{gone} ({name})")
    if standing.score is not None and standing.score < 1:
        moved = listed(standing.nondeterministic)
        said.append(f"not deterministic: score {standing.score:.2f} in replays; {moved}")
    return said


def _doubt(item: LoadedReplay) -> str:
    runs = () if item.replay is None else item.replay.runs
    doubts = [problem for run in runs for problem in run.problems]
    doubts += [f"{a.declared}: {a.text}" for run in runs for a in run.artifacts if not a.agrees]
    return printable(doubts[0]) if doubts else "it does not say why"


def _fits(item: LoadedReplay, stored: StoredReceipt) -> bool:
    """Tell whether a replay compared what the receipt recorded, and not something else."""
    replay, receipt = item.replay, stored.receipt
    if replay is None:
        return False
    about = (replay.initiative, replay.phase, replay.step, replay.hub, replay.recorded_commit)
    wanted = (receipt.initiative, receipt.phase, receipt.step, receipt.hub, receipt.commit)
    recorded = {(subject.declared, subject.sha256) for subject in receipt.subjects}
    compared = [{(i.declared, i.recorded) for i in run.artifacts} for run in replay.runs]
    return about == wanted and all(run == recorded for run in compared)


def write_replay(hub: Hub, replay: Replay, signer: Signer | None = None) -> str:
    """Write a replay into its hub; its payload is never changed again.

    Args:
        hub: Where it belongs.
        replay: What was seen.
        signer: Signs it, if there is a key.

    Returns:
        Its repository-relative path.
    """
    from planctl.models.replay import replay_file_name, replay_payload

    payload = replay_payload(replay)
    digest = payload_digest(payload)
    path = hub.path / FOLDER / replay_file_name(replay, digest)
    signatures = () if signer is None else (signer.sign(payload),)
    atomic_write(path, envelope_text(payload, signatures))
    return path.relative_to(hub.root).as_posix()


def replays_of(
    workspace: Workspace,
    plan: Plan,
    hub: Hub | None = None,
    added: dict[str, Added] | None = None,
) -> Replays:
    """Return the replays of a plan's receipts: in its hubs, and those that git once had.

    Args:
        workspace: The repository.
        plan: The plan.
        hub: A scratch hub to look at instead; nobody commits it.
        added: What `receipts.recorded` would return, when that is known.
    """
    if hub is not None and hub.scratch:
        return Replays(tuple(_in_hub(hub)))
    every = recorded(workspace, plan) if added is None else added
    added = {path: first for path, first in every.items() if f"/{FOLDER}/" in path}
    found = [item for own in workspace.hubs(plan) for item in _in_hub(own)]
    there = {item.path for item in found}
    found += [
        LoadedReplay(path, gone=f"commit {first.commit.id[:8]} added it")
        for path, first in sorted(added.items())
        if path not in there and not os.path.lexists(workspace.root / path)
    ]
    return Replays(tuple(_checked(workspace, found, added)))


def _in_hub(hub: Hub) -> list[LoadedReplay]:
    folder = hub.path / FOLDER
    if behind_link(hub.root, folder):
        return []
    return [_one(hub, path.name) for path in sorted(folder.glob("*.json"))]


def _one(hub: Hub, name: str) -> LoadedReplay:
    path = hub.path / FOLDER / name
    shown = path.relative_to(hub.root).as_posix()
    if path.is_symlink():
        return LoadedReplay(shown, broken="it is a symbolic link")
    try:
        content = read_plain(path, MAX_BYTES)
    except OSError as error:
        return LoadedReplay(shown, broken=f"it cannot be read: {error.strerror}")
    return _read(content, shown)


def _read(content: bytes, shown: str) -> LoadedReplay:
    try:
        return _parsed(content, shown)
    except ReceiptError as error:
        return LoadedReplay(shown, broken=error.message.removeprefix(f"{shown}: "))


def _parsed(content: bytes, shown: str) -> LoadedReplay:
    from planctl.models.replay import parse_replay, replay_file_name

    envelope: Envelope = parse_envelope(content, shown)
    replay = parse_replay(envelope.payload, shown)
    digest = payload_digest(envelope.payload)
    broken = None
    folder, _, name = shown.rpartition("/")
    if name != replay_file_name(replay, digest):
        broken = f"its payload is {digest[:16]}, its name says otherwise"
    elif folder != f"{replay.hub}/{FOLDER}":
        broken = f"it was recorded in `{replay.hub}` and does not count here"
    return LoadedReplay(
        shown, replay, digest, broken, payload=envelope.payload, signatures=envelope.signatures
    )


def _checked(
    workspace: Workspace, found: list[LoadedReplay], added: dict[str, Added]
) -> list[LoadedReplay]:
    """Tell those that are not what git first had by what git had."""
    moved = [item for item in found if item.path in added and _differs(workspace, item, added)]
    blobs = workspace.repo.blobs(added[item.path].blob for item in moved)
    return [
        _as_committed(item, added[item.path], blobs) if item in moved else item for item in found
    ]


def _differs(workspace: Workspace, item: LoadedReplay, added: dict[str, Added]) -> bool:
    return not item.holds or git_blob_id(workspace.root / item.path) != added[item.path].blob


def _as_committed(item: LoadedReplay, first: Added, blobs: dict[str, bytes]) -> LoadedReplay:
    try:
        original = _parsed(blobs.get(first.blob, b""), item.path)
    except ReceiptError:
        return item
    if item.digest == original.digest and item.gone is None:
        return item  # only signatures came to it
    differs = f"payload differs from what commit {first.commit.id[:8]} first added"
    broken = item.broken or (None if item.gone else differs)
    return LoadedReplay(item.path, original.replay, original.digest, broken, item.gone)
