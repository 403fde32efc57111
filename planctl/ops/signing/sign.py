"""Sign: a signature is added to receipts that are whole; their payload stays as it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from planctl._files import atomic_write, read_plain
from planctl._text import count
from planctl.errors import NotFoundError, ReceiptError
from planctl.models.receipt import payload_digest
from planctl.models.signing.envelope import (
    MAX_BYTES,
    MAX_SIGNATURES,
    Envelope,
    Signature,
    envelope_text,
    pae,
    parse_envelope,
)
from planctl.models.verdict import StepVerdict, Verdict
from planctl.ops import predicates
from planctl.ops.judge import Judge
from planctl.ops.receipts import LoadedReceipt, receipts_of
from planctl.ops.signing.signer import Signer, need_signer
from planctl.ops.verify import verify
from planctl.ops.write_lock import write_lock
from planctl.workspace import ACTIVE, Workspace


@dataclass(frozen=True)
class SignedReceipt:
    """What became of one receipt.

    Attributes:
        action: `signed`, `already signed` by this key, `restored`, or `refused`.
        reason: Why it was refused; or how many signatures came back.
    """

    initiative: str
    phase: str
    step: str
    receipt: str
    action: Literal["signed", "already signed", "restored", "refused"]
    reason: str = ""


@dataclass(frozen=True)
class SignResult:
    """What was signed, and by whom.

    Attributes:
        key: Fingerprint of the key; None when signatures were restored.
        roles: Its principals; empty when what it signs now does not count here.
        warning: Why it does not count, or empty.
    """

    key: str | None
    roles: tuple[str, ...]
    receipts: tuple[SignedReceipt, ...]
    warning: str = ""

    @property
    def ok(self) -> bool:
        """Every receipt asked for carries a signature of this key now."""
        return all(item.action != "refused" for item in self.receipts)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self) | {"ok": self.ok}


def sign_steps(
    workspace: Workspace, initiative: str | None, phase: str | None, step: str | None = None
) -> SignResult:
    """Sign the receipts that speak for steps, where nothing but signatures is missing.

    Args:
        workspace: The repository.
        initiative: Its id; every one without it.
        phase: Only this phase.
        step: Only this step.

    Raises:
        PreconditionError: No signing key is configured.
        KeyFileError: The key cannot be used.
        NotFoundError: No such initiative, phase or step.
    """
    signer = need_signer(workspace)
    names = [initiative] if initiative else workspace.every_initiative()
    done: list[SignedReceipt] = []
    roles, warning = tuple[str, ...](), ""
    for name in names:
        plan = workspace.load_plan(name)
        judge = Judge(workspace, plan, receipts_of(workspace, plan, None))
        roles, warning = _standing(judge, signer)
        by_path = {item.path: item for item in judge.loaded}
        report = verify(workspace, plan, phase, judge=judge)
        wanted = [item for item in report.steps if step in (None, item.step)]
        if not wanted:
            raise NotFoundError(f"`{name}` has no step `{step}`", "`planctl verify` lists them")
        done += [_step(workspace, judge, name, item, by_path, signer) for item in wanted]
    return SignResult(signer.public.fingerprint, roles, tuple(done), warning)


def sign_receipt(workspace: Workspace, path: Path) -> SignResult:
    """Sign one receipt, whatever its step is worth now; it must be whole.

    Args:
        workspace: The repository.
        path: The receipt, from the working directory or the root.

    Raises:
        PreconditionError: No signing key is configured.
        KeyFileError: The key cannot be used.
        NotFoundError: No receipt of an initiative.
    """
    shown = _shown(workspace, path)
    parts = shown.split("/")
    if not shown.startswith(f"{ACTIVE}/") or parts[-2] != "receipts":
        raise NotFoundError(f"`{path}` is no receipt of an initiative", "`planctl verify --json`")
    signer = need_signer(workspace)
    plan = workspace.load_plan(parts[2])
    judge = Judge(workspace, plan, receipts_of(workspace, plan, None))
    for item in judge.loaded:
        if item.path == shown and item.stored is not None:
            phase, step = item.stored.receipt.phase, item.stored.receipt.step
            done = _receipt(workspace, judge, (plan.id, phase, step), item, signer)
            roles, warning = _standing(judge, signer)
            return SignResult(signer.public.fingerprint, roles, (done,), warning)
    raise NotFoundError(f"`{path}` is no receipt that can be read", f"`planctl verify {plan.id}`")


def restore(workspace: Workspace, initiative: str | None, phase: str | None) -> SignResult:
    """Put back the signatures that count, that git once had, and that receipts have no more.

    A merge that took one side of a receipt loses the other's signatures; this brings them back.

    Args:
        workspace: The repository.
        initiative: Its id; every one without it.
        phase: Only this phase.

    Raises:
        NotFoundError: No such initiative.
    """
    done: list[SignedReceipt] = []
    for name in [initiative] if initiative else workspace.every_initiative():
        plan = workspace.load_plan(name)
        judge = Judge(workspace, plan, receipts_of(workspace, plan, None))
        for item in judge.loaded:
            if (
                item.stored is None
                or not item.holds
                or not (lost := judge.signatures.removed(item))
            ):
                continue
            receipt = item.stored.receipt
            if phase in (None, receipt.phase):
                _put(workspace, item.path, item.stored.payload_sha256, tuple(lost))
                reason = count(len(lost), "signature")
                named = (name, receipt.phase, receipt.step, item.path)
                done.append(SignedReceipt(*named, "restored", reason))
    return SignResult(None, (), tuple(done))


def _shown(workspace: Workspace, path: Path) -> str:
    place = Path.cwd() / path
    if not place.exists():
        place = workspace.root / path
    return workspace.relative(place.parent.resolve() / place.name)


def _standing(judge: Judge, signer: Signer) -> tuple[tuple[str, ...], str]:
    """Return whose the key is, as far as what it signs now counts; else why it does not."""
    signers = judge.signatures.trust.signers
    entries = signers.of(signer.public.keyid)
    if not entries:
        return (), "the key is not trusted here: `planctl keys trust` lists it under a role"
    if signer.public in signers.revoked:
        return (), "the key is revoked: nothing that it signs counts"
    now = judge.workspace.clock()
    usable = [entry for entry in entries if entry.for_receipts and entry.valid_at(now)]
    if not usable:
        said = "what the key signs now does not count: `planctl keys list` has its times and uses"
        return (), said
    return tuple(dict.fromkeys(role for entry in usable for role in entry.principals)), ""


def _step(
    workspace: Workspace,
    judge: Judge,
    initiative: str,
    step: StepVerdict,
    by_path: dict[str, LoadedReceipt],
    signer: Signer,
) -> SignedReceipt:
    name = (initiative, step.phase, step.step)
    if step.receipt is None:
        return SignedReceipt(*name, "", "refused", f"{step.verdict}: there is no receipt")
    if step.verdict not in (Verdict.FRESH, Verdict.UNPROVEN):
        why = f"{step.verdict}: {step.reasons[0]}" if step.reasons else str(step.verdict)
        return SignedReceipt(*name, step.receipt, "refused", why)
    return _receipt(workspace, judge, name, by_path[step.receipt], signer)


def _receipt(
    workspace: Workspace,
    judge: Judge,
    name: tuple[str, str, str],
    item: LoadedReceipt,
    signer: Signer,
) -> SignedReceipt:
    problem = _not_whole(judge, item)
    if problem is not None:
        return SignedReceipt(*name, item.path, "refused", problem)
    assert item.stored is not None
    added = _add(workspace, item.path, item.stored.payload_sha256, signer)
    return SignedReceipt(*name, item.path, "signed" if added else "already signed")


def _not_whole(judge: Judge, item: LoadedReceipt) -> str | None:
    """Say why nobody should put a name under a receipt, or None."""
    if item.stored is None or item.gone is not None:
        return f"missing: {item.gone or item.broken}"
    receipt = item.stored.receipt
    answer = predicates.intact(judge.artifacts, receipt, item.broken)
    if not answer.ok:
        return f"intact: {answer.text}"
    lost = [s.name for s in receipt.subjects if judge.artifacts.state(receipt, s) is None]
    return f"present: gone: {lost[0]}" if lost else None


def _add(workspace: Workspace, path: str, digest: str, signer: Signer) -> bool:
    """Add a signature to a receipt's file; False when this key signed it already."""
    with write_lock(workspace, f"sign {path}"):
        envelope = _envelope(workspace, path, digest)
        ours = [item for item in envelope.signatures if item.keyid == signer.public.keyid]
        if any(signer.public.verifies(item.sig, pae(envelope.payload)) for item in ours):
            return False
        # Entries under this key's id that are not this key's would hide its real signature.
        kept = tuple(item for item in envelope.signatures if item not in ours)
        _write(workspace, path, envelope, (*kept, signer.sign(envelope.payload)))
    return True


def _put(workspace: Workspace, path: str, digest: str, signatures: tuple[Signature, ...]) -> None:
    with write_lock(workspace, f"sign {path}"):
        envelope = _envelope(workspace, path, digest)
        new = tuple(item for item in signatures if item not in envelope.signatures)
        _write(workspace, path, envelope, (*envelope.signatures, *new))


def _envelope(workspace: Workspace, path: str, digest: str) -> Envelope:
    envelope = parse_envelope(read_plain(workspace.root / path, MAX_BYTES), path)
    if payload_digest(envelope.payload) != digest:
        raise ReceiptError(path, "changed while it was being signed")
    return envelope


def _write(
    workspace: Workspace, path: str, envelope: Envelope, signatures: tuple[Signature, ...]
) -> None:
    if len(signatures) > MAX_SIGNATURES:
        raise ReceiptError(path, f"has {MAX_SIGNATURES} signatures already")
    atomic_write(workspace.root / path, envelope_text(envelope.payload, signatures))
