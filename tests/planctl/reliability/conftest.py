"""Fixtures of the functional tests, for tests of what goes wrong."""

from __future__ import annotations

from tests.planctl.functional.conftest import at, capture, project, proven

__all__ = ["at", "capture", "project", "proven"]
