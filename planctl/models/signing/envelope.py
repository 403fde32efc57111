"""DSSE envelopes: a payload, its type, and the signatures over both.

Format: DSSE v1 (https://github.com/secure-systems-lab/dsse). Signatures may be added later; the
payload never changes.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from planctl.errors import ReceiptError
from planctl.models.strict_json import strict_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16_000_000
MAX_SIGNATURES = 64
_MAX_KEYID = 256
_MAX_SIGNATURE = 4096


@dataclass(frozen=True, order=True)
class Signature:
    """One signature as it stands in an envelope; nothing is known of it yet.

    Attributes:
        keyid: Which key the signer says it was; a hint that nothing protects.
        sig: The signature's bytes.
    """

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """What an envelope holds."""

    payload: bytes
    signatures: tuple[Signature, ...] = ()


def parse_envelope(text: bytes, path: str) -> Envelope:
    """Read an envelope around an in-toto Statement.

    Raises:
        ReceiptError: Too large, not JSON, not a DSSE envelope of a Statement.
    """
    if len(text) > MAX_BYTES:
        raise ReceiptError(path, f"is larger than {MAX_BYTES:,} bytes")
    try:
        raw = strict_json(text)
        if raw["payloadType"] != PAYLOAD_TYPE:
            raise ReceiptError(path, f"payloadType is `{raw['payloadType']}`")
        return Envelope(_base64(raw["payload"]), _signatures(raw["signatures"]))
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise ReceiptError(path, f"is not a DSSE envelope: {error}") from error


def _signatures(raw: Any) -> tuple[Signature, ...]:
    if not isinstance(raw, list):
        raise ValueError("`signatures` is no list")
    if len(raw) > MAX_SIGNATURES:
        # Nobody's work is signed that often; looking at all of them would only cost time.
        raise ValueError(f"it has {len(raw):,} signatures, at most {MAX_SIGNATURES} can stand")
    return tuple(_signature(item) for item in raw)


def _signature(raw: Any) -> Signature:
    keyid, sig = raw.get("keyid", "") if isinstance(raw, dict) else None, raw["sig"]
    if not isinstance(keyid, str) or len(keyid) > _MAX_KEYID or not keyid.isprintable():
        raise ValueError("a signature's `keyid` is no short text")
    if len(sig) > _MAX_SIGNATURE:
        raise ValueError("a signature's `sig` is too long")
    return Signature(keyid, _base64(sig))


def _base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("base64 text is asked for")
    return base64.b64decode(text, validate=True)


def envelope_text(payload: bytes, signatures: tuple[Signature, ...] = ()) -> str:
    """Write an envelope around a payload; equal arguments give equal text."""
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [_as_dict(item) for item in signatures],
    }
    return json.dumps(envelope, indent=1) + "\n"


def _as_dict(signature: Signature) -> dict[str, str]:
    return {"keyid": signature.keyid, "sig": base64.b64encode(signature.sig).decode()}


def pae(payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding of a Statement: the bytes that are signed."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
