"""`planctl audit`: what a history claimed, against what its commits hold."""

from __future__ import annotations

from planctl.ops.audit.run import audit, audit_file

__all__ = ["audit", "audit_file"]
