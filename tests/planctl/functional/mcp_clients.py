"""Clients of the official SDK around a server of its own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

T = TypeVar("T")
MAIN = ["-c", "from planctl.cli.app import main; main()", "mcp"]
Mode = Literal["legacy", "auto"]


def parameters(root: Path, *words: str) -> StdioServerParameters:
    """Return how a client starts the server; the environment is the test's."""
    return StdioServerParameters(
        command=sys.executable, args=[*MAIN, *words], env=dict(os.environ), cwd=root
    )


@contextlib.asynccontextmanager
async def connected(root: Path, *words: str, mode: Mode = "auto") -> AsyncIterator[Client]:
    """Connect a client to a new server; what the server says aside goes nowhere."""
    with Path(os.devnull).open("w") as nowhere:
        transport = stdio_client(parameters(root, *words), errlog=nowhere)
        async with Client(transport, mode=mode) as client:
            yield client


def talk(root: Path, say: Callable[[Client], Awaitable[T]], mode: Mode = "auto") -> T:
    """Connect, say something, and hang up."""

    async def session() -> T:
        async with connected(root, mode=mode) as client:
            return await say(client)

    return asyncio.run(asyncio.wait_for(session(), 60))


def text_of(result: CallToolResult) -> str:
    """Return the one text of an answer."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def error_of(result: CallToolResult) -> dict[str, Any]:
    """Return what a tool error says; its text and its structure must agree."""
    assert result.is_error
    assert json.loads(text_of(result)) == result.structured_content
    error: dict[str, Any] = result.structured_content["error"]
    assert set(error) == {"slug", "message", "hint"}
    return error
