"""Text that people read: nothing in it can end a line or drive a terminal."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Return text with everything spelled out that does not print.

    Control characters and bytes of file names that are no UTF-8 become `\x1b`, `\udce9`, so that
    the result can always be encoded.

    Args:
        text: Any text.
        keep: Characters that stay as they are, such as line ends.
    """
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )
