"""Text that people read: nothing in it can end a line or drive a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

# Python spells bytes of a name that are no UTF-8 as surrogates; others are in no file's name.
_UNUSUAL = re.compile(r"[^\n -~]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""Return text with everything spelled out that does not print.

    Control characters and bytes of file names that are no UTF-8 become `\x1b`, `\udce9`, so that
    the result can always be encoded.

    Args:
        text: Any text.
        keep: Characters that stay as they are, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def listed(names: Sequence[str], at_most: int = 6) -> str:
    """Return names in backticks, sorted as given: `a`, `b` and 3 more."""
    shown = ", ".join(f"`{printable(name)}`" for name in names[:at_most])
    return shown + (f" and {len(names) - at_most} more" if len(names) > at_most else "")


def count(number: int, noun: str) -> str:
    """Spell a number of things: `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def relative_uri(path: str) -> str:
    """Return a relative path as a relative URI reference (RFC 3986).

    Every byte that has a meaning there is percent-encoded, a `:` too: before the first `/` it
    would make the rest look like a scheme.
    """
    named = _NO_BYTE.sub(lambda match: printable(match[0]), path)
    return quote(named.encode("utf-8", "surrogateescape"), safe="/-._~!$&'()*+,;=@")


def json_text(value: Any, encoding: str = "utf-8") -> str:
    """Return a value as JSON that drives no terminal, one line end after it.

    What does not print, or what the encoding cannot hold, is escaped so that JSON reads it back.

    Args:
        value: Plain values; anything else is written as its text.
        encoding: Of the output.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
    return _UNUSUAL.sub(lambda found: _escaped(found[0], encoding), text)


def _escaped(char: str, encoding: str) -> str:
    try:
        if char.isprintable() and char.encode(encoding):
            return char
    except UnicodeEncodeError:
        pass
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else json.dumps(char)[1:-1]
