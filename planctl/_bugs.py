"""Errors that nobody foresaw: their traceback goes into a file of its own."""

from __future__ import annotations

import tempfile
import traceback

from planctl.errors import PlanctlError


class BugError(PlanctlError):
    """A bug in planctl.

    Args:
        error: What went wrong; its traceback is kept in a temporary file that the hint names.
    """

    slug = "bug"
    exit_code = 3

    def __init__(self, error: Exception) -> None:
        with tempfile.NamedTemporaryFile(
            "w", prefix="planctl-bug-", suffix=".log", delete=False, errors="backslashreplace"
        ) as log:
            traceback.print_exception(error, file=log)
        told = f"a bug in planctl: {type(error).__name__}: {error}"
        super().__init__(told, f"the traceback is in {log.name}; please report it")
