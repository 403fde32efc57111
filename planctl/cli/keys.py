"""`planctl keys` and `planctl sign`: who is trusted, and who stands by which receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planctl.cli.evidence import Json

if TYPE_CHECKING:
    from planctl.ops.signing.sign import SignResult

keys_app = typer.Typer(
    help="Keys that receipts are signed with.", no_args_is_help=True, rich_markup_mode=None
)
_NAMES = "Fingerprint (SHA256:…), .pub file, or the line in it."


@keys_app.command("new")
def keys_new(
    path: Annotated[
        Path | None,
        typer.Option("--path", help="Where it goes; ~/.ssh/planctl_ed25519 without it."),
    ] = None,
    comment: Annotated[str, typer.Option("--comment", help="Stands behind the public key.")] = "",
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave it unencrypted (for a CI job).")
    ] = False,
    json_: Json = False,
) -> None:
    """Make an ed25519 key pair as OpenSSH does; asks for a passphrase on a terminal."""
    from dataclasses import asdict

    from planctl.cli import render
    from planctl.cli.passphrase import new_passphrase
    from planctl.ops.signing import keys

    secret = bytes if no_passphrase else new_passphrase
    made = keys.new_key(path or Path(keys.DEFAULT_PATH), comment, secret)
    if json_:
        render.emit_json(asdict(made))
        return
    render.line(f"{made.private}: {made.fingerprint}")
    render.line(made.line)
    render.talk(f"trust it: planctl keys trust {made.public} --role ROLE")
    render.talk(f"sign with it: export PLANCTL_SIGNING_KEY={made.private}")


@keys_app.command("list")
def keys_list(json_: Json = False) -> None:
    """Print whose keys are trusted here, what each is worth now, and which one signs."""
    from planctl.cli import render
    from planctl.ops.signing import keys
    from planctl.workspace import Workspace

    found = keys.list_keys(Workspace.open())
    if json_:
        render.emit_json(found.as_dict())
        return
    columns = ("roles", "key", "state", "from", "until", "comment")
    rows = (
        (
            ", ".join(item.roles),
            item.fingerprint + (" (yours)" if item.yours else ""),
            item.state,
            item.valid_after or "",
            item.valid_before or "",
            item.comment,
        )
        for item in found.keys
    )
    render.table(f"trusted keys, {found.path}", columns, rows)
    if found.signing is None:
        render.line("no key is configured here: receipts are recorded without a signature")
    else:
        render.line(f"signs here: {found.signing} ({found.signing_key})")


@keys_app.command("trust")
def keys_trust(
    key: Annotated[str, typer.Argument(help="A .pub file, or the line in it.")],
    role: Annotated[list[str], typer.Option("--role", help="What the key speaks for; repeatable.")],
    after: Annotated[
        str | None, typer.Option("--valid-after", help="Count it from this time on (UTC).")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--valid-before", help="Count it until this time (UTC).")
    ] = None,
    json_: Json = False,
) -> None:
    """Add a key to the repository's allowed_signers; commit the file to make it known."""
    from planctl.cli import render
    from planctl.ops.signing import trusted_keys
    from planctl.workspace import Workspace

    done = trusted_keys.trust_key(Workspace.open(), key, tuple(role), after, before)
    if json_:
        render.emit_json(done.as_dict())
    else:
        render.line(f"{done.written[0]}: {', '.join(done.roles)} {done.fingerprint}")


@keys_app.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help=_NAMES)],
    since: Annotated[
        str | None,
        typer.Option("--from", help="What git first has after this time (UTC) counts no more."),
    ] = None,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Nothing it ever signed counts.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, kept beside the key.")] = "",
    json_: Json = False,
) -> None:
    """Let a key count no more: from now on, from a time on, or (compromised) ever."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.signing import trusted_keys
    from planctl.workspace import Workspace

    if since and compromised:
        raise UsageError("`--from` with `--compromised`", "a compromised key never counts")
    done = trusted_keys.revoke_key(Workspace.open(), key, since, why, compromised)
    if json_:
        render.emit_json(done.as_dict())
    else:
        render.line(f"{done.written[0]}: {done.fingerprint} ({', '.join(done.roles) or 'no role'})")


def sign(
    initiative: Annotated[str | None, typer.Argument(help="Initiative; all without it.")] = None,
    phase: Annotated[str | None, typer.Argument(help="Phase; all without it.")] = None,
    step: Annotated[str | None, typer.Option("--step", help="Only this step.")] = None,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", help="Only this receipt, whatever its step proves.")
    ] = None,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="Sign nothing; put back signatures that git once had."),
    ] = False,
    json_: Json = False,
) -> int:
    """Sign the receipts that are proven; exit 0 if each carries your signature now, else 1."""
    from planctl.cli import render
    from planctl.errors import UsageError
    from planctl.ops.signing import sign as signing
    from planctl.workspace import Workspace

    if receipt is not None and (initiative or step or restore):
        raise UsageError("`--receipt` names one receipt; leave the others out")
    if restore and step:
        raise UsageError("`--restore` with `--step`", "name the phase, or nothing")
    workspace = Workspace.open()
    if receipt is not None:
        result = signing.sign_receipt(workspace, receipt)
    elif restore:
        result = signing.restore(workspace, initiative, phase)
    else:
        result = signing.sign_steps(workspace, initiative, phase, step)
    if json_:
        render.emit_json(result.as_dict())
    else:
        _print(result)
    return 0 if result.ok else 1


def _print(result: SignResult) -> None:
    from planctl.cli import render

    if result.key is None and not result.receipts:
        render.line("no signature that counts was ever removed")
        return
    by = f"{', '.join(result.roles) or 'a key that does not count'} {result.key}"
    rows = (
        (i.initiative, i.phase, i.step, i.action, i.reason or Path(i.receipt).name)
        for i in result.receipts
    )
    title = "signatures put back" if result.key is None else f"signatures by {by}"
    render.table(title, ("initiative", "phase", "step", "action", "receipt"), rows)
    if result.warning:
        render.talk(f"warning: {result.warning}")
    if any(item.action in ("signed", "restored") for item in result.receipts):
        render.talk("commit the receipts: until then a signature is as young as the clock says")
