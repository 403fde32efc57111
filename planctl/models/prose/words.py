"""Is this word a path? Names with a known ending, folders, tests; not ratios, flags, modules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


def _set(words: str) -> frozenset[str]:
    return frozenset(re.findall(r"\S+", words))


_ENDINGS = _set("""
    md markdown txt text log out err json jsonl json5 ndjson yaml yml toml cfg ini conf env lock
    csv tsv parquet xlsx npz npy h5 hdf5 nxs cxi mat pkl pickle pt pth ckpt onnx safetensors bin dat
    db sqlite png jpg jpeg gif svg webp tif tiff bmp pdf eps ps html htm css scss xml xsd rst adoc
    tex bib ipynb py pyi pyx sh bash zsh fish ps1 bat sql c cc cpp cxx h hh hpp cu cuh f90 rs go
    java kt swift js mjs cjs jsx ts tsx vue rb php pl lua r jl m scala proto j2 jinja tmpl mk cmake
    gradle zip gz bz2 xz zst tar tgz whl egg diff patch sha256 sha1 md5 sig asc pem crt pub key
    prof trace dot mmd drawio mp4 mov wav mp3 mtz cif pdb cbf mrc expt refl hkl stl wasm so dll
    status done flag lst asm s v sv vhd ino cs ex exs erl hs ml clj dart nim zig tf hcl
    vtk vtu xyz npmrc plist ics csl cls sty nb
    """)
# One file with several: `wts.h5.zip`. A word that ends there and goes on names something inside.
_CONTAINERS = _set("zip gz tar tgz h5 hdf5 npz whl egg bz2 xz zst")
_ROOTS = _set("""
    plans docs doc tests test src source lib bin scripts tools specs spec outputs output out results
    reports report artifacts logs log data datasets configs config notebooks experiments examples
    bench benchmarks build dist assets archive prompts green red cli analysis plan receipts summary
    """)
_PRODUCTS = _set("node.js next.js vue.js three.js d3.js nuxt.js express.js discord.py")
PLAIN_FILES = _set("Makefile Dockerfile Jenkinsfile LICENSE README CHANGELOG VERSION")
_COMMANDS = _set(
    """
    pytest python python3 bash sh cat ls rm cp mv git diff less head tail grep sed awk vim nano make
    source touch mkdir chmod open code tee tar zip unzip node npm cargo go ruby perl java julia
    """
)
_PLAIN_WORDS = _set("the an in of on to for with and or see from by is are was new old this no")
_MOST_WORDS = 6
_LINES = r"L?\d+(?:[-–]L?\d+)?"
_CITED = re.compile(rf"^(.*?[^:]):({_LINES}(?:,\s?{_LINES})*)(?::\d+)?$")
_ANCHOR = re.compile(r"^(.+?)#L(\d+)(?:-L?(\d+))?$")
_RANGE = re.compile(r"L?(\d+)(?:[-–]L?(\d+))?")
_TAGGED = re.compile(r"^(.+\.[A-Za-z0-9]{1,10}):[^/\\]*$")
_PART = re.compile(r"[\w.\-+@~$<>*?\[\]%!&’'() ]+$")
_NUMERIC = re.compile(r"[\d.,:%xX×TZ+-]+$")
_STAMPED = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_VARIABLE = re.compile(r"^(?:\$\{(\w+)\}|\$(\w+)|(HUB|OUT|OUTPUT_DIR|REPO_ROOT)(?=/))")
_ENDING = re.compile(r"[^/\\]\.([A-Za-z][A-Za-z0-9]{0,11}|7z)$")
_WINDOWS = re.compile(r"\\(?=[\w.])")
_MARKDOWN_ESCAPE = re.compile(r"\\([_*\[\]()#+\-.!{}<>&~|`])")


@dataclass(frozen=True)
class Word:
    """A word that is, or may be, a path.

    Attributes:
        path: With `/`.
        sure: It is one; else only if there is such a file.
        folder: Spelled with `/` at its end.
        elided: Spelled `.../rest`.
    """

    path: str
    sure: bool
    folder: bool = False
    elided: bool = False
    lines: tuple[tuple[int, int], ...] = ()
    selector: str = ""


def has_ending(name: str) -> bool:
    """Tell whether a name ends like a file: `.md`, `.log`, `.npz`."""
    found = _ENDING.search(name)
    return found is not None and found[1].lower() in _ENDINGS


@lru_cache(maxsize=8192)
def read_word(word: str, evidence: bool = False, first: bool = False) -> tuple[Word, ...]:
    """Read one word of a text, braces expanded, as a path.

    Args:
        word: Without blanks; punctuation around it is taken off.
        evidence: It stands in a list of artifacts.
        first: It begins its item there, or stands in backticks: then less shape is asked for.

    Returns:
        Nothing when it is none; several for `a.json/b.png` and `a.md+b.md`.
    """
    bare = _stripped(word)
    if not _possible(bare):
        return ()
    bare, lines = _cited(bare)
    bare, _, selector = bare.partition("::")
    selector = selector.rstrip(".,;:!?'\"*_").rstrip() if selector else ""
    bare = _spelled_out(bare)
    found = [_judged(part, evidence, first) for part in _files(bare)]
    read = [item for item in found if item is not None]
    if read and (lines or selector):
        last = read[-1]
        sure = last.sure or bool(selector) or has_ending(last.path)
        read[-1] = Word(last.path, sure, last.folder, last.elided, lines, selector)
    return tuple(read)


def spaced_name(text: str, ticked: bool) -> bool:
    """Tell whether quoted text with blanks is one file's name, and no command or sentence.

    Args:
        text: What stands between the marks.
        ticked: The marks are backticks; in other quotes a folder has to come first.
    """
    words = text.split(" ")
    if not 1 < len(words) <= _MOST_WORDS or not has_ending(words[-1]) or "\n" in text:
        return False
    if any(not word or word.startswith("-") or has_ending(word) for word in words[:-1]):
        return False
    if any(mark in text for mark in "=|<>;&$*:{}(),"):
        return False
    if words[0].lower() in _COMMANDS or any(word.lower() in _PLAIN_WORDS for word in words):
        return False
    return ticked or "/" in words[0]


def line_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Read `12`, `12-30`, `220,433`, `L3-L9` and several of them."""
    found = ((m[1], m[2] or m[1]) for m in _RANGE.finditer(text))
    return tuple((int(first), int(last)) for first, last in found if len(first + last) < 16)


