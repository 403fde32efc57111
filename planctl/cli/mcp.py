"""`planctl mcp`: the same operations for agents, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mcp(
    repository: Annotated[
        Path | None,
        typer.Option("--repository", help="Serve the repository around this folder."),
    ] = None,
) -> None:
    """Serve this repository to an MCP client over stdin and stdout, until the client goes away."""
    import importlib.util
    import os

    from planctl.errors import PreconditionError
    from planctl.workspace import Workspace

    if importlib.util.find_spec("mcp") is None:
        raise PreconditionError(
            "the MCP SDK is not installed",
            "`pip install '.[mcp]'` in a clone of planctl's repository installs it",
        )
    workspace = Workspace.open(repository)
    # Relative paths of a client's calls are relative to the repository, wherever it started us.
    os.chdir(workspace.root)

    from planctl.mcp.server import serve

    serve(workspace.root)
