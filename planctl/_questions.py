"""Questions to the content of artifacts, as plain functions of bytes: no files, no settings.

What is asked comes from a plan and what is looked at from a repository, either of which may be
anybody's: `planctl._bounded` decides where a question is answered, and what it may cost.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Content = bytes | memoryview
MAX_PIXELS = 64_000_000
# Only what figures are saved as: others have decoders that start programs, or read further files.
_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM")


class UnanswerableError(Exception):
    """The question cannot be answered; the text says why."""


def first_match(data: Content, pattern: str) -> str | None:
    """Return the beginning of the first match of a regular expression in a text."""
    found = re.search(pattern, _text(data), re.MULTILINE)
    return None if found is None else found[0][:120]


def last_value(data: Content, pattern: str) -> str | None:
    """Return group 1 of the last match of a regular expression in a text."""
    value = None
    for found in re.finditer(pattern, _text(data), re.MULTILINE):
        value = found[1] or ""
    return value


def _text(data: Content) -> str:
    return str(data, "utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def look_up(data: bytes, path: str) -> Any:
    """Return what a JMESPath expression finds in a JSON document.

    Raises:
        UnanswerableError: Not JSON, or not an expression that can be asked of it.
    """
    return looked_up(document(data), path)


def document(data: bytes) -> Any:
    """Return a JSON document.

    Raises:
        UnanswerableError: It is none.
    """
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise UnanswerableError(f"is not JSON: {error}") from error


def looked_up(found: Any, path: str) -> Any:
    """Return what a JMESPath expression finds in a document.

    Raises:
        UnanswerableError: It cannot be asked of it.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(path, found)
    except JMESPathError as error:
        raise UnanswerableError(f"`{path}` is no JMESPath: {error}") from error
    except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        # Its functions do arithmetic on whatever they are given.
        raise UnanswerableError(f"`{path}` has no answer here: {error}") from error


def weight(path: str) -> int:
    """Return how many times larger than a document the answer of an expression may be.

    Raises:
        UnanswerableError: It is no expression.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        pending, product = [jmespath.compile(path).parsed], 1
    except (JMESPathError, ValueError, RecursionError) as error:
        raise UnanswerableError(f"`{path}` is no JMESPath: {error}") from error
    while pending:
        node = pending.pop()
        # Those of a slice are numbers.
        below = [part for part in node["children"] if isinstance(part, dict)]
        product *= _growth(node["type"], len(below))
        pending += below
    return product


def _growth(kind: str, parts: int) -> int:
    if kind.startswith("multi_select"):
        return max(1, parts)
    return 2 if kind == "function_expression" else 1


def picture(data: bytes) -> dict[str, int]:
    """Return width, height and spread of values (0 to 255) of a picture.

    Raises:
        UnanswerableError: It is no picture of a known format, or too large to look at.
    """
    with _opened(data) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise UnanswerableError(f"has {width}×{height} pixels, more than {MAX_PIXELS:,}")
        bands: Any = opened.convert("RGB").getextrema()
    spread = max(int(high) - int(low) for low, high in bands)
    return {"width": width, "height": height, "spread": spread}


def pixels(data: bytes) -> int:
    """Return the number of pixels of a picture, from its head alone.

    Raises:
        UnanswerableError: It is no picture of a known format, or has too many.
    """
    with _opened(data) as opened:
        width, height = opened.size
    return int(width) * int(height)


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    import struct
    import warnings
    import zlib

    from PIL import Image, UnidentifiedImageError

    broken = (LookupError, ArithmeticError, AttributeError, struct.error, zlib.error)
    try:
        with warnings.catch_warnings():
            # What is wrong or too large is this function's answer, and no line on stderr.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                yield opened
    except Image.DecompressionBombError as error:
        raise UnanswerableError(f"has more than {MAX_PIXELS:,} pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, *broken) as error:
        raise UnanswerableError(f"is no picture: {error}") from error


QUESTIONS: dict[str, Callable[[Any, str], Any]] = {
    "first_match": first_match,
    "last_value": last_value,
    "look_up": look_up,
    "picture": lambda data, _: picture(data),
}
"""What can be asked in a process of its own: name → question."""
