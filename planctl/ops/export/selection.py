"""What belongs to the evidence of an initiative: plan, receipts, artifacts, records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from planctl._files import behind_link, files_below, read_plain
from planctl.models.adoption import MAX_BYTES as RECORD_BYTES
from planctl.models.adoption import RECORD, AdoptedFile, parse_record
from planctl.models.export import FileKind, Trouble
from planctl.models.plan.plan import Plan
from planctl.models.receipt import StoredReceipt, Subject
from planctl.models.signing.envelope import MAX_BYTES
from planctl.models.verdict import VerifyReport
from planctl.ops.receipts import LoadedReceipt, receipts_of
from planctl.ops.verify import verify
from planctl.workspace import ACTIVE, Workspace

NOT_RECORDED = "not recorded"
_MANIFEST_BYTES = 64_000_000


@dataclass(frozen=True)
class Wanted:
    """A file to export.

    Attributes:
        path: Repository-relative.
        recorded: The SHA-256 a receipt recorded, or None.
    """

    path: str
    kind: FileKind
    recorded: str | None = None


@dataclass(frozen=True)
class Evidence:
    """The evidence of one initiative.

    Attributes:
        loaded: Every receipt that counts for the plan, oldest first.
        adopted: What its record of adoption says of evidence from before planctl.
    """

    plan: Plan
    report: VerifyReport
    loaded: tuple[LoadedReceipt, ...]
    adopted: tuple[AdoptedFile, ...] = ()

    @property
    def intact(self) -> tuple[StoredReceipt, ...]:
        """The receipts that are there as they were written."""
        return tuple(item.stored for item in self.loaded if item.stored and item.holds)

    def told(self) -> Iterator[StoredReceipt]:
        """Yield what is known of every receipt where it belongs, also of those that do not hold.

        Their artifacts go out as they lie there, too: who looks into it needs them most.
        """
        for item in self.loaded:
            if item.stored and item.path.startswith(f"{item.stored.receipt.hub}/receipts/"):
                yield item.stored

    def troubles(self) -> Iterator[Trouble]:
        """Yield the receipts that are gone or not intact."""
        for item in self.loaded:
            if item.gone is not None:
                yield Trouble(item.path, "missing", f"the receipt is gone; {item.gone}")
            elif not item.holds:
                yield Trouble(item.path, "not intact", f"the receipt is not intact: {item.broken}")


def evidence(workspace: Workspace, initiatives: Sequence[str]) -> tuple[Evidence, ...]:
    """Collect the evidence of some initiatives; all without a name.

    Raises:
        NotFoundError: There is no such initiative, or none at all.
        PlanError: A plan cannot be used.
    """
    names = list(dict.fromkeys(initiatives)) or workspace.every_initiative()
    return tuple(_one(workspace, name) for name in names)


def _one(workspace: Workspace, name: str) -> Evidence:
    plan = workspace.load_plan(name)
    loaded = receipts_of(workspace, plan, None)
    return Evidence(plan, verify(workspace, plan), tuple(loaded), _adopted(workspace, plan))


def _adopted(workspace: Workspace, plan: Plan) -> tuple[AdoptedFile, ...]:
    path = f"{ACTIVE}/{plan.id}/{RECORD}"
    place = workspace.root / path
    if not plan.adopted or not place.is_file():
        return ()
    return parse_record(read_plain(place, RECORD_BYTES), path).files


def files_of(workspace: Workspace, one: Evidence) -> Iterator[Wanted]:
    """Yield every file that belongs to an initiative's evidence; some may be named twice."""
    folder = f"{ACTIVE}/{one.plan.id}"
    yield Wanted(f"{folder}/plan.yaml", FileKind.PLAN)
    working = workspace.working_plan(one.plan)
    if working.is_file():
        yield Wanted(workspace.relative(working), FileKind.WORKING_PLAN)
    if (workspace.root / folder / RECORD).is_file():
        yield Wanted(f"{folder}/{RECORD}", FileKind.RECORD)
    for item in one.loaded:
        if item.gone is None:
            yield Wanted(item.path, FileKind.RECEIPT)
    for stored in one.told():
        for subject in stored.receipt.subjects:
            yield from _subject_files(workspace, stored, subject)
    for file in one.adopted:
        yield Wanted(file.path, FileKind.ADOPTED, file.sha256)
    for hub in workspace.hubs(one.plan):
        for path in sorted((hub.path / "replays").glob("*.json")):
            yield Wanted(workspace.relative(path), FileKind.REPLAY)


def signers(workspace: Workspace) -> list[Wanted]:
    """Return the file that says whose signatures count, if the repository has one."""
    name = workspace.settings().signing.allowed_signers
    there = (workspace.root / name).is_file()
    return [Wanted(name, FileKind.SIGNERS)] if there else []


def _subject_files(
    workspace: Workspace, stored: StoredReceipt, subject: Subject
) -> Iterator[Wanted]:
    name = f"{stored.receipt.hub}/{subject.name}"
    if subject.kind == "file":
        yield Wanted(name, FileKind.ARTIFACT, subject.sha256)
        return
    # The receipt has one digest for the folder; its manifest has one for each file in it.
    listed = manifest(workspace, name)
    place = workspace.root / name
    there = [] if behind_link(workspace.root, place) else [*files_below(place)]
    names = {path.relative_to(place).as_posix() for path in there} | set(listed)
    for inner in sorted(names):
        yield Wanted(f"{name}/{inner}", FileKind.ARTIFACT, listed.get(inner, NOT_RECORDED))


def manifest(workspace: Workspace, folder: str) -> dict[str, str]:
    """Return path → SHA-256 as the manifest of an artifact folder says; empty without one."""
    path = workspace.root / f"{folder}.sha256"
    if behind_link(workspace.root, path) or not path.is_file():
        return {}
    text = read_plain(path, _MANIFEST_BYTES).decode("utf-8", "replace")
    rows = (line.partition("  ") for line in text.split("\n") if line)
    return {name: digest for digest, _, name in rows}


def once(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Return each path once, sorted; of several records the last, which is the newest."""
    return sorted({item.path: item for item in wanted}.values(), key=lambda item: item.path)


def envelope_of(workspace: Workspace, path: str) -> bytes:
    """Return the bytes of a receipt's file.

    Raises:
        OSError: It cannot be read.
    """
    return read_plain(workspace.root / path, MAX_BYTES)
