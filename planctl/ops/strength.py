"""How strong a proof is: told by keys and repetition, never by words."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from planctl.models.receipt import Receipt
from planctl.models.signing.name_patterns import covers
from planctl.models.signing.policy import Requirement, Rule
from planctl.models.signing.signed import Judged, author, countersigned, counting
from planctl.models.verdict import Compared, Predicate, Verdict

_UNSAID = "person"  # the role of a run when nobody says one


class Tier(StrEnum):
    """Strength of a proof, weakest first."""

    ADOPTED = "adopted"
    RECORDED = "recorded"
    SIGNED = "signed"
    COUNTERSIGNED = "countersigned"
    REPLAYED = "replayed"


def tier_of(receipt: Receipt, judged: Iterable[Judged], replayed: bool = False) -> Tier:
    """Return how strong a receipt's proof is.

    Args:
        receipt: The receipt; it holds.
        judged: Its signatures, looked at.
        replayed: An independent run agreed with it and none after disagreed.
    """
    if replayed:
        return Tier.REPLAYED
    signed = counting(judged)
    if countersigned(receipt, signed):
        return Tier.COUNTERSIGNED
    return Tier.SIGNED if signed else Tier.RECORDED


def independent(
    receipt: Receipt, judged: Iterable[Judged], replay_judged: Iterable[Judged]
) -> bool:
    """Tell whether a replay is signed by a role other than the one that made the receipt.

    Args:
        receipt: What was replayed.
        judged: Its signatures.
        replay_judged: Those of the replay.
    """
    recorded = author(receipt, counting(judged))
    second = counting(replay_judged)
    return recorded is not None and any(item.other_than(recorded) for item in second)


def signature(
    rule: Rule,
    receipt: Receipt,
    judged: tuple[Judged, ...],
    removed: tuple[Judged, ...] = (),
) -> Predicate:
    """The signatures are those that the policy asks for; what is wrong with others is said.

    Args:
        rule: What is asked of the phase.
        receipt: The receipt.
        judged: Its signatures.
        removed: Signatures that count, that its file once had in git, and that are gone.
    """
    signed = counting(judged)
    problems = [item.text for item in judged if not item.ok]
    problems += _gone(receipt, judged, removed)
    wanted = _lacking(rule, receipt, signed)
    ids = (Compared("signatures", str(rule), _listed(signed)),)
    if wanted is not None:
        text = "; ".join([wanted, *problems])
        return Predicate("signature", False, text, ids, Verdict.UNPROVEN)
    problems += _remarks(rule, receipt, signed)
    if problems:
        return Predicate("signature", False, "; ".join(problems), ids)
    if not signed:
        return Predicate("signature", True, "none is asked for, and there is none", ids)
    return Predicate("signature", True, f"signed by {_listed(signed)}", ids)


def _listed(signed: tuple[Judged, ...]) -> str:
    return ", ".join(item.text for item in signed) or "none"


def _gone(receipt: Receipt, judged: tuple[Judged, ...], removed: tuple[Judged, ...]) -> list[str]:
    """Return what is known of signatures that were there and are not."""
    found = [
        f"the signature of {item.text} was removed; commit {(item.commit or '')[:8]} had it"
        for item in removed
    ]
    known = {item.fingerprint for item in (*judged, *removed)}
    # Of a key that is not listed nobody can tell whether it is the one the receipt names.
    unlisted = any(item.key is None for item in judged)
    if receipt.key is not None and receipt.key not in known and not unlisted:
        found.append(f"the signature of key {receipt.key}, made when it ran, was removed")
    return found


def _lacking(rule: Rule, receipt: Receipt, signed: tuple[Judged, ...]) -> str | None:
    """Say what the policy asks for and is not there, or None."""
    if not rule.asks:
        return None
    if not signed:
        return f"the policy asks for `{rule}` and no signature counts"
    if rule.roles and not any(covers(item.roles, role) for item in signed for role in rule.roles):
        asked = ", ".join(f"`{role}`" for role in rule.roles)
        return f"the policy asks for a signature by {asked}; signed by {_listed(signed)}"
    if rule.require is not Requirement.OTHER_ROLE or countersigned(receipt, signed):
        return None
    if author(receipt, signed) is not None:
        missing = "only the author's role signed"
    else:
        unknown = f"it was recorded without a key, so `{receipt.role}` is only what was said"
        if receipt.key is not None:
            unknown = f"the author's own signature (key {receipt.key}) does not count"
        missing = f"{unknown}; two keys without a role in common must sign"
    signers = f"signed by {_listed(signed)}"
    return f"the policy asks for a role other than the author's: {missing}; {signers}"


def _remarks(rule: Rule, receipt: Receipt, signed: tuple[Judged, ...]) -> list[str]:
    found: list[str] = []
    recorded = author(receipt, signed)
    if recorded and receipt.role != _UNSAID and not covers(recorded.roles, receipt.role):
        found.append(f"the run said role `{receipt.role}`; its key is of {recorded.text}")
    then = receipt.policy.partition(" ")[0]
    if then in tuple(Requirement) and Requirement(then).rank > rule.require.rank:
        found.append(f"the policy asked for `{receipt.policy}` when it ran, and now for `{rule}`")
    return found
