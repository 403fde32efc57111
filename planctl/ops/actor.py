"""Who acts: a person or an agent, by key where the repository lists keys, else by what was said."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planctl.errors import PlanctlError, PreconditionError
from planctl.workspace import Workspace

if TYPE_CHECKING:
    from planctl.models.focus_record import FocusRecord
    from planctl.models.signing.allowed_signers import AllowedSigners
    from planctl.ops.signing.signer import Signer

# Set by the loop for the agents that it starts.
_TURN_VARIABLE = "PLANCTL_TURN"


class NotAPersonError(PlanctlError):
    """An agent asked for what only a person may decide."""

    slug = "not-a-person"
    exit_code = 4


@dataclass(frozen=True)
class Actor:
    """Who runs planctl.

    Attributes:
        role: What the caller said, or what the key is trusted for.
        agent: Why this is an agent; empty for a person.
        signer: The key that stands for the role, where the repository lists keys.
    """

    role: str
    agent: str = ""
    signer: Signer | None = None


def acting(workspace: Workspace) -> Actor:
    """Tell who acts, by what was said and by the turn that is open here.

    Raises:
        BadFileError: Settings or the open turn cannot be read.
    """
    from planctl.ops.turn.state import current_turn

    settings, role = workspace.settings().dwell, workspace.role
    turn = current_turn(workspace)
    agent = ""
    if settings.is_agent(role):
        agent = f"the role is `{role}` (PLANCTL_ROLE)"
    elif turn is not None and settings.is_agent(turn.role):
        agent = f"turn {turn.shown} of the {turn.role} is open here"
    elif os.environ.get(_TURN_VARIABLE):
        agent = f"this runs inside a turn of the loop ({_TURN_VARIABLE})"
    return Actor(role, agent)


def need_person(workspace: Workspace, deed: str) -> Actor:
    """Return the person who acts.

    Where the repository lists trusted keys, a word is not enough: the key that is configured here
    must be one of them, and of no agent's role.

    Args:
        workspace: The repository.
        deed: What was asked for, for the message.

    Raises:
        NotAPersonError: An agent acts, or nobody who is known.
    """
    found = acting(workspace)
    if found.agent:
        raise NotAPersonError(
            f"{deed} is for a person, and {found.agent}",
            "let a person do it in a shell of their own; an agent hands off, or takes another "
            "focus (`planctl ledger next`)",
        )
    signers = trusted(workspace)
    return found if signers is None else _by_key(workspace, found, deed, signers)


def trusted(workspace: Workspace) -> AllowedSigners | None:
    """Return the keys that the repository lists; None when it lists none.

    Raises:
        BadFileError: The list cannot be read: nothing is believed then.
    """
    settings = workspace.settings().signing
    if not os.path.lexists(workspace.root / settings.allowed_signers):
        return None
    from planctl.ops.signing.trust import disk_reader, load_signers

    signers = load_signers(disk_reader(workspace), settings)
    return signers if signers.entries else None


def _by_key(workspace: Workspace, found: Actor, deed: str, signers: AllowedSigners) -> Actor:
    from planctl.ops.signing.signer import find_signer

    settings, signer = workspace.settings().dwell, find_signer(workspace)
    way = "name the key of a person in PLANCTL_SIGNING_KEY; `planctl keys list` shows the roles"
    if signer is None:
        said = f"{deed} is signed where `{signers.path}` lists keys, and no key is configured"
        raise PreconditionError(said, way)
    roles = [role for entry in signers.of(signer.public.keyid) for role in entry.principals]
    if not roles or signer.public in signers.revoked:
        said = f"{deed}: key {signer.public.fingerprint} does not count in `{signers.path}`"
        raise PreconditionError(said, way)
    agents = [role for role in roles if settings.is_agent(role)]
    if agents:
        said = f"{deed} is for a person, and the key is that of `{agents[0]}`"
        raise NotAPersonError(said, way)
    return replace(found, role=", ".join(roles), signer=signer)


def signed(record: FocusRecord, actor: Actor) -> FocusRecord:
    """Return a record with the signature of who acts, if there is a key."""
    if actor.signer is None:
        return record
    named = record.model_copy(update={"key": actor.signer.public.fingerprint})
    made = actor.signer.sign(named.payload())
    return named.model_copy(update={"signature": base64.b64encode(made.sig).decode()})


def discounted(workspace: Workspace, record: FocusRecord) -> str | None:
    """Return why a person's record does not count where the repository lists keys, or None.

    Raises:
        BadFileError: The list of keys cannot be read.
    """
    signers = trusted(workspace)
    if signers is None:
        return None
    from planctl.models.signing.envelope import Signature
    from planctl.ops.signing.trust import Past, Trust

    if record.key is None or record.signature is None:
        return f"is not signed, and `{signers.path}` lists keys"
    made = Signature(record.key, _decoded(record.signature))
    (judged,) = Trust(signers, workspace.clock()).judge((made,), record.payload(), Past())
    if not judged.ok:
        return f"does not count: {judged.text}"
    agents = [role for role in judged.roles if workspace.settings().dwell.is_agent(role)]
    return f"is signed by the key of `{agents[0]}`" if agents else None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""  # no signature of any key
