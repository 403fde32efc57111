"""Output of commands on its way to a terminal: colours and progress pass, no more."""

from __future__ import annotations

import codecs
import re

from planctl._text import printable

# Colours; moves within the screen and erasing of a line, as progress bars use them; the cursor
# hidden and shown again.
_PASSES = re.compile(r"(\x1b\[[0-9;:]{0,32}[ABCDGKm]|\x1b\[\?25[hl])")
_KEPT = "\b\t\n\r"
_CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in _KEPT]
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SPELLED = {ord(char): printable(char) for char in (*_CONTROLS, *_DIRECTIONS)}
_BEGINNING = re.compile(r"\x1b(?:\[[0-9;:?]{0,32})?\Z")


class TerminalFilter:
    r"""Spells out what would set titles, fill the clipboard, clear the screen or turn text around.

    Sequences and characters that are cut in two by a read are held back until the next one. Bytes
    that are no UTF-8 come out as `\x9b`.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes and return what may be shown now."""
        text = self._held + self._decoder.decode(piece)
        beginning = _BEGINNING.search(text[-40:])
        cut = len(text) if beginning is None else len(text) - len(beginning[0])
        self._held = text[cut:]
        return _spelled(text[:cut])

    def close(self) -> bytes:
        """Return what was still held back."""
        held, self._held = self._held + self._decoder.decode(b"", True), ""
        return _spelled(held)


def _spelled(text: str) -> bytes:
    # Every second part is a sequence that passes. No step a character: output may be binary.
    parts = _PASSES.split(text)
    parts[::2] = [part.translate(_SPELLED) for part in parts[::2]]
    return "".join(parts).encode()
