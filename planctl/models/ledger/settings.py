"""`[ledger]` of `planctl.toml`: how long the ledger may get, and how much may be under way."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

_Count = Annotated[StrictInt, Field(ge=1)]


class LedgerSettings(BaseModel):
    """Limits of the ledger.

    Attributes:
        max_lines: Lines that it may have before attempts of done items move to the archive.
        max_bytes: Bytes, likewise.
        max_in_progress: Items that may be in progress at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_lines: _Count = 1000
    max_bytes: _Count = 50_000
    max_in_progress: _Count = 2
