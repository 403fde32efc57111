"""The server: the SDK on one side, operations in threads on the other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from planctl._process import Stop
from planctl._text import json_text, printable
from planctl._version import __version__
from planctl.mcp import resources
from planctl.mcp.progress import Progress
from planctl.mcp.tool import Call, Tool
from planctl.mcp.tools import TOOLS, Outcome, carry_out, guarded
from planctl.workspace import Workspace

Context = ServerRequestContext[Any, Any]
_T = TypeVar("_T")
_TICK_S, _PULSE_S = 0.2, 2.0
_THREADS = 8
_PAGE = 200
_MAX_KNOWN = 20_000
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
INSTRUCTIONS = """\
planctl keeps plans and evidence of this repository. What is proven is computed from receipts and \
git: call `status` or `verify` before you believe a sentence, a date or a file name, and never ask \
for evidence that is fresh. Run commands of a plan with `run_phase`, and report what happened with \
`turn_close`: paths, tests and numbers that nothing supports are refused. `why` says what decided \
and what restores it. An error has a slug, a message and, as a hint, the way out."""


class PlanctlServer:
    """One connection: the repository, and what is under way in it.

    Args:
        root: A folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._writing = anyio.Lock()
        self._under_way: dict[Stop, anyio.Event] = {}
        # By digest of what was read: nothing in it can be of a moment ago.
        self._known: dict[tuple[str, bytes], object] = {}
        self.server: Server[Any] = Server(
            "planctl",
            version=__version__,
            title="planctl: plans and evidence",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
        )

    def stop(self) -> None:
        """Ask every run under way to end; asked twice, they are killed."""
        for item in self._under_way:
            item.request()

    async def _list_tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_as_tool(tool) for tool in TOOLS.values()])

    async def _call_tool(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            known = ", ".join(TOOLS)
            named = printable(params.name[:80])
            raise MCPError(types.INVALID_PARAMS, f"no tool `{named}`; there are {known}")
        if tool.reads or not tool.alone:
            return _as_result(await self._carried_out(ctx, tool, params.arguments or {}))
        async with self._writing:
            return _as_result(await self._carried_out(ctx, tool, params.arguments or {}))

    async def _carried_out(self, ctx: Context, tool: type[Tool], given: dict[str, Any]) -> Outcome:
        began = time.monotonic()
        progress = Progress(lambda: time.monotonic() - began)
        stop = Stop()

        def work() -> Outcome:
            return carry_out(tool, given, Call(self._workspace(), progress, stop))

        if not tool.reads:
            await self._settled()
        self._under_way[stop] = done = anyio.Event()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_follow, ctx, progress, stop)
                outcome = await self._in_thread(partial(guarded, work), tool.reads)
                group.cancel_scope.cancel()
        finally:
            done.set()
            del self._under_way[stop]
        for said in progress.events():
            await ctx.session.report_progress(progress.elapsed_s(), message=said)
        return outcome

    def _workspace(self) -> Workspace:
        """Open the repository as it is now."""
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        workspace = Workspace.open(self._root)
        workspace.known = self._known
        return workspace

    async def _settled(self) -> None:
        """Wait until what was cancelled has ended: it may still hold the lock of its hub."""
        for stop, done in list(self._under_way.items()):
            if stop.requested:
                await done.wait()

    async def _in_thread(self, work: Callable[[], _T], abandon: bool) -> _T:
        """Do blocking work beside the loop; what writes is waited for, whatever happens."""
        return await anyio.to_thread.run_sync(
            work, abandon_on_cancel=abandon, limiter=self._threads
        )

    async def _list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        found = await self._looked_up(resources.documents)
        begin = _page(params)
        end = begin + _PAGE
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=item.uri,
                    name=item.name,
                    description=item.description,
                    mime_type=item.mime_type,
                )
                for item in found[begin:end]
            ],
            next_cursor=str(end) if end < len(found) else None,
        )

    async def _looked_up(self, look: Callable[[Workspace], _T], uri: str | None = None) -> _T:
        """Look something up in the repository; what goes wrong is an error of the protocol."""

        def work() -> Outcome:
            return Outcome(look(self._workspace()), 0)

        outcome = await self._in_thread(partial(guarded, work), abandon=True)
        if outcome.failed:
            said = outcome.value["error"]
            data = said if uri is None else {"uri": uri} | said
            raise MCPError(types.INVALID_PARAMS, said["message"], data)
        found: _T = outcome.value
        return found

    async def _list_templates(self, ctx: Context, params: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=item.uri,
                    name=item.name,
                    description=item.description,
                    mime_type=item.mime_type,
                )
                for item in resources.TEMPLATES
            ]
        )

    async def _read_resource(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        content = await self._looked_up(lambda workspace: resources.read(workspace, uri), uri)
        held = types.TextResourceContents(
            uri=params.uri, text=_encodable(content.text), mime_type=content.mime_type
        )
        return types.ReadResourceResult(contents=[held])


async def _follow(ctx: Context, progress: Progress, stop: Stop) -> None:
    """Tell the client of a run while it goes on; when it is cancelled, ask the run to end."""
    told_at = 0.0
    try:
        while True:
            await anyio.sleep(_TICK_S)
            said = progress.events()
            if not said and progress.elapsed_s() - told_at >= _PULSE_S:
                said = [line for line in (progress.running(),) if line is not None]
            for line in said:
                told_at = progress.elapsed_s()
                await ctx.session.report_progress(told_at, message=line)
    finally:
        stop.request()


def _page(params: types.PaginatedRequestParams | None) -> int:
    cursor = None if params is None else params.cursor
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 9):
        raise MCPError(types.INVALID_PARAMS, "that cursor is none of this server's")
    return int(cursor)


def _as_tool(tool: type[Tool]) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.described(),
        input_schema=tool.input_schema(),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.reads or tool.idempotent,
            open_world_hint=False,
        ),
    )


def _as_result(outcome: Outcome) -> types.CallToolResult:
    text = json_text(outcome.value)
    value = _encodable(outcome.value)
    return types.CallToolResult(
        content=[types.TextContent(text=text)],
        structured_content=value if isinstance(value, dict) else {"result": value},
        is_error=outcome.failed,
        _meta={"planctl/exitCode": outcome.exit_code},
    )


def _encodable(value: Any) -> Any:
    """Return plain values whose text can be sent: bytes of names that are no UTF-8 spelled out."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(_encodable(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def serve(root: Path) -> None:
    """Serve one client over stdin and stdout until it goes away.

    The SDK keeps the protocol's stream to itself: what anything else prints goes to stderr.

    Args:
        root: A folder of the repository.
    """
    # Who speaks this protocol is no person, unless the one who started it says so.
    os.environ.setdefault("PLANCTL_ROLE", "agent")
    anyio.run(_serve, root)


async def _serve(root: Path) -> None:
    mine = PlanctlServer(root)
    ended_by: list[int] = []
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(_watch, mine, scope, ended_by)
            await mine.server.run(read, write, mine.server.create_initialization_options())
        if ended_by:
            # A thread waits for the client's next line, and nothing can wake it: what had to be
            # ended has ended, so the signal is let through as if it had never been held.
            signal.signal(ended_by[0], signal.SIG_DFL)
            os.kill(os.getpid(), ended_by[0])
        group.cancel_scope.cancel()


async def _watch(mine: PlanctlServer, scope: anyio.CancelScope, ended_by: list[int]) -> None:
    heard = [item for item in _SIGNALS if signal.getsignal(item) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*heard) as arriving:
        async for number in arriving:
            ended_by.append(number)
            mine.stop()
            scope.cancel()
