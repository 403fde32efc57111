"""Repository-relative POSIX paths and globs, and what is refused in them."""

from __future__ import annotations

import re
from functools import lru_cache


def relative_path(text: str) -> str:
    """Return `text` when it is a usable repository- or hub-relative path.

    Args:
        text: A path; environment references such as `$OUT/x.json` are allowed.

    Raises:
        ValueError: Empty, absolute, with a `..` part, a NUL or a newline.
    """
    if not text or text != text.strip():
        raise ValueError("is empty or has blanks around it")
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        raise ValueError(f"`{text}` is absolute; write it relative to the repository root")
    if ".." in text.replace("\\", "/").split("/"):
        raise ValueError(f"`{text}` climbs out with `..`")
    if "\0" in text or "\n" in text:
        raise ValueError(f"{text!r} holds a control character")
    return text


def contained_path(text: str) -> str:
    """Return `text` when it names something below a folder, as records do.

    Unlike `relative_path` it takes any file name there can be: blanks, newlines.

    Raises:
        ValueError: Empty, absolute, with a `..` part, a NUL, or not UTF-8.
    """
    if not text or text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} does not lie below a folder")
    if "\0" in text or not is_utf8(text):
        raise ValueError(f"{text!r} holds a NUL or is not UTF-8")
    return text


def is_utf8(path: str) -> bool:
    """Tell whether a path from the file system is UTF-8, so that a record can hold it."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


@lru_cache(maxsize=1024)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over repository paths.

    `**` crosses folders, `*` and `?` do not, `[…]` is a character class, and a plain folder
    name means everything below it.

    Args:
        glob: For example `ptycho_torch/**`, `tests/torch/*.py`, `pyproject.toml`.
    """
    parts: list[str] = []
    position = 0
    while position < len(glob):
        piece, position = _next_piece(glob, position)
        parts.append(piece)
    below = "" if any(mark in glob for mark in "*?[") else "(?:/.*)?"
    return re.compile("".join(parts) + below, re.DOTALL)


def _next_piece(glob: str, position: int) -> tuple[str, int]:
    if glob.startswith("**/", position):
        return "(?:.*/)?", position + 3
    if glob.startswith("**", position):
        return ".*", position + 2
    mark = glob[position]
    if mark == "*":
        return "[^/]*", position + 1
    if mark == "?":
        return "[^/]", position + 1
    if mark == "[" and (end := glob.find("]", position + 2)) > 0:
        body = glob[position + 1 : end].replace("\\", "\\\\")
        body = "^" + body[1:] if body.startswith("!") else body
        return f"[{body}]", end + 1
    return re.escape(mark), position + 1


def matches(path: str, globs: tuple[str, ...]) -> bool:
    """Tell whether `path` is meant by any of `globs`; a leading `!` excludes (last match wins)."""
    hit = False
    for glob in globs:
        exclude = glob.startswith("!")
        if glob_pattern(glob.removeprefix("!")).fullmatch(path):
            hit = not exclude
    return hit
