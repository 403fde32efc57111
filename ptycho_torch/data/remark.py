"""Something that looks wrong with a scan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """Something that looks wrong.

    Attributes:
        slug: Which test spoke, for programs.
        message: What was seen.
        hint: What to do about it.
        cure: Flags of `ptycho-torch convert` that undo it, such as `--orientation swap`; empty
            where no flag can.
        advice: Whether it is worth knowing rather than wrong.
    """

    slug: str
    message: str
    hint: str
    cure: str = ""
    advice: bool = False

    def line(self) -> str:
        """Return it as one line of a log."""
        return f"{self.message}; {self.hint} [{self.slug}]"
