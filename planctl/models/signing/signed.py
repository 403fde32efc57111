"""A signature that was looked at: whose it is, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planctl._signing import PublicKey
from planctl.models.receipt import Receipt
from planctl.models.signing.name_patterns import overlap


@dataclass(frozen=True)
class Judged:
    """One signature, looked at.

    Attributes:
        keyid: What the envelope says.
        ok: It is a trusted key's, over these bytes, in its time.
        text: Whose it is; or why it does not count.
        key: The key that the id stands for, when it is listed.
        roles: The principals of the key; never what anybody says.
        commit: The commit that first held it, or None when it is not committed.
    """

    keyid: str
    ok: bool
    text: str
    key: PublicKey | None = None
    roles: tuple[str, ...] = ()
    commit: str | None = None

    @property
    def fingerprint(self) -> str:
        """The key as `ssh-keygen -l` prints it; the id as it stands when no key is known."""
        return self.key.fingerprint if self.key is not None else self.keyid

    def other_than(self, that: Judged) -> bool:
        """Tell whether two signatures are of two keys without a role in common."""
        return self.key != that.key and not overlap(self.roles, that.roles)


def counting(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """Return the signatures that count, one a key."""
    return tuple({item.key: item for item in judged if item.ok}.values())


def author(receipt: Receipt, signed: Iterable[Judged]) -> Judged | None:
    """Return the signature made when the receipt was recorded, if it counts."""
    return next((item for item in signed if item.fingerprint == receipt.key), None)


def countersigned(receipt: Receipt, signed: tuple[Judged, ...]) -> bool:
    """Tell whether a role other than the author's signed.

    The author is who signed when the receipt was recorded. Without that signature only a word says
    who made it, and one person could say any: then two keys without a role in common must have
    signed, of which one at least is another's.
    """
    recorded = author(receipt, signed)
    if recorded is not None:
        return any(item.other_than(recorded) for item in signed)
    return any(one.other_than(other) for one in signed for other in signed)
