"""Secrets taken out of a stream of bytes before anything is written."""

from __future__ import annotations

from collections.abc import Iterable

MARK = b"[redacted]"


class Redactor:
    """Replaces secret values in a stream, also when a read cuts one in two.

    Bytes that could be the beginning of a secret are held back until the next read or `close`;
    everything else passes at once.

    Args:
        secrets: Values to take out; empty ones are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple({secret.encode() for secret in secrets if secret})
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the stream and return what may be written now."""
        if not self._secrets:
            return chunk
        data = self._held + chunk
        spans = self._spans(data)
        cut = self._cut(data, spans)
        self._held = data[cut:]
        return _masked(data[:cut], [span for span in spans if span[1] <= cut])

    def close(self) -> bytes:
        """Return what was still held back, at the end of the stream."""
        held, self._held = self._held, b""
        return _masked(held, self._spans(held))

    def text(self, text: str) -> str:
        """Return a whole text without the secrets; does not touch the stream."""
        data = text.encode("utf-8", "surrogateescape")
        return _masked(data, self._spans(data)).decode("utf-8", "surrogateescape")

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return where secrets lie; overlapping ones are joined so that no rest shows."""
        found: list[tuple[int, int]] = []
        for secret in self._secrets:
            start = data.find(secret)
            while start >= 0:
                found.append((start, start + len(secret)))
                start = data.find(secret, start + 1)
        joined: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if joined and start < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def _cut(self, data: bytes, spans: list[tuple[int, int]]) -> int:
        """Return from where on bytes must wait for the next read."""
        longest = max(len(secret) for secret in self._secrets)
        cut = len(data)
        for start in range(max(0, len(data) - longest + 1), len(data)):
            rest = data[start:]
            if any(len(rest) < len(secret) and secret.startswith(rest) for secret in self._secrets):
                cut = start
                break
        for start, end in reversed(spans):
            if start < cut < end:
                cut = start
        return cut


def _masked(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts: list[bytes] = []
    position = 0
    for start, end in spans:
        parts += [data[position:start], MARK]
        position = end
    return b"".join([*parts, data[position:]])
