"""One error tree: every failure a user can meet has a slug, a message and a way out."""

from __future__ import annotations


class PtychoTorchError(Exception):
    """Root of all errors this package raises on purpose.

    Args:
        message: One lower-case line; names in backticks, the offending value shown.
        hint: What to do about it, or None.

    Attributes:
        slug: Stable identifier of the kind of error.
        exit_code: What a command line ends with (see `docs/reference/exit-codes.md`).
    """

    slug = "error"
    exit_code = 3

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(PtychoTorchError):
    """A flag, a config file or a combination of them cannot be used."""

    slug = "bad-config"
    exit_code = 2


class DataFileError(PtychoTorchError):
    """A data file is missing, truncated, ambiguous or not what its name says."""

    slug = "bad-data-file"
    exit_code = 4


class BundleError(PtychoTorchError):
    """A model bundle is damaged, foreign or incomplete."""

    slug = "bad-bundle"
    exit_code = 4


class PreconditionError(PtychoTorchError):
    """Something the command needs is not there (a device, an output folder, a connected scan)."""

    slug = "precondition"
    exit_code = 4


class DivergedError(PtychoTorchError):
    """A run became non-finite."""

    slug = "diverged"
    exit_code = 5


class CollapsedError(PtychoTorchError):
    """A run's prediction is constant: it says nothing about the object."""

    slug = "collapsed"
    exit_code = 5