def _stripped(word: str) -> str:
    bare = _MARKDOWN_ESCAPE.sub(r"\1", word) if "\\" in word else word
    bare = bare.replace("**", "").replace("__/", "/") if "**/" not in bare else bare
    for mark in ("*", "_", "~~"):
        if bare.startswith(mark) and bare.endswith(mark) and len(bare) > 2 * len(mark):
            inner = bare[len(mark) : -len(mark)]
            bare = inner if not inner.startswith("_") and not inner.endswith("_") else bare
    bare = re.sub(r"[’']s$", "", bare.lstrip("\"'“‘([=:;,!|+&→").rstrip("\"'”’),;:!|。，、；：）"))
    bare = bare[:-1] if bare.endswith("]") and "[" not in bare else bare
    if bare.startswith("<") and (">" not in bare or (bare.endswith(">") and bare.count("<") == 1)):
        bare = bare[1:].removesuffix(">")
    bare = bare[:-1] if bare.endswith(">") and "<" not in bare else bare
    elided = re.sub(r"^(?:…|\.{3,})[/\\]", ".../", bare)
    return elided.rstrip("?!").rstrip(".") if not elided.endswith("/..") else elided


def _possible(word: str) -> bool:
    if len(word) < 2 or len(word) > 1_000 or "://" in word or word.startswith(("www.", "-", "//")):
        return False
    if "@" in word.split("/")[0] and not word.startswith("@"):
        return False
    return re.search(r"[^\W\d]", word) is not None


