"""One error tree: every failure a user can meet has a slug, a message, a hint and an exit code."""

from __future__ import annotations


class PlanctlError(Exception):
    """Root of all errors planctl raises on purpose.

    Args:
        message: First line, lower case, names in backticks, the offending value shown.
        hint: The way out, shown as a `hint:` block, or None.

    Attributes:
        slug: Stable identifier of the kind of error, also in `--json`.
        exit_code: 1 the answer is no, 2 usage, 4 precondition or bad file, 130 interrupted.
    """

    slug = "error"
    exit_code = 3

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PlanctlError):
    """The command line cannot be used as it is."""

    slug = "usage"
    exit_code = 2


class PreconditionError(PlanctlError):
    """Something the command needs is not there or not in a usable state."""

    slug = "precondition"
    exit_code = 4


class BadFileError(PlanctlError):
    """A file planctl reads is not what it must be.

    Args:
        path: Repository-relative path of the file.
        detail: What is wrong, one line.
        line: 1-based line in the file, if known.
        key: Dotted key in the file, if known.
        hint: The way out.
    """

    slug = "bad-file"
    exit_code = 4

    def __init__(
        self,
        path: str,
        detail: str,
        *,
        line: int | None = None,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = path if line is None else f"{path}:{line}"
        what = detail if key is None else f"`{key}`: {detail}"
        super().__init__(f"{where}: {what}", hint)
        self.path = path
        self.line = line
        self.key = key


class PlanError(BadFileError):
    """A `plan.yaml` that cannot be used."""

    slug = "bad-plan"


class ReceiptError(BadFileError):
    """A receipt that cannot be read."""

    slug = "bad-receipt"


class NotFoundError(PreconditionError):
    """No initiative, phase, step, hub or artifact of that name."""

    slug = "not-found"


class LockedError(PreconditionError):
    """Another planctl holds the lock."""

    slug = "locked"


class GitError(PreconditionError):
    """Git refused or the repository is in the middle of something."""

    slug = "git"


class SystemRefusedError(PreconditionError):
    """The system refused: no room, no permission, a file in the place of a folder."""

    slug = "system"

    @classmethod
    def of(cls, error: OSError) -> SystemRefusedError:
        """Say what the system refused, and about which file."""
        where = f"`{error.filename}`: " if error.filename else ""
        hint = "make room or correct the permissions, then run the same again"
        return cls(f"{where}{error.strerror or error}", hint)


class InterruptedRunError(PlanctlError):
    """Ctrl-C or SIGTERM ended a run; nothing is recorded, its log stays."""

    slug = "interrupted"
    exit_code = 130
