"""The documentation against the code: commands, flags, links, schema."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from planctl.cli.app import tree
from planctl.models.slurm_settings import SlurmSettings
from planctl.models.verdict import Verdict
from planctl.ops.judge import ORDER as PREDICATES
from planctl.ops.record import DROPPED, SHOWN
from planctl.ops.schemas import SCHEMAS
from ptycho_torch.cli.app import app as torch_app
from ptycho_torch.config import InferencePayload, TrainingPayload

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PLAN = ROOT / "plans/active/FIX-PYTORCH-FORWARD-PARITY-001/plan.yaml"
COMMANDS = {
    "init": ("init",),
    "new": ("new",),
    "hub": ("hub new",),
    "run-phase": ("run-phase",),
    "run": ("run",),
    "verify": ("verify",),
    "why": ("why",),
    "status": ("status",),
    "at": ("at",),
    "bisect": ("bisect",),
    "next-green": ("next-green",),
    "replay": ("replay",),
    "lint": ("lint",),
    "summary": ("summary",),
    "ledger": (
        *("ledger show", "ledger next", "ledger set", "ledger attempt"),
        *("ledger archive", "ledger check", "ledger merge"),
    ),
    "sync": ("sync",),
    "audit": ("audit",),
    "claims": ("claims",),
    "brief": ("brief",),
    "block": ("block",),
    "blocked": ("blocked",),
    "unblock": ("unblock",),
    "dwell": ("dwell",),
    "wait": ("wait",),
    "retro": ("retro",),
    "schema": ("schema",),
    "keys": ("keys new", "keys list", "keys trust", "keys revoke"),
    "sign": ("sign",),
    "export": ("export",),
    "adopt": ("adopt",),
    "loop": ("loop",),
    "turn": ("turn open", "turn show", "turn close", "turn abandon", "turn check"),
    "mcp": ("mcp",),
    "hooks": ("hooks install", "hooks status", "hooks remove"),
}
GENERAL = {"--help", "--version"}


def pages() -> list[Path]:
    """Return the Markdown pages that git tracks or would track, evidence left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if not name.startswith("plans/")]


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, spelled as on GitHub."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(page: Path) -> Iterator[str]:
    """Yield the relative links of a page that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = page if not path else page.parent / path
        if not place.exists():
            yield target
        elif anchor and anchor not in anchors(place):
            yield f"{target} (no such heading)"


def options(command: Any) -> dict[str, Any]:
    """Return a click command's options: each `--flag`, `-` between words, with its parameter."""
    found = {}
    for parameter in command.params:
        for word in (*parameter.opts, *parameter.secondary_opts):
            if word.startswith("--"):
                found[word.replace("_", "-")] = parameter
    return found