def _cited(word: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    if found := _CITED.match(word):
        return found[1], line_ranges(found[2])
    if found := _ANCHOR.match(word):
        return found[1], line_ranges(f"{found[2]}-{found[3] or found[2]}")
    if (found := _TAGGED.match(word)) and "::" not in word and has_ending(found[1]):
        return found[1], ()
    return word, ()


def _spelled_out(word: str) -> str:
    if "=" in word:
        word = word.rpartition("=")[2].strip("\"'")
    if "/" not in word or re.match(r"[A-Za-z]:\\", word):
        word = _WINDOWS.sub("/", word)
    if found := _VARIABLE.match(word):
        name = found[1] or found[2] or found[3]
        word = f"${name}{word[found.end() :]}"
    while word.startswith("./"):
        word = word[2:]
    return word


def _files(word: str) -> list[str]:
    """Split `a.json/b.png` and `a.md+b.md`: several files that share a word."""
    if "+" in word:
        parts = word.split("+")
        if len(parts) > 1 and all(has_ending(part) for part in parts):
            return parts
    found, begin = [], 0
    parts = word.split("/")
    for index, part in enumerate(parts[:-1]):
        ending = _ENDING.search(part)
        if (
            ending
            and has_ending(part)
            and ending[1].lower() not in _CONTAINERS
            and parts[index + 1]
        ):
            found.append("/".join(parts[begin : index + 1]))
            begin = index + 1
    return [*found, "/".join(parts[begin:])]


def _judged(word: str, evidence: bool, first: bool) -> Word | None:
    elided = word.startswith(".../")
    word = word[4:] if elided else word
    folder = word.endswith("/")
    parts = (word[:-1] if folder else word).split("/")
    absolute = word.startswith("/") or re.match(r"[A-Za-z]:/", word) is not None
    if absolute:
        parts = parts[1:]
    if not parts or any(not part or not _PART.match(part) for part in parts):
        return None
    if "*" in word and not re.search(r"[\w.]", word.replace("*", "")):
        return None
    shape = _shape(parts, folder, absolute or elided or word.startswith(("$", "~", "../")))
    sure = _SHAPES[shape](parts, evidence, first)
    return None if sure is None else Word(word, sure, folder, elided)


def _shape(parts: list[str], folder: bool, anchored: bool) -> str:
    if len(parts) == 1:
        return "folder" if folder else "anchored" if anchored else "name"
    if all(_NUMERIC.match(part) for part in parts) and not folder:
        return "ratio"
    if folder:
        return "folders"
    return "anchored" if anchored else "file" if has_ending(parts[-1]) else "words"


def _name(parts: list[str], evidence: bool, first: bool) -> bool | None:
    (name,) = parts
    if has_ending(name):
        lowered = name.lower()
        return None if lowered in _PRODUCTS or re.fullmatch(r"\d+\.\w{1,2}", name) else True
    if re.search(r"\w_\w*\*|\w\*\.\w|^\*\.\w+$|\*_\w", name) and not name.startswith("**"):
        return True
    if name.startswith(".") and re.fullmatch(r"\.[a-z][\w-]{2,}", name):
        return True if first and name[1:] not in _ENDINGS else None
    return True if name in PLAIN_FILES and (evidence or first) else None


def _folder(parts: list[str], evidence: bool, first: bool) -> bool | None:
    (name,) = parts
    if name.startswith(("$", "~", "<")) or name in (".", ".."):
        return True if name.startswith("$") and len(name) > 1 else None
    # `w/` is no folder; `d/` in a list of artifacts is.
    if len(name) < (1 if evidence and first else 3) or re.fullmatch(r"[A-Z_]+", name):
        return None
    if name.lower() in ("and", "or", "etc", "with", "not", "w", "n"):
        return None
    return True if re.fullmatch(r"[\w.*?<>-]+", name) else None


def _folders(parts: list[str], evidence: bool, first: bool) -> bool | None:
    return True if all(re.fullmatch(r"[\w.*?<>$+~%@ -]+", part) for part in parts) else None


def _ratio(parts: list[str], evidence: bool, first: bool) -> bool | None:
    return None


def _anchored(parts: list[str], evidence: bool, first: bool) -> bool | None:
    if len(parts) == 1:
        return True if has_ending(parts[0]) else None
    # `HUB/OUT`: two variables, not a folder in one.
    if parts[0].startswith("$") and all(part.isupper() for part in parts[1:]):
        return None
    return True


def _file(parts: list[str], evidence: bool, first: bool) -> bool | None:
    return True


def _words(parts: list[str], evidence: bool, first: bool) -> bool | None:
    if not all(re.fullmatch(r"[\w.*?<>%@+-]+", part) for part in parts):
        return None
    if any(part.startswith("-") for part in parts):
        return None
    if any(_STAMPED.search(part) for part in parts[1:]) or _stamp_first(parts):
        return True
    rooted = parts[0].lstrip(".") in _ROOTS
    if rooted and (len(parts) > 2 or ((evidence or first) and "_" in parts[-1])):
        return True
    dotted = any(part.startswith(".") for part in parts) and first
    plain = all(re.fullmatch(r"[a-z0-9_.*-]+", part) for part in parts)
    if plain and first and (len(parts) > 2 or dotted or "*" in parts[-1]):
        return True
    return bool(plain and first and evidence and re.search(r"[\d_]", "/".join(parts)))


def _stamp_first(parts: list[str]) -> bool:
    return re.fullmatch(r"\d{4}-?\d{2}-?\d{2}T\d{4,6}Z?", parts[0]) is not None


_SHAPES = {
    "name": _name,
    "folder": _folder,
    "folders": _folders,
    "ratio": _ratio,
    "anchored": _anchored,
    "file": _file,
    "words": _words,
}
