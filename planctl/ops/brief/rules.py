"""The rules of a brief: each yields what it finds wrong, none stops at the first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planctl._text import listed
from planctl.models.brief.brief import BriefProblem
from planctl.models.brief.reading import BriefSection, targets_in
from planctl.models.claims.claim import PathClaim
from planctl.models.prose.words import has_ending
from planctl.models.statuses import items_in
from planctl.ops.brief.scene import Scene
from planctl.ops.brief.symbols import has_symbol, is_outside, symbols_like
from planctl.ops.targets import near

NEW = re.compile(
    r"\(\s*new\b|\bnew (?:file|module|test|script|page|document|function|class|method)\b|"
    r"\bto be (?:created|written|added|authored)\b|\b(?:create|author|scaffold)s?\b|\badd a\b",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\W*(?:none|n/a|not applicable|no tests?|nothing)\b", re.IGNORECASE)
_DETACHED = re.compile(r"\b(?:detached|any|none|n/a)\b", re.IGNORECASE)
_BRANCH = re.compile(r"[`*_\"']*([^\s`*_\"',;()]+)")
_IMPLEMENT = re.compile(r"\bimplement\w*[*_`]{0,3}\s*:", re.IGNORECASE)


def structure(scene: Scene) -> Iterator[BriefProblem]:
    """One Do Now, that orders something."""
    found = scene.brief.all("do now")
    if not found:
        yield BriefProblem(
            "do-now", 1, "Do Now", "", "there is no Do Now", "say what to do: `Do Now:` and a list"
        )
    for section in found[1:]:
        text = f"there is a second Do Now (the first is on line {found[0].line})"
        yield BriefProblem(
            "do-now", section.line, "Do Now", "", text, "keep one; one turn, one order"
        )
    if found and not scene.orders:
        yield BriefProblem(
            "do-now", found[0].line, "Do Now", "", "it orders nothing", "say what to do"
        )


def branch(scene: Scene) -> Iterator[BriefProblem]:
    """The branch is the one that is checked out."""
    section, now = scene.brief.first("branch"), scene.workspace.repo.branch
    if section is None:
        return
    match = _BRANCH.match(section.value)
    said = match[1] if match else ""
    if said == now or (now is None and _DETACHED.search(section.value)):
        return
    here = f"`{now}`" if now else "no branch (HEAD is detached)"
    text = f"names branch `{said}`, but {here} is checked out"
    way = f"`git switch {said}`, or write {here}"
    yield BriefProblem("branch", section.line, "Branch", said, text, way)


def implement(scene: Scene) -> Iterator[BriefProblem]:
    """What is to be implemented is named, and is there or to be created."""
    judged, lines = scene.judged, scene.text.split("\n")
    targets = [(line, name) for line, name in judged.changes if _is_file(name)]
    for line, target in targets:
        yield from _target(scene, line, target, lines[line - 1] if line <= len(lines) else "")
    if targets or not scene.orders:
        return
    way = "name the file: `Implement: path[::symbol]`, with `(new)` if it is to be created"
    for line, text in judged.vague:
        said = "something is to be changed, and no file is named"
        yield BriefProblem("implement", line, "Do Now", _short(text), said, way)
    if not judged.vague and not judged.wishes:
        text = "it orders neither a change nor a run"
        way = (
            f"{way}; or order what is open: `planctl run-phase {scene.plan.id} PHASE` "
            f"(`planctl brief {scene.plan.id}` writes it)"
        )
        yield BriefProblem("implement", scene.orders[0].line, "Do Now", "", text, way)


def _target(scene: Scene, line: int, target: str, said: str) -> Iterator[BriefProblem]:
    path, _, symbol = target.partition("::")
    place = scene.workspace.root / path
    if path.startswith("$") or "{" in path:
        return
    if is_outside(scene.workspace.root, path):
        text = f"`{path}` lies outside the repository"
        way = "name what changes relative to the root of the repository"
        yield BriefProblem("implement", line, "Implement", target, text, way)
        return
    if NEW.search(said):
        return
    if not place.exists():
        name = path.rsplit("/", 1)[-1]
        others = scene.view.index.ending(name) or near(path, _files(scene))
        like = f"did you mean {listed(others, 3)}? " if others else ""
        text = f"`{path}` does not exist"
        way = f"{like}If it is to be created, say so: `{target} (new)`"
        yield BriefProblem("implement", line, "Implement", target, text, way)
    elif symbol and place.suffix == ".py" and not has_symbol(place, symbol):
        known = symbols_like(place, symbol)
        text = f"`{path}` has no `{symbol}`"
        way = (f"it has {listed(known, 4)}; " if known else "") + f"`{target} (new)` if it is new"
        yield BriefProblem("implement", line, "Implement", target, text, way)


def _files(scene: Scene) -> list[str]:
    return list(scene.view.index.below(""))


def _is_file(name: str) -> bool:
    path = name.partition("::")[0]
    return has_ending(path) or "/" in path


def artifacts(scene: Scene) -> Iterator[BriefProblem]:
    """Evidence goes into the hub of the focus."""
    found = scene.brief.all("artifacts")
    hub = scene.hub or f"{scene.home}/reports"
    way = f"write `Artifacts: {hub}/`"
    if scene.hub is None:
        way += f"; `planctl hub new {scene.plan.id}` allocates a hub"
    if not found:
        yield BriefProblem("artifacts", 1, "Artifacts", "", "there is no artifacts path", way)
        return
    for section in found:
        paths = [c.path for c in _claims(scene, section)]
        paths += re.findall(r"\$HUB\b[\w./-]*", section.text)
        if not paths:
            text = "it names no path"
            yield BriefProblem("artifacts", section.line, "Artifacts", section.value, text, way)
        for path in dict.fromkeys(paths):
            plain = path.rstrip("/").removeprefix("./")
            inside = plain == hub or plain.startswith((f"{hub}/", "$HUB"))
            below = scene.hub and not plain.startswith(("plans/", "/", "~")) and "/" in plain
            own = below and plain.split("/")[0] in ("green", "red", "cli", "analysis", "plan")
            if not inside and not own and not _text_file(plain):
                text = f"`{path}` is not in the hub of `{scene.plan.id}`"
                yield BriefProblem("artifacts", section.line, "Artifacts", path, text, way)


def _text_file(path: str) -> bool:
    """Tell whether a path is a text beside the evidence: a ledger, a plan, a brief."""
    return path.endswith((".md", ".rst", ".yaml"))


def _claims(scene: Scene, section: BriefSection) -> Iterator[PathClaim]:
    last = section.lines[-1][0] if section.lines else section.line
    for block in scene.blocks:
        yield from (claim for claim in block.paths if section.line <= claim.line <= last)


def findings(scene: Scene) -> Iterator[BriefProblem]:
    """Findings that are named exist."""
    known = set(scene.findings)
    initiatives = set(scene.workspace.initiatives())
    for section in scene.brief.all("findings"):
        for number, text, code in section.lines:
            if code or _NOTHING.match(text):
                continue
            for name in items_in(text):
                if name in known | initiatives or name.partition(".")[0] in initiatives:
                    continue
                like = near(name, known)
                way = (
                    f"did you mean {listed(like)}?"
                    if like
                    else f"there are {listed(sorted(known))}"
                )
                said = f"`{name}` is no row of `docs/findings.md`"
                yield BriefProblem("finding", number, "Findings Applied", name, said, way)


def proven(scene: Scene) -> Iterator[BriefProblem]:
    """Nothing is asked for that is there already."""
    for field, judged in (("Do Now", scene.judged), ("How-To Map", scene.mapped)):
        for line in dict.fromkeys(item.line for item in judged.wishes):
            wishes = [item for item in judged.wishes if item.line == line]
            proofs = tuple(dict.fromkeys(proof for item in wishes for proof in item.proven))
            left = tuple(dict.fromkeys(step for item in wishes for step in item.remaining))
            if proofs:
                told = "; ".join(proof.text for proof in proofs)
                text = f"asks for evidence that is there: {told}"
                value, way = _short(wishes[0].text), _instead(scene, left)
                yield BriefProblem("already-proven", line, field, value, text, way, proofs, left)


def _instead(scene: Scene, remaining: tuple[str, ...]) -> str:
    if remaining:
        return f"order what is open of it: {listed(remaining)}"
    open_steps = [step.step for step in scene.report.steps if not step.verdict.accepted]
    initiative = scene.plan.id
    forced = f"a person who wants it again says why: `planctl brief {initiative} --because WHY`"
    if open_steps:
        return f"open in `{initiative}`: {listed(open_steps)}; {forced}"
    return f"`{initiative}` is all proven: `planctl ledger next` says what is next; {forced}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 160 else plain[:159] + "…"


def is_nothing(text: str) -> bool:
    """Tell whether a field says that there is nothing: `none`, `n/a`."""
    return not text.strip() or _NOTHING.match(text) is not None


def named_targets(section: BriefSection) -> list[str]:
    """Return the files and tests that a section names."""
    return [name for name in targets_in(section.text) if has_ending(name.partition("::")[0])]
