"""Repository-relative POSIX paths and globs, and what is refused in them."""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST = 4096
_WILD = re.compile(r"[*?\[]")
# What `**` and `**/` stand for before more of the pattern, and at its end.
_ANY, _FOLDERS = ".*?", "(?:.*?/)??"
_LAST = {"": "", _ANY: ".*", _FOLDERS: "(?:.*/)?"}


def relative_path(text: str) -> str:
    """Return `text` when it is a usable repository- or hub-relative path.

    Args:
        text: A path; environment references such as `$OUT/x.json` are allowed.

    Raises:
        ValueError: Empty, absolute, with a `..` part, or with characters that do not print.
    """
    if not text or text != text.strip():
        raise ValueError("is empty or has blanks around it")
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        raise ValueError(f"`{text}` is absolute; write it relative to the repository root")
    if ".." in text.replace("\\", "/").split("/"):
        raise ValueError(f"`{text}` climbs out with `..`")
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that does not print")
    return text


def contained_path(text: str) -> str:
    """Return `text` when it names something below a folder, as records do.

    Unlike `relative_path` it takes any file name there can be: blanks, newlines.

    Raises:
        ValueError: Empty, absolute, with a `..` part, a NUL, or not UTF-8.
    """
    if text.isascii() and text.isprintable() and ".." not in text and text[:1] not in ("", "/"):
        return text  # nearly every name; a receipt may hold tens of thousands
    if not text or text.startswith("/") or (".." in text and ".." in text.split("/")):
        raise ValueError(f"{text!r} does not lie below a folder")
    if "\0" in text or not is_utf8(text):
        raise ValueError(f"{text!r} holds a NUL or is not UTF-8")
    return text


def is_utf8(path: str) -> bool:
    """Tell whether a path from the file system is UTF-8, so that a record can hold it."""
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def input_glob(text: str) -> str:
    """Return `text` when it is a usable glob; a leading `!` excludes.

    Raises:
        ValueError: As for `relative_path`, longer than a path can be, or with a class of
            characters that is none (`[z-a]`).
    """
    relative_path(text.removeprefix("!"))
    if len(text) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST:,} characters")
    try:
        glob_pattern(text.removeprefix("!"))
    except re.error as error:
        raise ValueError(f"`{text}` is no glob: {error}") from error
    return text


@lru_cache(maxsize=1024)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over repository paths.

    `**` crosses folders, `*` and `?` do not, `[…]` is a character class, and a plain folder
    name means everything below it.

    Args:
        glob: For example `ptycho_torch/**`, `tests/torch/*.py`, `pyproject.toml`.
    """
    below = "" if any(mark in glob for mark in "*?[") else "(?:/.*)?"
    return re.compile(_joined(_groups(glob)) + below, re.DOTALL)


def _groups(glob: str) -> list[tuple[str, list[str]]]:
    """Cut a glob at `**`: what stands for it, and what follows, cut at `*`."""
    groups: list[tuple[str, list[str]]] = [("", [""])]
    position = 0
    while position < len(glob):
        starts = position == 0 or glob[position - 1] == "/"
        if glob.startswith("**", position):
            wild = _FOLDERS if starts and glob.startswith("**/", position) else _ANY
            position += 3 if wild is _FOLDERS else 2
            if groups[-1][0] and groups[-1][1] == [""]:
                wild = wild if groups.pop()[0] == wild else _ANY
            groups.append((wild, [""]))
        elif glob[position] == "*":
            groups[-1][1].append("")
            position += 1
        else:
            piece, position = _character(glob, position)
            groups[-1][1][-1] += piece
    return groups


def _joined(groups: list[tuple[str, list[str]]]) -> str:
    """Spell the groups as one expression that never goes back over what it has matched.

    What stands between two wildcards is matched where it comes first: whatever follows a later
    place also follows this one. So no glob takes longer than the square of a path's length.
    """
    *earlier, (wild, runs) = groups
    parts = [
        f"(?>{start}{first}" + "".join(f"(?>[^/]*?{run})" for run in rest) + ")"
        for start, (first, *rest) in earlier
    ]
    parts += [_LAST[wild], runs[0], *(f"(?>[^/]*?{run})" for run in runs[1:-1])]
    return "".join(parts) + (f"[^/]*{runs[-1]}" if len(runs) > 1 else "")


def _character(glob: str, position: int) -> tuple[str, int]:
    mark = glob[position]
    if mark == "?":
        return "[^/]", position + 1
    if mark == "[" and (end := glob.find("]", position + 2)) > 0:
        body = re.sub(r"([\\\[&|~])", r"\\\1", glob[position + 1 : end])
        body = "^" + body[1:] if body.startswith("!") else body
        return f"(?!/)[{body}]", end + 1
    return re.escape(mark), position + 1


def fixed_start(glob: str) -> str:
    """Return what every path that a glob means begins with."""
    return _WILD.split(glob, maxsplit=1)[0]


def matches(path: str, globs: tuple[str, ...]) -> bool:
    """Tell whether `path` is meant by any of `globs`; a leading `!` excludes (last match wins)."""
    hit = False
    for glob in globs:
        exclude = glob.startswith("!")
        if glob_pattern(glob.removeprefix("!")).fullmatch(path):
            hit = not exclude
    return hit
