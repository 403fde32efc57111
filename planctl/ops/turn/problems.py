"""Why a turn is not closed: what was claimed, what was found, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planctl._text import count
from planctl.errors import PlanctlError

_TOLD = 5


@dataclass(frozen=True)
class Problem:
    """One reason.

    Attributes:
        kind: `path`, `test`, `number`, `commit`, `stamp`: a claim the evidence speaks against or
            does not support; `verdict`: something is said to be proven that is not; `checklist`:
            a typed line against the derived one; `unrecorded`: evidence no receipt knows;
            `weaker`: a check or test lost strength; `imitation`, `length`: how it is told;
            `receipt`, `evidence`: not intact.
        claim: As told.
        found: What there is.
        nearest: The nearest thing that is true, if one is near.
        way_out: How to mend it.
        acceptable: `--accept-unsupported` lets it stand.
        sentence: Place of the sentence it stands in, or None for other parts of the block.
        answer: Of a claim: `contradicted` or `unsupported`.
    """

    kind: str
    claim: str
    found: str
    nearest: str = ""
    way_out: str = ""
    acceptable: bool = True
    sentence: int | None = None
    answer: str = ""

    def told(self) -> str:
        """Spell it on one line."""
        near = f"; nearest: {self.nearest}" if self.nearest else ""
        return f"{self.kind}: {self.claim}: {self.found}{near}"


class RefusedTurnError(PlanctlError):
    """A turn cannot be closed with these words; nothing was written.

    Attributes:
        problems: Every reason.
    """

    slug = "turn-refused"
    exit_code = 1

    def __init__(self, number: str, problems: Sequence[Problem]) -> None:
        told = "; ".join(problem.told() for problem in problems[:_TOLD])
        more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        ways = dict.fromkeys(problem.way_out for problem in problems if problem.way_out)
        accept = (
            " (`--accept-unsupported WHY` lets unsupported claims stand, with your name)"
            if any(problem.acceptable for problem in problems)
            else ""
        )
        super().__init__(
            f"turn `{number}` is not closed, {count(len(problems), 'problem')}: {told}{more}",
            "; ".join(list(ways)[:_TOLD]) + accept,
        )
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "ok": False,
            "error": {"slug": self.slug, "message": self.message, "hint": self.hint},
            "problems": [asdict(problem) for problem in self.problems],
        }
