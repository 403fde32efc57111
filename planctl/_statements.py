"""Shell text as people note it down, cut into commands and the files their output goes to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_MAX_CHARS = 100_000
_ASSIGNING = ("variable_assignment", "variable_assignments", "declaration_command")
_QUOTED = ("string", "raw_string")
_OUTPUT = (">", ">>", ">|", "&>", "&>>")
_PROMPT = re.compile(r"(?:\([\w.-]+\) ?)?(?:[\w.-]+@[\w.-]+[: ][^\s$#%]* ?[$#%]|\$) +(?=\S)")
_NAME_VALUE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>|\.\.\.(?!\w)|…|\{\{|\bTODO\b")


@dataclass(frozen=True)
class Statement:
    """One command of a script.

    Attributes:
        line: Of the script, from 1.
        text: As it stands there.
        core: The same without what only writes its output down (`| tee log`, `> log 2>&1`).
        targets: Where its output goes: words as they stand there, quotes taken off.
        words: The program and what follows, quotes taken off; of `a && b` those of `b`.
        template: It has a place to fill in (`<file>`, `...`) and cannot be run as it stands.
        sets: Names and values, when all it does is to set variables.
    """

    line: int
    text: str
    core: str
    targets: tuple[str, ...]
    words: tuple[str, ...]
    template: bool = False
    sets: tuple[tuple[str, str], ...] = ()


def unescaped(script: str) -> str:
    r"""Return a script with `\"` read as `"`, where all its quotes are written so.

    Prose that went through JSON or another shell often carries them; run as they stand, they would
    be part of the words.
    """
    if '\\"' in script and '"' not in script.replace('\\"', "") and script.count('\\"') % 2 == 0:
        return script.replace('\\"', '"')
    return script


def without_prompts(text: str) -> str:
    """Return the commands of a transcript; a text without prompts comes back as it is."""
    lines = text.split("\n")
    if not any(re.match(r"\$\s+\S", line) for line in lines):
        return text
    kept: list[str] = []
    going_on = False
    for line in lines:
        prompt = re.match(r"\$\s+(?=\S)", line)
        command = line[prompt.end() :] if prompt else re.sub(r"^>\s", "", line)
        kept.append(command if prompt or going_on else "")
        going_on = bool(prompt or going_on) and command.endswith("\\")
    return "\n".join(kept)


def after_prompt(line: str) -> str | None:
    """Return what was typed on a line that begins with a shell prompt, or None."""
    match = _PROMPT.match(line)
    return line[match.end() :].rstrip() if match else None


def statements(script: str) -> list[Statement]:
    """Cut a script into its commands; what is no shell gives none."""
    if len(script) > _MAX_CHARS or not script.strip():
        return []
    data = script.encode("utf-8", "replace")
    root = _parser().parse(data).root_node
    return [
        _statement(node, data)
        for node in root.named_children
        if node.type != "comment" and not node.has_error
    ]


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def _statement(node: Node, data: bytes) -> Statement:
    core, targets = _core(node, data)
    # The lines as written: a place to fill in may look like a redirection.
    lines = data.split(b"\n")[node.start_point[0] : node.end_point[0] + 1]
    written = b"\n".join(lines).decode("utf-8", "replace")
    sets = tuple(_sets(node, data)) if node.type in _ASSIGNING else ()
    return Statement(
        line=node.start_point[0] + 1,
        text=_text(node, data),
        core=core.strip(),
        targets=tuple(targets),
        words=tuple(_words(node, data)),
        template=_PLACEHOLDER.search(written) is not None,
        sets=sets,
    )


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _core(node: Node, data: bytes) -> tuple[str, list[str]]:
    """Return a command without what writes its output down, and where that goes."""
    if node.type == "redirected_statement":
        return _redirected(node, data)
    if node.type == "pipeline":
        return _piped(node, data)
    if node.type == "command" and (typed := _typescript(node, data) or _handed(node, data)):
        return typed
    if node.type == "list" and node.named_children:
        last = node.named_children[-1]
        core, targets = _core(last, data)
        before = data[node.start_byte : last.start_byte].decode("utf-8", "replace")
        return before + core, targets
    return _text(node, data), []


def _redirected(node: Node, data: bytes) -> tuple[str, list[str]]:
    body = node.child_by_field_name("body")
    redirects = [child for child in node.named_children if child != body]
    if body is None or any(child.type != "file_redirect" for child in redirects):
        return _text(node, data), []
    core, targets = _core(body, data)
    for child in redirects:
        kind = next((part.type for part in child.children if not part.is_named), "")
        place = child.child_by_field_name("destination")
        if kind in _OUTPUT and place is not None:
            targets.append(plain(_text(place, data)))
        elif kind != ">&":
            core += f" {_text(child, data)}"
    return core, targets


def _piped(node: Node, data: bytes) -> tuple[str, list[str]]:
    *before, last = node.named_children
    words = list(_words(last, data))
    if not before or words[:1] != ["tee"]:
        return _text(node, data), []
    targets = [word for word in words[1:] if not word.startswith("-")]
    core, more = _core(before[-1], data)
    start = data[node.start_byte : before[-1].start_byte].decode("utf-8", "replace")
    return start + core, [*more, *targets]


def _typescript(node: Node, data: bytes) -> tuple[str, list[str]] | None:
    """Read `script -c "command" file`, which writes a command's output down as `tee` does."""
    words = list(_words(node, data))
    flags = [i for i, word in enumerate(words) if re.fullmatch(r"-\w*c|--command", word)]
    if words[:1] != ["script"] or not flags or flags[0] + 2 >= len(words):
        return None
    return words[flags[0] + 1], [words[-1]]


def _handed(node: Node, data: bytes) -> tuple[str, list[str]] | None:
    """Read a script that is handed to another shell: `bash -c "…"`, `tmux new -d "…"`."""
    words = list(_words(node, data))
    last = node.named_children[-1]
    if words[:1] not in (["bash"], ["sh"], ["tmux"], ["screen"]) or last.type not in _QUOTED:
        return None
    quoted = _text(last, data)
    script = quoted[1:-1]
    if quoted[0] == '"':
        script = re.sub(r'\\(["$`\\])', r"\1", script)
    inner = statements(script) if len(script) < len(data) else []
    if len(inner) != 1 or not inner[0].targets:
        return None
    return inner[0].core, list(inner[0].targets)


def _words(node: Node, data: bytes) -> Iterator[str]:
    inner = node
    while inner.type in ("redirected_statement", "pipeline", "list") and inner.named_children:
        inner = inner.named_children[-1 if inner.type == "list" else 0]
    if inner.type != "command":
        return
    start, end = 0, -1
    for child in inner.named_children:
        if child.type in ("variable_assignment", "file_redirect"):
            continue
        if child.start_byte != end:
            # The grammar cuts some words in two; what touches is one.
            if end > start:
                yield plain(data[start:end].decode("utf-8", "replace"))
            start = child.start_byte
        end = child.end_byte
    if end > start:
        yield plain(data[start:end].decode("utf-8", "replace"))


def _sets(node: Node, data: bytes) -> Iterator[tuple[str, str]]:
    parts = [node] if node.type == "variable_assignment" else node.named_children
    for part in parts:
        match = _NAME_VALUE.fullmatch(_text(part, data))
        if match is not None:
            yield match[1], plain(match[2])


def plain(word: str) -> str:
    """Return a word of a shell command without its quotes; variables stay."""
    return re.sub(r"\\(.)", r"\1", word.replace('\\"', "").replace('"', "").replace("'", ""))
