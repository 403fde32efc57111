"""What the signatures of a plan's receipts are worth, asked once a receipt."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from planctl.models.plan.plan import Plan
from planctl.models.settings import Settings, parse_settings
from planctl.models.signing.envelope import Signature
from planctl.models.signing.policy import Policy, Requirement, Rule
from planctl.models.signing.signed import Judged, counting
from planctl.models.verdict import Predicate
from planctl.ops.receipts import LoadedReceipt
from planctl.ops.signing.trust import (
    Auditor,
    Past,
    Reader,
    Trust,
    commit_clock,
    disk_reader,
    load_signers,
    pasts,
    policy_of,
)
from planctl.ops.strength import Tier, independent, tier_of
from planctl.ops.strength import signature as signature_answer
from planctl.workspace import SETTINGS, Workspace


class Signatures:
    """The signatures of a plan's receipts, under the policy of its repository.

    Args:
        workspace: The repository.
        plan: The plan.
        loaded: Its receipts.
        auditor: What somebody outside the repository asks for.
        read: How files of the repository are read; the work tree's by default.
    """

    def __init__(
        self,
        workspace: Workspace,
        plan: Plan,
        loaded: Iterable[LoadedReceipt],
        auditor: Auditor | None = None,
        read: Reader | None = None,
    ) -> None:
        self._workspace, self._plan = workspace, plan
        self._loaded = {item.path: item for item in loaded}
        self._auditor = auditor or Auditor()
        self._read = read or disk_reader(workspace)
        self._judged: dict[str, tuple[Judged, ...]] = {}

    @cached_property
    def settings(self) -> Settings:
        """The settings of the repository."""
        return parse_settings((self._read(SETTINGS) or b"").decode("utf-8", "replace"), SETTINGS)

    @cached_property
    def policy(self) -> Policy:
        """The policy of the repository."""
        return policy_of(self._workspace, self._plan, self.settings)

    @cached_property
    def trust(self) -> Trust:
        """The trusted keys."""
        signers = load_signers(self._read, self.settings.signing, self._auditor.allowed_signers)
        return Trust(signers, self._workspace.clock(), commit_clock(self._workspace.repo))

    @cached_property
    def _pasts(self) -> dict[str, Past]:
        return pasts(self._workspace.repo, self._loaded.values())

    def rule(self, phase: str) -> Rule:
        """Return what is asked of a phase, by the repository and by the auditor."""
        return self.policy.of(self._plan.id, phase).at_least(self._auditor.require)

    def judged(self, item: LoadedReceipt) -> tuple[Judged, ...]:
        """Return the signatures of a receipt, looked at."""
        if not item.signatures:
            return ()
        if item.path not in self._judged:
            past = self._pasts.get(item.path, Past())
            self._judged[item.path] = self.trust.judge(item.signatures, item.payload, past)
        return self._judged[item.path]

    def removed(self, item: LoadedReceipt) -> dict[Signature, Judged]:
        """Return the signatures that count, that git once had, and that are gone, one a key."""
        past = self._pasts.get(item.path)
        # Of an exchanged payload the signatures may all be there, over other bytes: none is gone.
        gone = () if past is None or item.broken else past.removed(item.signatures)
        if past is None or not gone:
            return {}
        found = {judged.key for judged in counting(self.judged(item))}
        lost: dict[Signature, Judged] = {}
        for signature in gone:
            (judged,) = self.trust.judge((signature,), past.payload, past)
            if judged.ok and judged.key not in found:
                found.add(judged.key)
                lost[signature] = judged
        return lost

    def answer(self, phase: str, item: LoadedReceipt) -> Predicate:
        """Put the question to a receipt: is it signed as the policy asks?"""
        assert item.stored is not None
        rule, receipt = self.rule(phase), item.stored.receipt
        removed = tuple(self.removed(item).values())
        return signature_answer(rule, receipt, self.judged(item), removed)

    def tier(self, path: str, replayed: bool) -> Tier:
        """Return how strong a receipt's proof is.

        Args:
            path: Where the receipt lies.
            replayed: A replay that counts agreed with it.
        """
        item = self._loaded[path]
        assert item.stored is not None
        return tier_of(item.stored.receipt, self.judged(item), replayed)

    def signed_by(self, path: str) -> tuple[str, ...]:
        """Return roles and key of each signature of a receipt that counts."""
        item = self._loaded[path]
        return () if item.broken else tuple(one.text for one in counting(self.judged(item)))

    def replay_counts(
        self, phase: str, path: str, signatures: tuple[Signature, ...], payload: bytes
    ) -> bool:
        """Tell whether a replay makes the proof stronger.

        Where the policy asks for another role, a replay is one of another role too.

        Args:
            phase: The phase of the step.
            path: Where the receipt lies.
            signatures: Those of the replay.
            payload: What they should be over.
        """
        if self.rule(phase).require is not Requirement.OTHER_ROLE:
            return True
        item = self._loaded[path]
        assert item.stored is not None
        second = self.trust.judge(signatures, payload, Past())
        return independent(item.stored.receipt, self.judged(item), second)
