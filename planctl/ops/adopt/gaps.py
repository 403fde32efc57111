"""What is missing in what was found, or does not fit."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from planctl._git import Added
from planctl._text import count, listed
from planctl.clock import find_stamps, iso
from planctl.models.adoption import AdoptedFile, Gap, GapKind, ProposedStep
from planctl.models.claims.claim import PathClaim
from planctl.models.claims.paths import PathIndex, hubs_in, resolve
from planctl.models.claims.tests import results_in
from planctl.models.prose.reading import parse_prose
from planctl.ops.adopt.logs import Log
from planctl.ops.adopt.places import LOG_SUFFIXES
from planctl.ops.adopt.rows import Row

_SLACK = dt.timedelta(minutes=30)
_ZONES = dt.timedelta(hours=14)
_DAY = dt.timedelta(days=1)
_TRIVIAL_BYTES = 32
_TOKEN = re.compile(r"[\w.@+*?%=-]+")
_DOCUMENTS = (".md", ".markdown", ".rst")
_EVIDENCE = (*LOG_SUFFIXES, ".txt", ".json", ".png", ".csv", ".npz", ".pdf", ".html", ".md", ".svg")


@dataclass(frozen=True)
class Cited:
    """What the documents of an initiative name.

    Attributes:
        paths: Files of the tree that they cite, one by one or with a folder inside the evidence.
        tokens: Every word that may be a file's name; patterns among them apart.
        gone: Place and path of what is cited as evidence and is not there.
    """

    paths: frozenset[str]
    tokens: frozenset[str]
    patterns: tuple[str, ...]
    gone: tuple[tuple[str, str], ...]


def cited_in(texts: Mapping[str, str], tree: Iterable[str], folders: Sequence[str]) -> Cited:
    """Collect what documents name.

    Args:
        texts: Path of a document → its text.
        tree: Every file that there is.
        folders: Folders of evidence, newest first.
    """
    index = PathIndex(tree)
    paths: set[str] = set()
    tokens: set[str] = set()
    gone: dict[str, str] = {}
    for document, text in texts.items():
        tokens |= {token.rstrip(".") for token in _TOKEN.findall(text)}
        near = document.rpartition("/")[0]
        for block in parse_prose(text).blocks:
            bases = list(dict.fromkeys([*hubs_in(block), near, *folders]))
            for claim in block.paths:
                placed = resolve(claim, index, bases)
                for path in placed.paths:
                    paths |= {path, *(index.below(path) if _is_part(path, folders) else ())}
                if placed.kind == "absent" and _accuses(claim, folders):
                    gone.setdefault(claim.path, f"{document}:{claim.line}")
    patterns = tuple(sorted(token for token in tokens if "*" in token and token.strip("*.?")))
    left = tuple((place, path) for path, place in gone.items())
    return Cited(frozenset(paths), frozenset(tokens), patterns, left)


def _is_part(path: str, folders: Sequence[str]) -> bool:
    """Tell whether a cited folder names what is in it: a whole folder of evidence does not."""
    return any(path.startswith(f"{folder}/") for folder in folders)


def _accuses(claim: PathClaim, folders: Sequence[str]) -> bool:
    """Tell whether a path that is not there was meant as evidence that is."""
    open_ended = claim.glob or claim.placeholder or claim.absolute or claim.planned
    return not open_ended and _is_evidence(claim.path, folders)


def gaps_of_rows(
    rows: Sequence[Row], steps: Sequence[ProposedStep], silent: Sequence[Gap]
) -> Iterator[Gap]:
    """Yield the rows of the checklist that no step proves.

    Args:
        rows: The checklist.
        steps: The steps.
        silent: Logs without a command; one whose path carries a row's name is named there.
    """
    proven = {row for step in steps for row in step.rows}
    named = {gap.where: set(re.split(r"[/_.-]+", gap.where.lower())) for gap in silent}
    for row in rows:
        if row.id in proven:
            continue
        state = f"{'ticked' if row.ticked else 'open'} (line {row.line})"
        logs = [path for path, words in named.items() if row.id.lower() in words]
        text = f"the command of {listed(logs, 2)} is not known" if logs else "no log stands for it"
        yield Gap(GapKind.ROW, row.id, f"{state}; {text}")


def gaps_of_failures(logs: Iterable[Log]) -> Iterator[Gap]:
    """Yield logs whose tests did not pass: the newest that there are of their steps.

    Args:
        logs: The newest log of each step.
    """
    for log in logs:
        for result in results_in(log.head)[-1:]:
            counts = dict(result.counts)
            if any(counts.get(word) for word in ("failed", "error", "errors")):
                yield Gap(GapKind.FAILED, f"{log.path}:{result.line}", f"says `{result.text}`")


def gaps_of_citations(cited: Cited, files: Iterable[str]) -> Iterator[Gap]:
    """Yield artifacts that no document names, and what documents name that is not there.

    Args:
        cited: What the documents name.
        files: The files of the folders of evidence.
    """
    for path in sorted(files):
        if not path.lower().endswith(_DOCUMENTS) and not _is_cited(path, cited):
            yield Gap(GapKind.UNCITED, path, "no document of the initiative names it")
    for place, path in cited.gone:
        yield Gap(GapKind.GONE, place, f"`{path}` is not there")


def _is_cited(path: str, cited: Cited) -> bool:
    base = path.rsplit("/", 1)[-1]
    if path in cited.paths or base in cited.tokens:
        return True
    if any(fnmatch.fnmatchcase(base, pattern) for pattern in cited.patterns):
        return True
    # A name with blanks is no token.
    words = _TOKEN.findall(base)
    return words != [base] and bool(words) and all(word in cited.tokens for word in words)


def _is_evidence(name: str, folders: Sequence[str]) -> bool:
    """Tell whether a cited path is meant to lie among the evidence."""
    name = re.sub(r"^\$\{?HUB\}?/", "analysis/", name)
    if not name.lower().endswith(_EVIDENCE):
        return False
    first = name.split("/", 1)[0].lower()
    own = first in {"green", "cli", "analysis", "red", "logs", "log", "artifacts", "results"}
    return own or any(name.startswith(f"{folder}/") for folder in folders)


def gaps_of_contents(files: Sequence[AdoptedFile]) -> Iterator[Gap]:
    """Yield files that git does not have as they are, and files of one content."""
    groups: dict[str, list[str]] = {}
    outside: dict[str, list[str]] = {}
    for item in files:
        if item.size >= _TRIVIAL_BYTES:
            groups.setdefault(item.sha256, []).append(item.path)
        if not item.in_git and item.last is not None:
            text = "git has other content; commit it before it counts as adopted"
            yield Gap(GapKind.CHANGED, item.path, text)
        elif not item.in_git:
            outside.setdefault(item.path.rsplit("/", 1)[0], []).append(item.path)
    for folder, paths in sorted(outside.items()):
        names = listed([path.rsplit("/", 1)[-1] for path in paths], 3)
        yield Gap(
            GapKind.OUTSIDE, folder, f"git does not have {count(len(paths), 'file')}: {names}"
        )
    for paths in groups.values():
        if len(paths) > 1:
            text = f"has the content of {listed(paths[1:], 3)}"
            yield Gap(GapKind.IDENTICAL, paths[0], text)


def gaps_of_stamps(
    files: Sequence[AdoptedFile], added: Mapping[str, Added], folder: str
) -> Iterator[Gap]:
    """Yield names whose stamps contradict the commit that first brought what they name.

    Args:
        files: The files.
        added: Path → first commit.
        folder: The initiative; names above it are not judged.
    """
    first: dict[str, Added] = {}
    for item in files:
        if (found := added.get(item.path)) is None:
            continue
        parts = item.path[len(folder) :].strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            way = "/".join([*filter(None, [folder]), *parts[:depth]])
            if way not in first or found.commit.committed < first[way].commit.committed:
                first[way] = found
    for way, found in sorted(first.items()):
        for text, off in _off(way.rsplit("/", 1)[-1], found.commit.committed):
            said = f"says `{text}`, {off} its first commit {found.commit.id[:8]}"
            yield Gap(GapKind.STAMP, way, f"{said} ({iso(found.commit.committed)})")


def _off(name: str, committed: dt.datetime) -> Iterator[tuple[str, str]]:
    for stamp in find_stamps(name):
        if stamp.when is None:
            continue
        slack = _SLACK if stamp.zone_known else _ZONES
        slack += _DAY if stamp.precision == "day" else dt.timedelta()
        distance = abs(stamp.when - committed)
        if distance > slack:
            word = "after" if stamp.when > committed else "before"
            yield stamp.text, f"{_spell(distance)} {word}"


def _spell(distance: dt.timedelta) -> str:
    minutes = int(distance.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
