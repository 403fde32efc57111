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
from planctl.ops.adopt.places import LOG_SUFFIXES
from planctl.ops.adopt.rows import Row

_SLACK = dt.timedelta(minutes=30)
_ZONES = dt.timedelta(hours=14)
_DAY = dt.timedelta(days=1)
_TRIVIAL_BYTES = 32
_TOKEN = re.compile(r"[\w.@+*?%=-]+")
_BRACES = re.compile(r"([\w./@+-]*)\{([^{}\n]{1,400})\}([\w./@+-]*)")
_CITED = re.compile(r"(?<![\w/.$>:-])((?:[\w.@+-]+/)+[\w.@+-]*[\w@+-]\.[A-Za-z]\w{0,7})(?![\w/])")
_DOCUMENTS = (".md", ".markdown", ".rst")
_EVIDENCE = (*LOG_SUFFIXES, ".txt", ".json", ".png", ".csv", ".npz", ".pdf", ".html", ".md", ".svg")


@dataclass(frozen=True)
class Cited:
    """What the documents of an initiative name.

    Attributes:
        tokens: Every word that may be a file's name.
        patterns: Those with `*` or `?`.
        folders: Paths that end with `/`.
        places: (path, document, line) of everything that looks like a path to a file.
    """

    tokens: frozenset[str]
    patterns: tuple[str, ...]
    folders: frozenset[str]
    places: tuple[tuple[str, str, int], ...]


def cited_in(texts: Mapping[str, str]) -> Cited:
    """Collect what documents name; lists in braces are spelled out."""
    tokens: set[str] = set()
    folders: set[str] = set()
    places: list[tuple[str, str, int]] = []
    for path, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            spelled = " ".join([line, *_spelled_out(line[:4000])])
            tokens |= {token.rstrip(".") for token in _TOKEN.findall(spelled)}
            folders |= {
                found.rstrip("/") for found in re.findall(r"[\w./@+-]+/(?![\w{*])", spelled)
            }
            places += [(match, path, number) for match in _CITED.findall(spelled)]
    patterns = tuple(sorted(token for token in tokens if "*" in token and token.strip("*.?")))
    return Cited(frozenset(tokens), patterns, frozenset(folders), tuple(dict.fromkeys(places)))


def _spelled_out(line: str) -> Iterator[str]:
    for before, inside, after in _BRACES.findall(line):
        yield from (f"{before}{part.strip()}{after}" for part in inside.split(","))


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


def gaps_of_citations(
    cited: Cited, files: Iterable[str], folders: Sequence[str], there: frozenset[str]
) -> Iterator[Gap]:
    """Yield artifacts that no document names, and what documents name that is not there.

    Args:
        cited: What the documents name.
        files: The files of the folders of evidence.
        folders: These folders, newest first.
        there: Every file of the work tree that git knows, and those of the folders.
    """
    for path in sorted(files):
        if not path.lower().endswith(_DOCUMENTS) and not _is_cited(path, cited, folders):
            yield Gap(GapKind.UNCITED, path, "no document of the initiative names it")
    tails = {tail for path in there for tail in _tails(path)}
    seen: set[str] = set()
    for name, document, line in cited.places:
        if name in tails or name in seen or not _is_evidence(name, folders):
            continue
        seen.add(name)
        yield Gap(GapKind.GONE, f"{document}:{line}", f"`{name}` is not there")


def _is_cited(path: str, cited: Cited, folders: Sequence[str]) -> bool:
    base = path.rsplit("/", 1)[-1]
    if base in cited.tokens or any(fnmatch.fnmatchcase(base, p) for p in cited.patterns):
        return True
    # A name with blanks is no token; a folder that is cited stands for what is in it.
    words = _TOKEN.findall(base)
    if words != [base] and words and all(word in cited.tokens for word in words):
        return True
    inside = next((f for f in folders if path.startswith(f"{f}/")), "")
    parts = path[len(inside) :].strip("/").split("/")[:-1]
    ways = ["/".join(parts[:n]) for n in range(2, len(parts) + 1)]
    return any(way in cited.folders or f"{inside}/{way}" in cited.folders for way in ways)


def _is_evidence(name: str, folders: Sequence[str]) -> bool:
    """Tell whether a cited path is meant to lie among the evidence."""
    if not name.lower().endswith(_EVIDENCE):
        return False
    first = name.split("/", 1)[0].lower()
    own = first in {"green", "cli", "analysis", "red", "logs", "log", "artifacts", "results"}
    return own or any(name.startswith(f"{folder}/") for folder in folders)


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    yield from ("/".join(parts[n:]) for n in range(len(parts)))


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
