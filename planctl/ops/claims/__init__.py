"""Claims: what prose says, against what the repository holds."""

from planctl.ops.claims.run import claims

__all__ = ["claims"]
