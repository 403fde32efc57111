"""A whole turn through `planctl mcp`: order, opening, run, closing."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from mcp import Client

from tests.planctl.functional.conftest import ID, Project
from tests.planctl.functional.mcp_clients import error_of, talk, text_of

TRUE = "Step solo ran and passed. Its log is `green/solo.log`. Nothing else was touched."
FALSE = "Step solo ran and passed. Its log is `green/absent.log`. Then 42 passed in 0.10s."


def test_a_turn_goes_from_order_to_commit(project: Project) -> None:
    project.call("init")
    before = project.repo.commit("init")

    async def say(client: Client) -> dict[str, Any]:
        found = {}
        for name, tool, given in (
            ("none", "turn_show", {}),
            ("open", "turn_open", {"initiative": ID, "role": "engineer"}),
            ("twice", "turn_open", {"initiative": ID, "role": "engineer"}),
            ("shown", "turn_show", {}),
            ("brief", "brief", {"initiative": ID}),
            ("checked", "brief", {"check": True}),
            ("ran", "run_phase", {"initiative": ID, "phase": "A"}),
            ("again", "brief", {"initiative": ID}),
            ("refused", "turn_close", {"text": FALSE, "next": "look at it"}),
            ("tried", "turn_close", {"text": TRUE, "next": "look at it", "dry_run": True}),
            ("closed", "turn_close", {"text": TRUE, "next": "look at it"}),
            ("none left", "turn_close", {"text": TRUE, "next": "look at it"}),
        ):
            found[name] = await client.call_tool(tool, given)
        return found

    said = talk(project.root, say)
    assert said["none"].structured_content == {"open": False}
    turn = said["open"].structured_content
    assert (turn["role"], turn["focus"]) == ("engineer", ID)
    assert error_of(said["twice"])["slug"] == "turn"
    assert said["shown"].structured_content["id"] == turn["id"]
    assert said["brief"].structured_content["focus"] == ID
    assert said["checked"].structured_content["by_planctl"]
    assert said["ran"].structured_content["ok"]
    assert error_of(said["again"])["slug"] == "already-proven"
    receipt = project.receipts("solo")[0].name.removesuffix(".json")
    assert receipt in error_of(said["again"])["message"]

    refused = said["refused"]
    assert refused.is_error
    assert json.loads(text_of(refused)) == refused.structured_content
    assert refused.meta["planctl/exitCode"] == 1
    problems = {item["claim"] for item in refused.structured_content["problems"]}
    assert any("42 passed" in claim for claim in problems), problems
    assert refused.structured_content["error"]["hint"]

    assert not said["tried"].is_error
    assert project.repo.git("rev-parse", "HEAD~1") == before
    closed = said["closed"].structured_content
    assert closed["commit"] == project.repo.git("rev-parse", "HEAD")
    message = project.repo.git("log", "-1", "--format=%B")
    assert "Role: engineer" in message
    assert (project.root / closed["path"]).is_file()
    assert error_of(said["none left"])["slug"] == "turn"
    assert set(project.verdicts().values()) == {"fresh"}


def test_who_speaks_the_protocol_is_no_person_unless_the_one_who_started_it_says_so(
    project: Project,
) -> None:
    async def say(client: Client) -> Any:
        return await client.call_tool("run_phase", {"initiative": ID, "phase": "A", "step": "solo"})

    assert talk(project.root, say).structured_content["ok"]
    statement = project.receipts("solo")[0].read_text()
    payload = json.loads(b64decode(json.loads(statement)["payload"]))
    assert '"agent"' in json.dumps(payload["predicate"]["runDetails"])