def commands_of(app: typer.Typer) -> dict[str, Any]:
    """Return every command of an application, groups as `group command`."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None:
            found[name] = command
        else:
            found |= {f"{name} {sub}": item for sub, item in inner.items()}
    return found


def flags_in(text: str) -> set[str]:
    """Return the flags a text names, `-` between words."""
    named = re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", text)
    return {flag.replace("_", "-") for flag in named} - GENERAL


PLANCTL = commands_of(tree())
TORCH = commands_of(torch_app)


def test_the_testing_guide_has_the_commands_of_the_plan_word_for_word() -> None:
    guide = (DOCS / "TESTING_GUIDE.md").read_text("utf-8")
    written = re.findall(r"^#### `([\w-]+)`\n.*?^```sh\n(.*?)^```$", guide, re.M | re.S)
    plan = yaml.safe_load(PLAN.read_text("utf-8"))
    steps = [step for phase in plan["phases"].values() for step in phase["steps"]]
    assert [(step["id"], step["run"].strip()) for step in steps] == [
        (name, command.strip()) for name, command in written
    ]


def test_relative_links_lead_somewhere() -> None:
    broken = {
        str(page.relative_to(ROOT)): links for page in pages() if (links := [*broken_links(page)])
    }
    assert not broken


def test_every_page_can_be_reached_from_the_index() -> None:
    seen, open_pages = set[Path](), [DOCS / "index.md"]
    while open_pages:
        page = open_pages.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", prose(page.read_text("utf-8")))
        inside = (link for link in links if not re.match(r"[a-z]+:", link))
        open_pages += [(page.parent / link).resolve() for link in inside]
    lost = {str(page.relative_to(ROOT)) for page in pages()} - {
        str(page.relative_to(ROOT)) for page in seen
    }
    assert not lost


def test_every_planctl_command_has_a_page() -> None:
    assert {command for names in COMMANDS.values() for command in names} == set(PLANCTL)
    missing = [name for name in COMMANDS if not (REFERENCE / f"planctl/{name}.md").is_file()]
    assert not missing


@pytest.mark.parametrize("page", COMMANDS)
def test_a_command_page_names_exactly_the_commands_options(page: str) -> None:
    text = (REFERENCE / f"planctl/{page}.md").read_text("utf-8")
    known = {flag for name in COMMANDS[page] for flag in options(PLANCTL[name])}
    table = text.split("## Options")[1].split("\n## ")[0] if "## Options" in text else ""
    assert {flag for flag in flags_in(table) if f"| `{flag}`" in table} >= known
    synopsis = text.split("```text")[1].split("```")[0]
    assert flags_in(synopsis) | flags_in(table) <= known
    for section in ("## Exit codes", "## Example"):
        assert section in text


def torch_sections() -> dict[str, str]:
    """Return what the ptycho-torch page says of each command."""
    text = (REFERENCE / "ptycho-torch.md").read_text("utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


@pytest.mark.parametrize("name", TORCH)
def test_the_torch_page_names_exactly_the_commands_flags(name: str) -> None:
    known = options(TORCH[name])
    rows = [line for line in torch_sections()[name].splitlines() if line.startswith("| `--")]
    named = {flag for row in rows for flag in flags_in(row.split("|")[1])}
    negative = {flag for flag in known if flag.startswith("--no-")}
    assert named | negative == set(known)
    assert flags_in(torch_sections()[name]) <= {f for c in TORCH.values() for f in options(c)}


@pytest.mark.parametrize("name", TORCH)
def test_stated_defaults_are_those_of_the_help(name: str) -> None:
    known = options(TORCH[name])
    for row in torch_sections()[name].splitlines():
        stated = re.search(r"\(default `?([\w.]+)", row)
        if not row.startswith("| `--") or stated is None or stated[1] == "on":
            continue
        first = next(iter(flags_in(row.split("|")[1].split(",")[0])))
        shown = re.search(r"\[default: ([^\]]+)\]", known[first].help or "")
        assert shown is not None, row
        assert stated[1] == shown[1], row


def test_every_setting_is_on_the_torch_page() -> None:
    text = torch_sections()["Settings"]
    for payload in (TrainingPayload, InferencePayload):
        for field, info in payload.model_fields.items():
            assert f"`{field}`" in text
            for name in getattr(info.annotation, "model_fields", {}):
                assert f"`{name}`" in text


def test_the_plan_page_has_every_key_of_the_schema() -> None:
    text = (REFERENCE / "plan-yaml.md").read_text("utf-8")
    schema = SCHEMAS["plan"]()
    keys = {key for model in (schema, *schema["$defs"].values()) for key in model["properties"]}
    assert not {key for key in keys if not re.search(rf"`[^`]*\b{key}\b[^`]*`", text)}


def test_the_slurm_page_has_every_setting() -> None:
    text = (DOCS / "guides/slurm.md").read_text("utf-8")
    rows = "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) >= set(SlurmSettings.model_fields)


def test_the_schema_file_is_what_the_command_prints() -> None:
    written = json.loads((ROOT / "plans/plan.schema.json").read_text("utf-8"))
    assert written == SCHEMAS["plan"]()


def test_the_verdict_page_has_every_verdict_and_predicate_in_order() -> None:
    text = (REFERENCE / "verdicts.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert set(rows[: len(Verdict)]) == {str(verdict) for verdict in Verdict}
    assert tuple(rows[len(Verdict) :]) == PREDICATES


def test_findings_are_rows_that_blockers_can_quote() -> None:
    text = (DOCS / "findings.md").read_text("utf-8")
    rows = set(re.findall(r"^\| ([A-Z]+-\d+) \|", text, re.MULTILINE))
    assert set(yaml.safe_load(PLAN.read_text("utf-8"))["findings"]) <= rows


def test_the_page_for_agents_stays_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text("utf-8").splitlines()) <= 40


def test_pictures_stay_small() -> None:
    assert max(path.stat().st_size for path in DOCS.rglob("*.png")) <= 300_000


def test_what_is_taken_out_of_the_environment_is_documented() -> None:
    out = (REFERENCE / "planctl/run-phase.md").read_text("utf-8")
    shown = (REFERENCE / "logs.md").read_text("utf-8")
    assert not [name for name in DROPPED if f"`{name}`" not in out]
    assert not [name for name in SHOWN if f"`{name}`" not in shown]
