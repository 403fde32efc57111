"""`planctl mcp` through the official client, over a real process."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from mcp import Client, MCPError

from planctl.mcp.tools import TOOLS
from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.mcp_clients import (
    connected,
    error_of,
    talk,
    text_of,
)

HOSTILE = "plans/active/X-001/reports/2025-11-13T000000Z/small/cli/\udce9\x1b[2J.log"


def test_every_tool_says_what_it_takes_and_whether_it_writes(project: Project) -> None:
    async def say(client: Client) -> Any:
        return client.server_info, (await client.list_tools()).tools

    info, tools = talk(project.root, say)
    assert info.name == "planctl"
    assert {tool.name for tool in tools} == set(TOOLS)
    for tool in tools:
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert all(entry.get("description") for entry in tool.input_schema["properties"].values())
    reading = {tool.name for tool in tools if tool.annotations.read_only_hint}
    assert {"status", "next", "verify", "why", "claims"} <= reading
    assert not reading & {"run_phase", "ledger_attempt", "block"}
    run = next(tool for tool in tools if tool.name == "run_phase")
    assert run.input_schema["required"] == ["initiative", "phase"]
    assert run.input_schema["properties"]["executor"]["enum"] == ["local", "slurm"]


def _timeless(printed: str) -> str:
    """Return JSON without the moment of the verdict."""
    return re.sub(r'"now": "[^"]*"', "", printed)


READ = {
    "status": ({}, ["status"]),
    "verify": ({"initiative": ID}, ["verify", ID]),
    "why": ({"target": "A1"}, ["why", "A1"]),
    "next": ({}, ["next-green"]),
    "ledger_next": ({}, ["ledger", "next"]),
    "claims": ({}, ["claims"]),
    "blocked": ({"initiative": ID}, ["blocked", ID]),
    "dwell": ({}, ["dwell"]),
    "retro": ({"last": 3}, ["retro", "--last", "3"]),
    "turn_show": ({}, ["turn", "show"]),
}


def test_tools_answer_what_the_commands_print(proven: Project) -> None:
    proven.repo.write("src/two.txt", "changed\n")

    async def say(client: Client) -> Any:
        return {name: await client.call_tool(name, given) for name, (given, _) in READ.items()}

    answers = talk(proven.root, say)
    for name, (_, words) in READ.items():
        code, printed, _ = proven.call(*words, "--json")
        answer = answers[name]
        assert not answer.is_error
        assert _timeless(text_of(answer)) == _timeless(printed), name
        structured = answer.structured_content
        whole = structured["result"] if set(structured) == {"result"} else structured
        assert whole == json.loads(text_of(answer)), name
        assert answer.meta["planctl/exitCode"] == code
    assert [answers[name].meta["planctl/exitCode"] for name in ("verify", "next")] == [1, 1]


def test_a_verdict_is_never_of_a_moment_ago(project: Project) -> None:
    commits: list[str] = []

    async def say(client: Client) -> Any:
        ran = await client.call_tool("run_phase", {"initiative": ID, "phase": "A"})
        assert ran.structured_content["ok"]
        commits.append(project.repo.commit("evidence"))
        fresh = await client.call_tool("verify", {"initiative": ID})
        project.repo.write("src/solo.txt", "changed\n")
        moved = await client.call_tool("verify", {"initiative": ID})
        project.repo.write("src/solo.txt", "solo\n")
        back = await client.call_tool("verify", {"initiative": ID})
        again = await client.call_tool("run_phase", {"initiative": ID, "phase": "A"})
        (receipt,) = project.receipts("solo")
        whole = receipt.read_bytes()
        receipt.write_bytes(whole.replace(b"payload", b"Payload", 1))
        edited = await client.call_tool("verify", {"initiative": ID})
        receipt.write_bytes(whole)
        restored = await client.call_tool("verify", {"initiative": ID})
        return (fresh, moved, back, edited, restored), again

    answers, again = talk(project.root, say)
    fresh = answers[0]
    verdicts = [
        [step["verdict"] for step in answer.structured_content["steps"]] for answer in answers
    ]
    assert fresh.structured_content["head"] == commits[0]
    every = ["fresh"] * 3
    assert verdicts[:3] == [every, ["fresh", "fresh", "stale"], every]
    assert verdicts[3][:2] == ["fresh", "fresh"]
    assert verdicts[3][2] != "fresh"
    assert verdicts[4] == every
    assert {step["action"] for step in again.structured_content["steps"]} == {"skipped"}
    assert all(step["receipt"] for step in again.structured_content["steps"])


def test_what_writes_writes_what_the_command_writes(proven: Project) -> None:
    async def say(client: Client) -> Any:
        tried = {"initiative": ID, "text": "a try\nof two lines"}
        attempt = await client.call_tool("ledger_attempt", tried)
        stuck = {"initiative": ID, "reason": "no disk", "step": "solo", "until": "true"}
        block = await client.call_tool("block", stuck)
        there = await client.call_tool("blocked", {})
        proven.repo.write("src/solo.txt", "changed\n")
        rows = await client.call_tool("sync", {})
        gone = await client.call_tool("unblock", {"initiative": ID})
        return attempt, block, there, rows, gone

    attempt, block, there, rows, gone = talk(proven.root, say)
    assert "a try of two lines" in attempt.structured_content["attempts"][-1]["text"]
    blocker = proven.root / block.structured_content["path"]
    assert "no disk" in blocker.read_text()
    assert block.structured_content["return_condition"] == "true"
    ledger = json.loads(proven.call("ledger", "show", "--json")[1])["items"][0]
    assert there.structured_content["result"][0]["blocked"]
    assert [item["row"] for item in rows.structured_content["changes"]] == ["A3"]
    assert gone.structured_content["ok"]
    assert ledger["status"] == "in_progress"
    assert "a try of two lines" in " ".join(item["text"] for item in ledger["attempts"])


def test_a_failed_run_is_an_answer_and_names_the_blocker(project: Project) -> None:
    project.edit("echo solo", "echo solo && false")

    async def say(client: Client) -> Any:
        return await client.call_tool("run_phase", {"initiative": ID, "phase": "A"})

    answer = talk(project.root, say)
    assert not answer.is_error
    assert answer.meta["planctl/exitCode"] == 1
    failed = next(s for s in answer.structured_content["steps"] if s["step"] == "solo")
    assert failed["exit_code"] == 1
    assert (project.root / failed["blocked"]).is_file()


REFUSED = {
    "no such initiative": ("verify", {"initiative": "NO-001"}, "not-found"),
    "no such phase": ("run_phase", {"initiative": ID, "phase": "Z"}, "not-found"),
    "no such target": ("why", {"target": "nothing"}, "not-found"),
    "unknown argument": ("status", {"everything": True}, "usage"),
    "absent argument": ("run_phase", {"initiative": ID}, "usage"),
    "wrong type": ("run_phase", {"initiative": ID, "phase": "A", "jobs": "2"}, "usage"),
    "out of range": ("run_phase", {"initiative": ID, "phase": "A", "jobs": 0}, "usage"),
    "no such choice": ("run_phase", {"initiative": ID, "phase": "A", "executor": "ssh"}, "usage"),
    "huge name": ("verify", {"initiative": "X" * 1_000_000}, "usage"),
    "huge text": ("ledger_attempt", {"initiative": ID, "text": "x" * 1_000_000}, "usage"),
    "control": ("verify", {"initiative": "X-001\x1b[2J"}, "usage"),
    "null byte": ("block", {"initiative": ID, "reason": "a\x00b"}, "usage"),
    "line end in a name": ("why", {"target": "A1\nA2"}, "usage"),
    "path escape": ("verify", {"initiative": "../../../etc"}, "not-found"),
    "path escape in prose": ("claims", {"targets": ["/etc/hostname"]}, "usage"),
    "way up in prose": ("claims", {"targets": ["docs/../../repo/../../x"]}, "usage"),
    "option": ("claims", {"targets": ["--output=/tmp/x"]}, "usage"),
    "option as initiative": ("ledger_attempt", {"initiative": "--help", "text": "x"}, "not-found"),
}


def test_errors_are_tool_errors_with_slug_and_way_out(project: Project) -> None:
    before = project.repo.git("status", "--porcelain")

    async def say(client: Client) -> Any:
        found = {}
        for name, (tool, given, _) in REFUSED.items():
            found[name] = await client.call_tool(tool, given)
        with pytest.raises(MCPError, match="no tool `rm`; there are status"):
            await client.call_tool("rm", {})
        return found

    answers = talk(project.root, say)
    for name, (_, _, slug) in REFUSED.items():
        error = error_of(answers[name])
        assert error["slug"] == slug, (name, error)
        assert len(error["message"]) < 5000, name
        assert error["message"].isprintable(), name
        assert answers[name].meta["planctl/exitCode"] in (2, 4)
    assert "arguments of `status`: none" in error_of(answers["unknown argument"])["hint"]
    assert "`jobs`" in error_of(answers["wrong type"])["message"]
    assert "there is `X-001`" in error_of(answers["no such initiative"])["hint"]
    assert project.repo.git("status", "--porcelain") == before


def test_a_file_name_that_is_no_text_does_not_end_the_connection(proven: Project) -> None:
    place = (proven.root.as_posix() + "/" + HOSTILE).encode("utf-8", "surrogateescape")
    with open(place, "wb") as stream:
        stream.write(b"?")

    async def say(client: Client) -> Any:
        return await client.call_tool("verify", {"initiative": ID})

    answer = talk(proven.root, say)
    named = [item["path"] for item in answer.structured_content["unproven"]]
    assert any(path.endswith("\\udce9\x1b[2J.log") for path in named)
    assert "\x1b" not in text_of(answer)


def test_resources_are_the_documents_as_they_are_now(proven: Project) -> None:
    proven.repo.write("input.md", "# Order\n")
    receipt = proven.receipts("solo")[0]

    async def say(client: Client) -> Any:
        listed = [str(item.uri) for item in (await client.list_resources()).resources]
        named = (await client.list_resource_templates()).resource_templates
        held = {}
        for uri in [*listed, f"planctl://receipt/{receipt.name[:26]}"]:
            (content,) = (await client.read_resource(uri)).contents
            held[uri] = content
        return listed, [item.uri_template for item in named], held

    listed, templates, held = talk(proven.root, say, mode="legacy")
    assert listed == [
        "planctl://status",
        "planctl://ledger",
        "planctl://brief",
        "planctl://plan/X-001",
        "planctl://summary/X-001",
    ]
    assert "planctl://receipt/{ulid}" in templates
    assert held["planctl://brief"].text == "# Order\n"
    assert held["planctl://plan/X-001"].text == proven.plan_path.read_text()
    assert held[f"planctl://receipt/{receipt.name[:26]}"].text == receipt.read_text()
    assert json.loads(held["planctl://status"].text)[0]["proven"] == 3
    assert {item.mime_type for item in held.values()} == {
        "application/json",
        "application/yaml",
        "text/markdown",
    }


NO_RESOURCE = (
    "planctl://plan/NO-001",
    "planctl://plan/..%2F..%2F..%2Foutside",
    "planctl://plan/../../../README.md",
    "planctl://plan/",
    "planctl://receipt/*",
    "planctl://receipt/../../x",
    "planctl://status/more",
    "planctl://summary/%00",
    "planctl://brief",
    "file:///etc/passwd",
)


def test_an_address_of_nothing_is_an_error(proven: Project) -> None:
    outside = proven.root.parent / "outside/plan.yaml"
    outside.parent.mkdir()
    outside.write_text("secret")
    (proven.root / "plans/active/X-001/summary.md").unlink()
    (proven.root / "plans/active/X-001/summary.md").symlink_to(outside)

    async def say(client: Client) -> Any:
        for uri in (*NO_RESOURCE, "planctl://summary/X-001"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert caught.value.data["slug"] in ("not-found", "bad-file"), uri
        with pytest.raises(MCPError, match="cursor"):
            await client.list_resources(cursor="x")

    talk(proven.root, say)


def test_two_clients_at_once_lose_nothing(proven: Project) -> None:
    async def attempts(client: Client, name: str) -> None:
        for number in range(4):
            given = {"initiative": ID, "text": f"{name}{number}"}
            assert not (await client.call_tool("ledger_attempt", given)).is_error
            assert not (await client.call_tool("verify", {"initiative": ID})).is_error

    async def both() -> Any:
        async with connected(proven.root) as one, connected(proven.root, mode="legacy") as two:
            phase = {"initiative": ID, "phase": "A", "force": True, "step": "solo"}
            runs = await asyncio.gather(
                attempts(one, "a"),
                attempts(one, "b"),
                attempts(two, "c"),
                one.call_tool("run_phase", phase),
                two.call_tool("run_phase", phase),
            )
            return runs[3:]

    runs = asyncio.run(asyncio.wait_for(both(), 60))
    ledger = json.loads(proven.call("ledger", "show", "--json")[1])["items"][0]
    told = [item["text"] for item in ledger["attempts"]]
    for name in "abc":
        assert [text for text in told if f"note: {name}" in text] == [
            f"note: {name}{number}" for number in range(4)
        ]
    for run in runs:
        # Both ran one after the other, or one was told that the other was at work.
        assert not run.is_error or error_of(run)["slug"] == "locked"
    done = [run for run in runs if not run.is_error]
    assert done
    assert len(proven.receipts("solo")) == 1 + len(done)
