"""The verbs that orders and reports are made of, and words in their basic form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


PRODUCES = word_set(
    "run rerun execute reexecute capture recapture collect recollect regenerate generate refresh "
    "repeat reproduce redo produce archive tee save dump measure remeasure benchmark profile "
    "validate revalidate verify reverify evaluate reevaluate train retrain infer launch relaunch "
    "replay gather obtain provide supply attach upload store copy emit retake test retest perform "
    "acquire reacquire exercise sample resample recompute compute simulate render plot export "
    "reexport"
)
"""Verbs that make evidence."""

CHANGES = word_set(
    "implement fix add wire thread extend refactor create introduce replace port design migrate "
    "integrate patch correct repair change modify remove delete rename rework rewrite expose "
    "plumb enable disable support adapt tune adjust convert turn build rebuild make hook write "
    "instrument update edit develop debug diagnose extract move split drop revert upgrade "
    "downgrade persist register optimise optimize parametrise parametrize harden bootstrap author "
    "land ship apply"
)
"""Verbs that make new work: what is measured after them is measured for the first time."""

RECORDS = word_set(
    "mark note document log record cite list track file open close tick annotate summarise "
    "summarize describe publish post review read reread confirm check recheck audit inspect await "
    "wait hand plan decide choose select start begin continue proceed advance move pick export "
    "guard set ensure keep"
)
"""Verbs about text and about the work itself."""

NOUNS = word_set(
    "run rerun capture repeat produce archive tee dump profile measure benchmark test retest train "
    "replay store copy sample plot render export patch wire thread design port change repair move "
    "build hook instrument debug land drop turn author mark note document log record list track "
    "file close publish post review read check audit wait hand plan start pick guard set advance "
    "refresh exercise"
)
"""Verbs that are nouns as often."""

SKIPPED = word_set(
    "a an the this that these those it its their his her our your my both all each every any some "
    "of in on at for from by with without into onto under over per via as is are be been was were "
    "has have had do does did done will would shall should must may might can could need needs "
    "please again still now next fresh new newly same again immediately once first second "
    "ready remaining current existing documented exact full complete short long above below "
    "following resulting required relevant latest updated refreshed regenerated which who whose "
    "not no only also well up out off back down there here than when where how what and or but "
    "if instead whether until since"
)
"""Words that name nothing."""

_IRREGULAR = {
    "ran": "run",
    "reran": "rerun",
    "took": "take",
    "wrote": "write",
    "built": "build",
    "rebuilt": "rebuild",
    "made": "make",
    "redid": "redo",
    "redone": "redo",
    "wired": "wire",
    "running": "run",
    "rerunning": "rerun",
    "captures": "capture",
    "setting": "set",
    "written": "write",
    "rewrote": "rewrite",
    "shipped": "ship",
    "dumped": "dump",
    "copied": "copy",
    "copies": "copy",
    "copying": "copy",
}
_ENDINGS = (
    *(("ies", "y"), ("ied", "y"), ("es", "e"), ("es", ""), ("s", "")),
    *(("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
)


@lru_cache(maxsize=4096)
def lemma(word: str) -> str:
    """Return a verb's basic form: `re-ran`, `reruns` and `rerunning` are `rerun`."""
    plain = word.lower().replace("-", "")
    if plain in _IRREGULAR:
        return _IRREGULAR[plain]
    known = PRODUCES | CHANGES | RECORDS
    if plain in known:
        return plain
    for ending, instead in _ENDINGS:
        if plain.endswith(ending):
            stem = plain[: -len(ending)] + instead
            for basic in (stem, stem[:-1] if stem[-1:] == stem[-2:-1] else stem):
                if basic in known:
                    return basic
    return plain


def is_past(word: str) -> bool:
    """Tell whether a verb stands in the past, as reports do: `executed`, `ran`, `rerun` not."""
    plain = word.lower().replace("-", "")
    return plain.endswith("ed") or plain in ("ran", "reran", "wrote", "built", "made", "took")


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text or name in lower case, plurals and numbers cut."""
    for word in re.findall(r"[A-Za-z]+", text.replace("'s", "").replace("’s", "")):
        if len(word) > 1:
            yield _singular(word.lower())


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        return word[:-1]
    return word
