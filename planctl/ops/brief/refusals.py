"""Why no brief is written."""

from __future__ import annotations

from collections.abc import Sequence

from planctl.errors import PlanctlError, PreconditionError, UsageError
from planctl.models.brief.brief import Proof
from planctl.workspace import Workspace

PERSON = "person"
"""The role of who is no agent: what planctl takes for granted without `PLANCTL_ROLE`."""
_TOLD = 40


class AlreadyProvenError(PlanctlError):
    """What a brief would order is there already.

    Attributes:
        proofs: What proves it.
    """

    slug = "already-proven"
    exit_code = 1

    def __init__(self, what: str, proofs: Sequence[Proof], hint: str) -> None:
        told = "; ".join(item.text for item in proofs[:_TOLD])
        more = f"; and {len(proofs) - _TOLD} more" if len(proofs) > _TOLD else ""
        super().__init__(f"{what} is proven: {told}{more}", hint)
        self.proofs = tuple(proofs)


class NotReadyError(PreconditionError):
    """The focus cannot be worked on: it is blocked, waits, or is locked."""

    slug = "focus-not-ready"


def require_person(workspace: Workspace, because: str | None) -> None:
    """Make sure that who wants proven evidence again is a person, and says why.

    Raises:
        UsageError: No reason.
        NotAPersonError: An agent, or nobody who is known.
    """
    if because is None:
        return
    if not because.strip():
        raise UsageError("`--because` says nothing", "say why it is wanted again")
    from planctl.ops.actor import need_person

    need_person(workspace, "to order again what is proven (`--because`)")
