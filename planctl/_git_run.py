"""Running git: one place for the environment and the settings it is asked with."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from planctl.errors import GitError

# No lock is taken to look, and history is what was committed: no replaced objects, no grafts.
ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    # A partial clone may ask its server for what it lacks: it must not wait for a password.
    "GIT_TERMINAL_PROMPT": "0",
    # What git says is read by this module.
    "LANGUAGE": "C",
    "LC_ALL": "C",
}
# Settings of a clone that let git look away from changes, or that dress up what it prints.
_SETTINGS = (
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "color.ui=false",
    "log.showSignature=false",
    "advice.graftFileDeprecated=false",
)
OPTIONS = tuple(word for item in _SETTINGS for word in ("-c", item))


class RefusedError(GitError):
    """Git ended with another code than 0.

    Args:
        word: What it was asked.
        status: The code.
        said: What it said.
    """

    def __init__(self, word: str, status: int | str | Exception | None, said: str) -> None:
        detail = said.strip().removeprefix("stderr:").strip(" '\n")
        foreign = "safe.directory" in detail
        hint = "the files belong to another user; trust them with the line git names"
        super().__init__(f"git {word} failed: {detail}", hint if foreign else None)
        self.status = status
        self.detail = detail


def missing_git() -> GitError:
    """Return the error of a machine without git."""
    return GitError("`git` is not installed", "install git and try again")


def run_git(
    place: Path,
    *words: str,
    stdin: str = "",
    word: str = "",
    env: Mapping[str, str] = ENVIRONMENT,
) -> bytes:
    """Run git in a folder.

    Args:
        place: The folder.
        words: The command line after `git`.
        stdin: What it reads.
        word: The command, for messages; the first of `words` without it.
        env: Variables that are set for it.

    Returns:
        What it printed.

    Raises:
        RefusedError: It ended with another code than 0.
        GitError: There is no git, or no such folder.
    """
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(stdin.encode("utf-8", "surrogateescape"))
        asked.seek(0)
        try:
            started = subprocess.Popen(
                ["git", *words],
                cwd=place,
                env=os.environ | env,
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        except FileNotFoundError as error:
            if not place.is_dir():
                raise GitError(f"`{place}` is no folder", "change to one") from error
            raise missing_git() from error
        with started:
            assert started.stdout is not None
            # In one piece: `communicate` would hold a long answer twice.
            answer = started.stdout.read()
        if started.returncode != 0:
            said.seek(0)
            detail = said.read().decode("utf-8", "replace")
            raise RefusedError(word or words[0], started.returncode, detail)
    return answer
