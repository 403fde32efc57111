"""Cited artifacts: were they there at the commit that cites them, at the next one, ever?"""

from __future__ import annotations

from dataclasses import dataclass

from planctl._git_history import BlobReader
from planctl._text import count
from planctl.models.audit import AuditFinding, AuditTotal
from planctl.models.claims.claim import PathClaim
from planctl.models.claims.paths import Placed, resolve
from planctl.models.ignore import Ignored, ignored_by
from planctl.ops.audit.scene import End, Part, Scene, bases, initiative_of
from planctl.ops.audit.texts import Written
from planctl.ops.audit.trees import Step

KEY = "citations"
_TEXT = {
    "next": "appears in the next commit",
    "later": "appears in a later commit",
    "earlier": "was there in an earlier commit, and gone at this one",
    "ignored": "git ignores it, so no commit has it",
    "never": "no commit has it",
}
_IGNORE_BYTES = 1 << 20


@dataclass
class _Absent:
    commit: str
    position: int
    path: str
    claim: PathClaim
    bases: tuple[str, ...]
    verdict: str = ""


class Citations:
    """Counts artifacts, each once a commit however often it is cited there."""

    def __init__(self) -> None:
        self._cited = 0
        self._deeper = 0
        self._unknown = 0
        self._planned = 0
        self._absent: list[_Absent] = []
        self._waiting: dict[str, list[_Absent]] = {}

    def visit(self, scene: Scene) -> None:
        """Judge what the commit cites, and what its parents cited in vain."""
        for parent in scene.step.commit.parents:
            for item in self._waiting.get(parent, ()):
                if not item.verdict and _there(item, scene.step):
                    item.verdict = "next"
        seen: set[str] = set()
        for written in scene.told("summary", "ledger"):
            for claim in written.block.paths:
                if not claim.evidence or not written.new(claim.line):
                    continue
                if claim.planned:
                    self._planned += 1
                    continue
                absent = self._judge(scene, written, claim, seen)
                if absent is not None:
                    self._absent.append(absent)
                    self._waiting.setdefault(scene.commit, []).append(absent)

    def _judge(
        self, scene: Scene, written: Written, claim: PathClaim, seen: set[str]
    ) -> _Absent | None:
        folders = bases(written, claim.line)
        placed = resolve(claim, scene.step.index, folders)
        if placed.kind == "unknown":
            self._unknown += 1
            return None
        found = _where(placed, folders)
        name = placed.path or claim.path
        if name in seen:
            return None
        seen.add(name)
        self._cited += 1
        self._deeper += found == "deeper"
        if found != "absent":
            return None
        absent = _Absent(scene.commit, scene.step.position, written.text.path, claim, folders)
        absent.verdict = "ignored" if _ignored(scene.step, scene.blobs, absent) else ""
        return absent

    def finish(self, end: End) -> Part:
        """Tell of each absent artifact when it came, if ever."""
        for item in self._absent:
            if item.verdict in ("", "ignored"):
                item.verdict = _later(item, end) or item.verdict or "never"
        total = len(self._absent)
        rows = [
            AuditTotal(KEY + ".cited", "artifacts cited", self._cited),
            AuditTotal(
                KEY + ".absent", "cited artifacts absent at their commit", total, self._cited
            ),
        ]
        for verdict, text in _TEXT.items():
            number = sum(item.verdict == verdict for item in self._absent)
            label = f"of these: {text}"
            rows.append(AuditTotal(f"{KEY}.{verdict}", label, number, total, KEY + ".absent"))
        rows.append(
            AuditTotal(KEY + ".deeper", "found under another folder", self._deeper, self._cited)
        )
        return Part(tuple(rows), tuple(_finding(item) for item in self._absent), self._notes())

    def _notes(self) -> tuple[str, ...]:
        aside = (
            (self._unknown, "placeholders, or outside the repository"),
            (self._planned, "still to come, by the text itself"),
        )
        return tuple(
            f"not judged: {count(number, 'cited path')}, {why}" for number, why in aside if number
        )


def _where(placed: Placed, folders: tuple[str, ...]) -> str:
    """Return `exists`, `deeper` or `absent`.

    A tail that several files of the initiative have is there, in one hub or another: which one was
    meant cannot be told, and nobody is accused for it.
    """
    homes = {f"/{name}/" for folder in folders if (name := initiative_of(folder))}
    if placed.kind == "absent" and any(home in path for path in placed.paths for home in homes):
        return "deeper"
    return placed.kind


def _there(item: _Absent, step: Step) -> bool:
    return _where(resolve(item.claim, step.index, item.bases), item.bases) != "absent"


def _later(item: _Absent, end: End) -> str:
    placed = resolve(item.claim, end.ever.index, item.bases)
    if _where(placed, item.bases) == "absent":
        return ""
    paths = placed.paths or (placed.path,)
    return "later" if any(end.ever.later(path, item.position) for path in paths) else "earlier"


def _ignored(step: Step, blobs: BlobReader, item: _Absent) -> bool:
    rules: list[Ignored] = []
    candidates = [item.claim.path, *(f"{base}/{item.claim.path}" for base in item.bases)]
    folders = {"", *(f"{above}/" for path in candidates for above in _above(path))}
    for folder in sorted(folders):
        blob = step.tree.get(f"{folder}.gitignore")
        data = blobs.read(blob, _IGNORE_BYTES) if blob else None
        if data is not None:
            rules.append(Ignored.read(folder, data.decode("utf-8", "replace")))
    return any(ignored_by(rules, path) for path in candidates)


def _above(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def _finding(item: _Absent) -> AuditFinding:
    return AuditFinding(
        KEY + ".absent",
        item.commit,
        item.path,
        item.claim.line,
        item.claim.path,
        item.verdict,
        _TEXT[item.verdict],
    )
