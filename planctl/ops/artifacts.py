"""Artifacts as they lie in a hub now, beside what a receipt recorded of them."""

from __future__ import annotations

import stat
from pathlib import Path

from planctl._files import behind_link, sha256_file
from planctl._redaction import MARK
from planctl.models.receipt import Receipt, Subject
from planctl.ops.collect import folder_digest
from planctl.ops.run_log import Claims, claims


def subject_path(root: Path, receipt: Receipt, subject: Subject) -> Path:
    """Return where an artifact of a receipt lies."""
    return root / receipt.hub / subject.name


class Artifacts:
    """Looks at artifacts; each is read once, however many questions are asked.

    Args:
        root: The repository root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._links: dict[Path, bool] = {}
        self._states: dict[tuple[str, str], str | None] = {}

    def state(self, receipt: Receipt, subject: Subject) -> str | None:
        """Return an artifact's digest now; None when it is gone; words when it is no plain file.

        A symbolic link is no artifact, whatever it leads to: its content lies elsewhere.
        """
        key = (f"{receipt.hub}/{subject.name}", subject.kind)
        if key not in self._states:
            self._states[key] = self._look(self._root / key[0], subject.kind)
        return self._states[key]

    def moved(self, receipt: Receipt) -> dict[str, str | None]:
        """Return the artifacts that are not as recorded: name → what is there, None when gone."""
        now = ((item, self.state(receipt, item)) for item in receipt.subjects)
        return {item.name: state for item, state in now if state != item.sha256}

    def payload(self, receipt: Receipt) -> str | None:
        """Return the digest of a receipt's payload, where facts are kept about it."""
        return None

    def _look(self, path: Path, kind: str) -> str | None:
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) or self._linked(path.parent):
                return "a symbolic link"
            if kind == "folder":
                return folder_digest(path) if stat.S_ISDIR(mode) else "no folder"
            return sha256_file(path) if stat.S_ISREG(mode) else "no plain file"
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return f"unreadable ({error.strerror})"

    def _linked(self, folder: Path) -> bool:
        if folder not in self._links:
            self._links[folder] = behind_link(self._root, folder)
        return self._links[folder]

    def log_contradictions(self, receipt: Receipt) -> list[str]:
        """Return where a receipt's log says something else than the receipt."""
        path = self._root / receipt.hub / receipt.log
        try:
            said = claims(path)
        except OSError:
            return []  # gone or unreadable: `present` and `intact` say so
        if said is None:
            return ["its log is none that planctl wrote"]
        return differences(said, receipt)


def expected_claims(receipt: Receipt) -> Claims:
    """Return what the log of a receipt's run says."""
    return Claims(
        step=f"{receipt.initiative} {receipt.phase}/{receipt.step}",
        commit=receipt.commit,
        exit_code=str(receipt.exit_code),
    )


def differences(said: Claims, receipt: Receipt) -> list[str]:
    """Return where a log's claims are not what a receipt says."""
    expected = expected_claims(receipt)
    return [
        f"its log says {name} `{value}`, the receipt `{wanted}`"
        for name, value, wanted in (
            ("step", said.step, expected.step),
            ("commit", said.commit, expected.commit),
            ("exit", said.exit_code, expected.exit_code),
        )
        if value != wanted and MARK.decode() not in value
    ]
