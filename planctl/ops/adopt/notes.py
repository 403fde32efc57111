"""Commands that people noted down: in plans, summaries, guides, scripts and Makefiles."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from planctl._markdown import Piece, normalised, pieces
from planctl._statements import Statement, statements, unescaped, without_prompts

SHELL_FILES = (".sh", ".bash", ".sbatch", ".slurm")
MAKEFILES = ("makefile", "gnumakefile", "justfile")
_BATCH_LOG = re.compile(r"#(?:SBATCH|PBS|BSUB)\s+(?:-o|-oo|--output)[ =]*(\S+)")
_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`]+)\1(?!`)")
_RULE = re.compile(r"^([A-Za-z0-9_.-]+)\s*:(?![=:])")
_PROGRAMS = frozenset(
    [
        "R",
        "Rscript",
        "ansible-playbook",
        "bash",
        "bazel",
        "bun",
        "cargo",
        "cmake",
        "conda",
        "ctest",
        "deno",
        "docker",
        "dvc",
        "go",
        "gradle",
        "java",
        "julia",
        "just",
        "kedro",
        "make",
        "mamba",
        "matlab",
        "mpiexec",
        "mpirun",
        "mvn",
        "ninja",
        "nohup",
        "node",
        "nox",
        "npm",
        "npx",
        "octave",
        "perl",
        "pixi",
        "pnpm",
        "podman",
        "poetry",
        "pytest",
        "py.test",
        "python",
        "python2",
        "python3",
        "ruby",
        "sbatch",
        "sh",
        "snakemake",
        "singularity",
        "apptainer",
        "srun",
        "tox",
        "torchrun",
        "uv",
        "uvx",
        "xvfb-run",
        "yarn",
        "zsh",
    ]
)
_WRAPPERS = frozenset({"time", "env", "timeout", "nohup", "nice", "exec", "stdbuf", "command"})
_NEEDS_MORE = _PROGRAMS - {"pytest", "py.test", "make", "tox", "nox", "ctest", "snakemake", "just"}
_VERSIONED = re.compile(r"(?:python|pypy|pytest|py\.test)-?\d[\d.]*")


@dataclass(frozen=True)
class Noted:
    """A command as somebody noted it down.

    Attributes:
        path, line: Where.
        statement: The command.
        near: The line it stands in.
        context: The paragraph or list item it stands in, or the text before a block.
        section: Everything under its heading.
        trail: The headings above it, outermost first.
        sets: Variables set before it in the same document.
        before: Commands of the same block that it may need: `cd`, `export`.
        target: The make target whose recipe it is, or None.
    """

    path: str
    line: int
    statement: Statement
    context: str = ""
    near: str = ""
    section: str = ""
    trail: tuple[str, ...] = ()
    sets: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    target: str | None = None

    def value(self, name: str) -> str | None:
        """Return the value a variable has there, if the document says so."""
        return dict(self.sets).get(name)


@dataclass
class _Reader:
    """Where a reader of a document is."""

    path: str
    trail: list[tuple[int, str]] = field(default_factory=list)
    sets: dict[str, str] = field(default_factory=dict)
    last: Piece | None = None
    section: str = ""

    def noted(
        self,
        line: int,
        item: Statement,
        context: str,
        before: Sequence[str] = (),
        near: str = "",
    ) -> Noted:
        return Noted(
            path=self.path,
            line=line,
            statement=item,
            context=context,
            near=near,
            section=self.section,
            trail=tuple(text for _, text in self.trail),
            sets=tuple(self.sets.items()),
            before=tuple(before),
        )


def is_command(statement: Statement) -> bool:
    """Tell whether a command starts a program that may have made a log."""
    words = [word for word in statement.words]
    while words and (words[0] in _WRAPPERS or words[0].startswith("-") or words[0].isdigit()):
        words.pop(0)
    if not words or statement.template:
        return False
    name = words[0]
    if name in _PROGRAMS or _VERSIONED.fullmatch(name):
        return name not in _NEEDS_MORE or len(words) > 1
    # A path alone is a file that somebody names; one that can only be a program is run.
    if re.fullmatch(r"\./[\w./-]+|[\w./-]+\.sh", name):
        return True
    return len(words) > 1 and re.fullmatch(r"[\w./-]+\.(?:py|R|jl|pl|rb)", name) is not None


def _tells(item: Statement) -> bool:
    """Tell whether a noted command may say how a log was made."""
    return not item.template and (bool(item.targets) or is_command(item))


def noted_in(path: str, text: str) -> Iterator[Noted]:
    """Yield the commands of a document.

    Args:
        path: Its name; scripts and Makefiles are read as such.
        text: Its text.
    """
    name = path.rsplit("/", 1)[-1].lower()
    if name in MAKEFILES or name.endswith(".mk"):
        yield from _in_makefile(path, text)
    elif name.endswith(SHELL_FILES):
        yield from _in_script(_Reader(path), text, 1, "")
        yield from _submitted(path, text)
    else:
        yield from _in_markdown(path, text)


def _in_markdown(path: str, text: str) -> Iterator[Noted]:
    reader = _Reader(path)
    found = pieces(normalised(text))
    sections = _sections(found)
    for number, piece in enumerate(found):
        reader.section = sections[number]
        if piece.kind == "heading":
            reader.trail = [item for item in reader.trail if item[0] < piece.level]
            reader.trail.append((piece.level, piece.text))
        elif piece.kind == "code":
            near = reader.last is not None and _ends(reader.last) >= piece.line - 4
            context = reader.last.text if near and reader.last is not None else ""
            yield from _in_script(reader, piece.text, piece.line, context)
        else:
            yield from _in_paragraph(reader, piece)
        reader.last = piece


def _sections(found: Sequence[Piece]) -> list[str]:
    """Return for each piece the text of everything under the same heading."""
    starts = [i for i, piece in enumerate(found) if piece.kind == "heading"]
    bounds = [0, *starts, len(found)]
    texts: list[str] = []
    for start, end in itertools.pairwise(bounds):
        texts += ["\n".join(piece.text for piece in found[start:end])] * (end - start)
    return texts


def _ends(piece: Piece) -> int:
    return piece.line + piece.text.count("\n")


def _in_paragraph(reader: _Reader, piece: Piece) -> Iterator[Noted]:
    lines = piece.text.split("\n")
    line, seen = piece.line, 0
    for match in _SPAN.finditer(piece.text):
        line += piece.text.count("\n", seen, match.start())
        seen = match.start()
        for item in statements(unescaped(match[2].strip())):
            if item.sets:
                reader.sets |= dict(item.sets)
            elif _tells(item) and (item.targets or len(item.words) > 1):
                # One word in a sentence (`pytest`) is a name.
                near = lines[line - piece.line]
                yield reader.noted(line, item, piece.text, near=near)


def _in_script(reader: _Reader, text: str, line: int, context: str) -> Iterator[Noted]:
    before: list[str] = []
    for item in statements(unescaped(without_prompts(text))):
        if item.sets:
            reader.sets |= dict(item.sets)
        if item.sets or item.words[:1] in (("cd",), ("source",), (".",), ("module",)):
            before.append(item.text)
        elif _tells(item):
            yield reader.noted(line + item.line - 1, item, context, before)


def _submitted(path: str, text: str) -> Iterator[Noted]:
    """Yield a batch script as the command of the log that its header names."""
    for number, line in enumerate(text.split("\n")[:200], 1):
        match = _BATCH_LOG.match(line)
        if match is not None:
            target = re.sub(r"%\d*[A-Za-z]", "*", match[1].strip("\"'"))
            core = f"bash {shlex.quote(path)}"
            item = Statement(number, line, core, (target,), ("bash", path))
            yield Noted(path, number, item)


def _in_makefile(path: str, text: str) -> Iterator[Noted]:
    target: str | None = None
    reader = _Reader(path)
    for number, line in _logical_lines(text):
        rule = _RULE.match(line)
        if rule is not None:
            target = None if rule[1].startswith(".") else rule[1]
        elif line.startswith(("\t", "    ")) and target is not None:
            recipe = re.sub(r"\$[({](\w+)[)}]", r"$\1", line.strip().lstrip("@-+"))
            for item in statements(recipe.replace("$$", "$")):
                if _tells(item):
                    found = reader.noted(number, item, target)
                    yield Noted(**{**found.__dict__, "target": target})


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    start, held = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not held:
            start = number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        yield start, held + line
        held = ""
