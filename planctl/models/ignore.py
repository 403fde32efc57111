"""`.gitignore` of a commit: what git would have left out of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_MOST_DEEP = 3


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    keep: bool
    folders_only: bool


@dataclass(frozen=True)
class Ignored:
    """The rules of one `.gitignore`.

    Attributes:
        folder: Where it lies, with `/` at the end; empty for the root.
    """

    folder: str
    rules: tuple[_Rule, ...]

    @classmethod
    def read(cls, folder: str, text: str) -> Ignored:
        """Read a `.gitignore`."""
        return cls(folder, tuple(rule for line in text.splitlines() if (rule := _rule(line))))

    def decides(self, path: str, is_folder: bool) -> bool | None:
        """Return whether the file says ignored or kept; None when no rule fits."""
        if not path.startswith(self.folder):
            return None
        inside = path[len(self.folder) :]
        answer = None
        for rule in self.rules:
            if rule.folders_only and not is_folder:
                continue
            if rule.pattern.fullmatch(inside):
                answer = not rule.keep
        return answer


def ignored_by(files: Sequence[Ignored], path: str) -> bool:
    """Tell whether git ignores a path.

    Args:
        files: The `.gitignore` files from the root down.
        path: Repository-relative; with `/` at the end for a folder.
    """
    for folder in _folders(path.strip("/")):
        if _decided(files, folder, True):
            return True  # what lies below an ignored folder cannot be kept
    return _decided(files, path.strip("/"), path.endswith("/"))


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:at]) for at in range(1, len(parts)))


def _decided(files: Sequence[Ignored], path: str, is_folder: bool) -> bool:
    answers = [answer for item in files if (answer := item.decides(path, is_folder)) is not None]
    return bool(answers and answers[-1])


def _rule(line: str) -> _Rule | None:
    text = line.rstrip("\r\n")
    text = re.sub(r"(?<!\\) +$", "", text)
    if not text or text.startswith("#"):
        return None
    keep = text.startswith("!")
    text = text[1:] if keep else text
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    anchored = "/" in text
    return _Rule(_compiled(text.lstrip("/"), anchored), keep, folders_only)


@lru_cache(maxsize=4096)
def _compiled(text: str, anchored: bool) -> re.Pattern[str]:
    head = "" if anchored else "(?:.*/)?"
    parts = text.split("/")
    if parts.count("**") > _MOST_DEEP:
        return re.compile("(?!)")
    body = "".join(_component(part, at == len(parts) - 1) for at, part in enumerate(parts))
    return re.compile(head + body, re.DOTALL)


def _component(part: str, last: bool) -> str:
    if part == "**":
        return ".+" if last else "(?:.*/)?"
    first, *rest = [_segment(piece) for piece in re.split(r"(?<!\\)\*+", part)]
    # Only the last star of a name may have to give back what it took: the time stays linear.
    stars = "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1])
    stars += f"[^/]*{rest[-1]}" if rest else ""
    return first + stars + ("" if last else "/")


def _segment(text: str) -> str:
    """Return the pattern of a piece without stars."""
    found: list[str] = []
    at = 0
    while at < len(text):
        end = text.find("]", at + 2)
        if text[at] == "?":
            found.append("[^/]")
        elif text[at] == "\\" and at + 1 < len(text):
            at += 1
            found.append(re.escape(text[at]))
        elif text[at] == "[" and end > 0:
            found.append(_class(text[at + 1 : end]))
            at = end
        else:
            found.append(re.escape(text[at]))
        at += 1
    return "".join(found)


def _class(body: str) -> str:
    negated = body[:1] in ("!", "^")
    inside = body[1:] if negated else body
    safe = re.sub(r"([\[\]\\^])", r"\\\1", inside)
    try:
        re.compile(f"[{safe}]")
    except re.error:
        return re.escape(f"[{body}]")
    return f"[{'^/' if negated else ''}{safe}]"
