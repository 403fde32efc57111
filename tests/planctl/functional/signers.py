"""Keys for tests: people with roles, who sign through the command line as anybody would."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planctl._signing import PrivateKey, generate
from planctl.models.signing.envelope import pae
from tests.planctl.functional.conftest import ID, Project

SIGNERS = ".planctl/allowed_signers"


@dataclass
class Signers:
    """People with keys around one project."""

    project: Project
    home: Path
    monkeypatch: pytest.MonkeyPatch
    keys: dict[str, PrivateKey] = field(default_factory=dict)

    def person(self, name: str, *roles: str, options: str = "", passphrase: str = "") -> PrivateKey:
        """Make a person's key; with roles it is listed as trusted."""
        key = generate(name)
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(key.text(passphrase.encode()))
        path.chmod(0o600)
        self.keys[name] = key
        if roles:
            self.trust(key, ",".join(roles), options)
        return key

    def path(self, name: str) -> Path:
        """Return where a person's private key lies."""
        return self.home / ".ssh" / name

    def trust(self, key: PrivateKey, principals: str, options: str = "") -> None:
        """Add a line to allowed_signers."""
        place = self.project.root / SIGNERS
        place.parent.mkdir(exist_ok=True)
        line = " ".join(part for part in (principals, options, key.public.line) if part)
        before = place.read_text() if place.exists() else ""
        place.write_text(f"{before}{line}\n")

    def be(self, name: str | None) -> None:
        """Work as this person from now on; as nobody with None."""
        if name is None:
            self.monkeypatch.delenv("PLANCTL_SIGNING_KEY", raising=False)
        else:
            self.monkeypatch.setenv("PLANCTL_SIGNING_KEY", str(self.path(name)))

    def sign(self, name: str, *words: str, expect: int = 0) -> dict[str, Any]:
        """Let a person sign; return what `planctl sign` says."""
        before = os.environ.get("PLANCTL_SIGNING_KEY")
        self.be(name)
        code, out, err = self.project.call("sign", *(words or (ID,)), "--json")
        if before is None:
            self.be(None)
        else:
            self.monkeypatch.setenv("PLANCTL_SIGNING_KEY", before)
        assert code == expect, err
        result: dict[str, Any] = json.loads(out)
        return result

    def ask(self, require: str, **phases: str) -> None:
        """Write a policy."""
        lines = ["[policy]", f'require = "{require}"', "[policy.phases]"]
        lines += [f'"X-001/{phase}" = "{word}"' for phase, word in phases.items()]
        (self.project.root / "planctl.toml").write_text("\n".join(lines) + "\n")

    def commit_at(self, when: str, message: str = "evidence") -> str:
        """Commit everything with a committer time."""
        self.monkeypatch.setenv("GIT_COMMITTER_DATE", when)
        commit = self.project.repo.commit(message)
        self.monkeypatch.delenv("GIT_COMMITTER_DATE")
        return commit


def step_of(project: Project, step: str, *words: str) -> dict[str, Any]:
    """Return what verify says of a step; of the warnings those about signatures."""
    _, out, err = project.call("verify", ID, "--json", *words)
    assert out, err
    found: dict[str, Any] = next(s for s in json.loads(out)["steps"] if s["step"] == step)
    told = [text for text in found["warnings"] if text.startswith("signature: ")]
    return found | {"warnings": told}


def answer(project: Project, step: str, *words: str) -> str:
    """Return the text of a step's predicate `signature`."""
    answers = step_of(project, step, *words)["predicates"]
    return str(next(item["text"] for item in answers if item["name"] == "signature"))


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change an envelope on disk, as anybody with an editor could."""
    envelope = json.loads(path.read_text())
    change(envelope)
    path.write_text(json.dumps(envelope, indent=1) + "\n")


def signature(key: PrivateKey, path: Path, keyid: str | None = None) -> dict[str, str]:
    """Return a key's signature over the payload of a receipt."""
    payload = base64.b64decode(json.loads(path.read_text())["payload"])
    sig = base64.b64encode(key.sign(pae(payload))).decode()
    return {"keyid": keyid or key.public.keyid, "sig": sig}
