"""Signatures by a key that an SSH agent holds; the private half never comes here.

Protocol: draft-ietf-sshm-ssh-agent. Only what signing needs.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from planctl._signing import KEY_TYPE, KeyFileError, PublicKey

VARIABLE = "SSH_AUTH_SOCK"
_LIST, _LISTED, _SIGN, _SIGNED = 11, 12, 13, 14
_MAX_ANSWER = 1_000_000
_WAIT_S = 120.0  # the agent may ask its owner first
_LOAD = "`ssh-add KEY` gives the agent the private half"


@dataclass(frozen=True)
class AgentKey:
    """A key that the agent signs with."""

    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """Let the agent sign; return the raw signature (64 bytes).

        Raises:
            KeyFileError: The agent is gone, refuses, or answers something else.
        """
        request = _string(self.public.encoded) + _string(message) + bytes(4)
        answer = _ask(_SIGN, _SIGNED, request)
        try:
            signature, _ = _cut(answer)
            kind, rest = _cut(signature)
            raw, _ = _cut(rest)
        except ValueError as error:
            raise _unusable("answers something that is no signature") from error
        if kind != KEY_TYPE.encode() or not self.public.verifies(raw, message):
            raise _unusable("answers a signature that is not this key's")
        return raw


def find(public: PublicKey) -> AgentKey:
    """Return the key if the agent holds it.

    Raises:
        KeyFileError: There is no agent, or it does not hold the key.
    """
    answer = _ask(_LIST, _LISTED, b"")
    try:
        held, rest = set[bytes](), answer[4:]
        for _ in range(min(int.from_bytes(answer[:4], "big"), len(answer))):
            blob, rest = _cut(rest)
            _, rest = _cut(rest)  # a comment
            held.add(blob)
    except ValueError as error:
        raise _unusable("answers something that is no list of keys") from error
    if public.encoded not in held:
        raise KeyFileError("SSH agent", f"does not hold the key {public.fingerprint}", hint=_LOAD)
    return AgentKey(public)


def _ask(kind: int, wanted: int, body: bytes) -> bytes:
    path = os.environ.get(VARIABLE)
    if not path:
        raise KeyFileError(
            "SSH agent", f"there is none: {VARIABLE} is not set", hint="`eval $(ssh-agent)`"
        )
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_WAIT_S)
            agent.connect(path)
            agent.sendall(_string(bytes([kind]) + body))
            length = int.from_bytes(_exactly(agent, 4), "big")
            answer = _exactly(agent, length) if length <= _MAX_ANSWER else b""
    except OSError as error:
        raise _unusable(f"cannot be asked: {error.strerror or error}") from error
    if answer[:1] != bytes([wanted]):
        raise _unusable("refuses")
    return answer[1:]


def _exactly(agent: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = agent.recv(length - len(data))
        if not piece:
            raise OSError("it closed the connection")
        data += piece
    return data


def _unusable(detail: str) -> KeyFileError:
    return KeyFileError("SSH agent", detail, hint="`ssh-add -l` shows what it holds")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _cut(data: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ValueError("cut short")
    return data[4 : 4 + length], data[4 + length :]
