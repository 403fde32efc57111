"""What a shell command does, told from its syntax tree and never from its raw text."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planctl._shell_words import (
    Nested,
    Spot,
    errexit_goes,
    exits_0,
    nested_in,
    only_passes_on,
    printed_by,
    raw,
    spot,
    walk,
    words_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# Commands whose failure is the question that is asked, or does not matter to a result.
_TESTS = frozenset({"[", "test", "command", "which", "type", "hash", "cmp", "ls", "pgrep", "stat"})
_CLEAN_UP = frozenset({"rm", "rmdir", "mkdir", "kill", "umount", "unset", "deactivate", "sleep"})
# Commands that do the work a step stands for, whoever calls them.
_WORK = re.compile(
    r"python[\d.]*|pytest|make|ninja|cmake|ctest|cargo|npm|tox|nox|srun|mpirun|mpiexec|Rscript|"
    r"julia|matlab|octave|go|java|node|snakemake|dvc|torchrun|accelerate"
)
# Commands that only say something, or prepare for it.
_IDLE = frozenset(
    {
        "echo",
        "printf",
        "true",
        ":",
        "sleep",
        "cd",
        "set",
        "date",
        "mkdir",
        "touch",
        "exit",
        "export",
    }
)
_ALWAYS_TRUE = frozenset({"true", ":", "echo", "printf", "continue", "break"})
_SEQUENCES = frozenset({"program", "subshell", "compound_statement", "do_group", "if_statement"})
_BRANCHES = frozenset({"elif_clause", "else_clause", "case_item"})
_CONDITIONS = frozenset({"if_statement", "elif_clause", "while_statement"})
# Parts that end as what they end with does.
_PASSED = _SEQUENCES | _BRANCHES | _CONDITIONS | {"case_statement", "redirected_statement", "list"}
_ASSIGNING = {"read": 0, "mapfile": 0, "readarray": 0, "getopts": 1}
_DEFAULTS = (":-", "-", ":=", "=", ":+", "+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_CHARS = 50_000
# Parts whose looks go through all that they contain: more of them than anybody writes by hand.
_COMPOSED = frozenset(
    {"list", "&", "declaration_command", "if_statement", "command_substitution", "negated_command"}
)
_MAX_COMPOSED = 300


@dataclass
class ShellFacts:
    """What is known of a script that bash runs with `set -euo pipefail`.

    Attributes:
        readable: The whole text is shell.
        swallowed: Failures that are turned into success, and how.
        overruled: Last statements that end with 0 whatever was before.
        errexit_off: Where the shell is told to go on after failures.
        nested: Scripts for other shells.
        pipes: Pipelines; `statements`: of the outermost sequence.
        early: Those of them that do work and are not the last.
        printed: Texts that the script itself holds and prints.
        idle: It runs nothing but commands that print or prepare.
        used: Names that must be set; `assigned` those that the script sets.
        sources: It reads other scripts, which may set names.
        reads_status: It asks how a command ended (`$?`).
    """

    readable: bool = True
    swallowed: list[tuple[Spot, str]] = field(default_factory=list)
    overruled: list[Spot] = field(default_factory=list)
    errexit_off: list[Spot] = field(default_factory=list)
    nested: list[Nested] = field(default_factory=list)
    pipes: list[Spot] = field(default_factory=list)
    statements: int = 0
    early: int = 0
    printed: list[str] = field(default_factory=list)
    idle: bool = True
    used: dict[str, int] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    sources: bool = False
    reads_status: bool = False


def read_shell(text: str) -> ShellFacts:
    """Read a script.

    Args:
        text: For bash. What cannot be parsed is passed over, and `readable` is then False.
    """
    facts = ShellFacts()
    if len(text) > _MAX_CHARS:
        facts.readable = facts.idle = False
        return facts
    tree = _parser().parse(text.encode("utf-8", "surrogateescape"))
    facts.readable = not tree.root_node.has_error
    nodes = [node for node in walk(tree.root_node) if node.type in _NOTES]
    if sum(node.type in _COMPOSED for node in nodes) > _MAX_COMPOSED:
        facts.readable = facts.idle = False
        return facts
    for node in nodes:
        _NOTES[node.type](facts, node)
    statements = _statements(tree.root_node)
    facts.statements = len(statements)
    facts.early = sum(_matters(statement) for statement in statements[:-1])
    _note_end(facts, tree.root_node)
    return facts


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def _note_command(facts: ShellFacts, node: Node) -> None:
    words = words_of(node)
    if not words:
        return
    name = posixpath.basename(words[0])
    facts.idle = facts.idle and (name in _IDLE or only_passes_on(name, words, node))
    facts.sources = facts.sources or name in ("source", ".", "eval")
    if name in ("echo", "printf") and (said := printed_by(node)) is not None:
        facts.printed.append(said)
    if name in _ASSIGNING:
        names = [word for word in words[1:] if _NAME.fullmatch(word)]
        facts.assigned.update(names[_ASSIGNING[name] :] or ["REPLY"])
    if name == "let":
        facts.assigned.update(match[0] for word in words[1:] if (match := _NAME.match(word)))
    if name == "printf" and words[1:2] == ["-v"]:
        facts.assigned.update(words[2:3])
    if name == "set" and errexit_goes(words[1:]):
        facts.errexit_off.append(spot(node))
    if name == "trap" and any(exits_0(word) for word in words[1:2]):
        facts.swallowed.append((spot(node), "ends with 0 whatever happened"))
    nested = nested_in(node, words)
    if nested is not None:
        facts.nested.append(nested)


def _note_list(facts: ShellFacts, node: Node) -> None:
    """Note `a || true`, and `a && b` with more to come: bash goes on when `a` fails."""
    left, operator, right = node.children[0], _operator(node), node.children[-1]
    if not _matters(left):
        return
    _note_condition(facts, left)
    if operator == "||" and _succeeds(right):
        facts.swallowed.append((spot(node), "succeeds even if its first part fails"))
    elif operator == "&&" and _goes_on(node):
        text = "is followed by more: if its first part fails, the shell goes on"
        facts.swallowed.append((spot(node), text))


def _note_condition(facts: ShellFacts, node: Node) -> None:
    """Note statements that bash does not end at because what they stand in is a condition.

    `{ first; second; } || third`: `-e` is off inside the braces, and `first` may fail unseen.
    """
    for inner in walk(node):
        unit = inner.type in _SEQUENCES and inner.type != "if_statement"
        statements = _statements(inner) if unit else []
        lost = [statement for statement in statements[:-1] if _matters(statement)]
        if lost:
            text = "stands in a condition (before `||`, `&&`, or after `if`): bash goes on after it"
            facts.swallowed.append((spot(lost[0]), text))
            return


def _note_negated(facts: ShellFacts, node: Node) -> None:
    """Note `! work` with more to come: bash never ends there, whichever way `work` ends."""
    if any(map(_matters, node.children)) and _goes_on(node):
        facts.swallowed.append((spot(node), "is followed by more: bash never ends at `!`"))


def _operator(node: Node) -> str:
    return next((child.type for child in node.children if child.type in ("&&", "||")), "")


def _matters(node: Node) -> bool:
    """Tell whether a failure in a part of a script is a failure of the work."""
    if node.type in ("test_command", "negated_command"):
        return False
    names = [words_of(item)[:1] for item in walk(node) if item.type == "command"]
    words = [posixpath.basename(name[0]) for name in names if name]
    quiet = "grep" in words and re.search(r"\s-\w*q", raw(node)) is not None
    harmless = _TESTS | _CLEAN_UP | _IDLE - {"cd"}
    return any(word not in harmless for word in words) and not quiet


def _succeeds(node: Node) -> bool:
    """Tell whether a part of a script always ends with 0."""
    while node.type in ("redirected_statement", "subshell", "compound_statement", "list"):
        if node.type == "redirected_statement":
            node = node.children[0]
        elif node.type == "list":
            node = node.children[-1]
        elif inner := _statements(node):
            node = inner[-1]
        else:
            return False
    words = words_of(node) if node.type == "command" else []
    return bool(words) and (words[0] in _ALWAYS_TRUE or words in (["exit", "0"], ["return", "0"]))


def _goes_on(node: Node) -> bool:
    """Tell whether bash runs more after a part whose failure it passes over.

    A failure that `-e` does not look at (`a && b`, `! a`) is not looked at either when the `if`,
    loop or braces around it end with it; a subshell is a command of its own.
    """
    if node.parent is not None and node.parent.type == "list":
        return False  # the whole list is asked
    top = node
    while (around := top.parent) is not None:
        if around.type == "do_group":
            return True  # the next turn of the loop
        if around.type in _CONDITIONS and around.child_by_field_name("condition") == top:
            return False
        if around.type == "list" and _operator(around) == "||":
            return False  # what follows `||` deals with the failure
        if around.type in _SEQUENCES | _BRANCHES and _follows(top):
            return True
        if around.type in ("program", "subshell") or around.type not in _PASSED:
            return False
        top = around
    return False


def _follows(node: Node) -> bool:
    later = node.next_named_sibling
    while later is not None and later.type == "comment":
        later = later.next_named_sibling
    return later is not None and later.type not in _BRANCHES


def _statements(node: Node) -> list[Node]:
    return [child for child in node.children if child.is_named and child.type != "comment"]


def _note_end(facts: ShellFacts, root: Node) -> None:
    statements = _statements(root)
    if len(statements) < 2 or statements[-1].type != "command":
        return
    words = words_of(statements[-1])
    if words in (["true"], [":"], ["exit", "0"], ["return", "0"]):
        facts.overruled.append(spot(statements[-1]))


def _note_subshell(facts: ShellFacts, node: Node) -> None:
    _note_end(facts, node)


def _note_background(facts: ShellFacts, node: Node) -> None:
    job = node.prev_named_sibling
    if job is None or not _matters(job):
        return
    everything = walk(_root(node))
    ends = (["wait"], ["kill"])
    if not any(item.type == "command" and words_of(item)[:1] in ends for item in everything):
        text = "runs in the background, and nothing waits for how it ends"
        facts.swallowed.append((spot(job), text))


def _root(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _note_declaration(facts: ShellFacts, node: Node) -> None:
    """Note `export X=$(cmd)`: the word before it succeeds, however `cmd` ends."""
    inner = [item for item in walk(node) if item.type == "command_substitution"]
    if inner and any(_matters(item) for item in inner):
        facts.swallowed.append((spot(node), "succeeds even if the command in it fails"))


def _note_if(facts: ShellFacts, node: Node) -> None:
    """Note `if work; then …`, when no branch says that the work failed."""
    condition = node.child_by_field_name("condition")
    if condition is None:
        return
    _note_condition(facts, condition)
    if not _works(condition):
        return
    ends = ("exit", "return", "false")
    names = [words_of(item)[:1] for item in walk(node) if item.type == "command"]
    if not any(name and name[0] in ends for name in names):
        facts.swallowed.append((spot(condition), "is asked by `if`, and no branch fails"))


def _note_argument(facts: ShellFacts, node: Node) -> None:
    """Note `say $(work)`: bash looks at how `say` ends, not at `work`."""
    place = node.parent
    while place is not None and place.type in ("string", "concatenation"):
        place = place.parent
    if place is not None and place.type == "command" and _works(node):
        text = "stands in an argument: how it ends is not looked at"
        facts.swallowed.append((spot(node), text))


def _works(node: Node) -> bool:
    names = [words_of(item)[:1] for item in walk(node) if item.type == "command"]
    return any(name and _WORK.fullmatch(posixpath.basename(name[0])) for name in names)


def _note_pipe(facts: ShellFacts, node: Node) -> None:
    facts.pipes.append(spot(node))


def _note_assignment(facts: ShellFacts, node: Node) -> None:
    name = node.child_by_field_name("name")
    if name is not None:
        facts.assigned.add(raw(name).partition("[")[0])


def _note_loop(facts: ShellFacts, node: Node) -> None:
    variable = node.child_by_field_name("variable")
    if variable is not None:
        facts.assigned.add(raw(variable))


def _note_expansion(facts: ShellFacts, node: Node) -> None:
    facts.reads_status = facts.reads_status or raw(node) in ("$?", "${?}", "$PIPESTATUS")
    names = [child for child in node.children if child.type == "variable_name"]
    names = [name for name in names if _NAME.fullmatch(raw(name))]
    if not names or any(child.type in _DEFAULTS for child in node.children):
        return
    facts.used.setdefault(raw(names[0]), node.start_point[0] + 1)


def _note_heredoc(facts: ShellFacts, node: Node) -> None:
    if not any(child.type.endswith("expansion") for child in node.children):
        facts.printed.append(raw(node))


_NOTES: dict[str, Any] = {
    "command": _note_command,
    "list": _note_list,
    "&": _note_background,
    "declaration_command": _note_declaration,
    "pipeline": _note_pipe,
    "if_statement": _note_if,
    "negated_command": _note_negated,
    "command_substitution": _note_argument,
    "subshell": _note_subshell,
    "variable_assignment": _note_assignment,
    "for_statement": _note_loop,
    "select_statement": _note_loop,
    "simple_expansion": _note_expansion,
    "expansion": _note_expansion,
    "heredoc_body": _note_heredoc,
}
