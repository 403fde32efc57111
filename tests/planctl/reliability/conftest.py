"""Fixtures of the functional tests, for tests of what goes wrong."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.planctl.functional.conftest import at, capture, project, proven

__all__ = ["at", "capture", "project", "proven"]
_ROOM = 8 << 30


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Make a test that would fill the machine's memory fail instead."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
