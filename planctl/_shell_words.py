"""The words of a shell command, and the scripts in them, from its syntax tree."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_SHELLS = frozenset({"bash", "sh", "dash", "ksh", "zsh", "ash"})


@dataclass(frozen=True)
class Spot:
    """A place in a command: its line there, from 1, and the words that stand in it."""

    line: int
    text: str


@dataclass(frozen=True)
class Nested:
    """A script that a command hands to another shell: `bash -c "…"`.

    Attributes:
        errexit: That shell ends at the first failure (`-e`); `pipefail` likewise.
    """

    spot: Spot
    script: str
    errexit: bool
    pipefail: bool


def walk(root: Node) -> Iterator[Node]:
    """Yield every node in reading order, without recursion."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node.children)


def raw(node: Node) -> str:
    """Return a node as it is written."""
    return (node.text or b"").decode("utf-8", "replace")


def spot(node: Node) -> Spot:
    """Return where a node stands."""
    return Spot(node.start_point[0] + 1, " ".join(raw(node).split()))


def words_of(node: Node) -> list[str]:
    """Return the words of a command as bash would see them; expansions as they are written."""
    found: list[str] = []
    for child in node.children:
        if child.type == "command_name":
            found += [literal(item) for item in child.children] or [raw(child)]
        elif child.is_named and not child.type.endswith(("_redirect", "variable_assignment")):
            found.append(literal(child))
    return found


def literal(node: Node) -> str:
    """Return a word without its quotes; expansions as they are written."""
    text = raw(node)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "string":
        return re.sub(r'\\(["\\$`])', r"\1", text[1:-1])
    if node.type == "concatenation":
        return "".join(literal(child) for child in node.children)
    return re.sub(r"\\(.)", r"\1", text) if node.type == "word" else text


def printed_by(node: Node) -> str | None:
    """Return what `echo` or `printf` prints; None when a value of elsewhere is in it."""
    if any(item.type.endswith(("expansion", "substitution")) for item in walk(node)):
        return None
    words = [word for word in words_of(node)[1:] if word not in ("-e", "-n", "-ne", "-en", "--")]
    return " ".join(words).replace("\\n", "\n").replace("%s", "").strip()


def only_passes_on(name: str, words: list[str], node: Node) -> bool:
    """Tell whether `cat` or `tee` only passes on a text that stands in the script itself."""
    parent = node.parent
    if parent is None or name not in ("cat", "tee"):
        return False
    if parent.type == "pipeline":
        # What feeds it is looked at by itself.
        return name == "tee" or len(words) == 1
    redirects = ("heredoc_redirect", "herestring_redirect")
    return any(item.type in redirects for item in parent.children)


def errexit_goes(words: Sequence[str]) -> bool:
    """Tell whether the words after `set` switch `errexit` or `pipefail` off."""
    for index, word in enumerate(words):
        if word == "+o" and words[index + 1 : index + 2] in (["errexit"], ["pipefail"]):
            return True
        if word.startswith("+") and "e" in word:
            return True
    return False


def exits_0(script: str) -> bool:
    """Tell whether a script ends with 0 by its own word."""
    return re.search(r"(?:^|[;\s])exit\s+0\b", script) is not None


def nested_in(node: Node, words: list[str]) -> Nested | None:
    """Return the script of `bash -c SCRIPT`, also behind `timeout 5`, `env`, `srun` and others."""
    starts = [i for i, word in enumerate(words) if posixpath.basename(word) in _SHELLS]
    for start in starts:
        options: list[str] = []
        for index in range(start + 1, len(words) - 1):
            options.append(words[index])
            if re.fullmatch(r"-[a-z]*c[a-z]*", words[index]):
                flags = "".join(o[1:] for o in options if re.fullmatch(r"-[a-z]+", o))
                pipefail = "pipefail" in options
                return Nested(spot(node), words[index + 1], "e" in flags, pipefail)
    return None
