"""`planctl brief`: written for what is open, checked against what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planctl.models.brief.block import parted
from tests.planctl.functional.conftest import ID, Project

HUB = "plans/active/X-001/reports/2025-11-13T000000Z/small"
GOOD = f"""\
Summary: The second step is open.
Focus: {ID}
Branch: main
Mapped tests: none (nothing is tested here)
Artifacts: {HUB}/

Do Now:
1. Implement: `src/two.txt` — another second line.
2. Run: `planctl run-phase {ID} A --step two`

If Blocked: planctl block {ID} --reason "why"
Findings Applied: POLICY-001
Pointers:
- `src/two.txt:1` is read by the step
"""


def checked(project: Project, text: str | None = None, *words: str) -> dict[str, Any]:
    if text is not None:
        (project.root / "input.md").write_text(text)
    code, out, err = project.call("brief", "--check", "--json", *words)
    result: dict[str, Any] = json.loads(out)
    assert code == (0 if result.get("ok") else 1), err
    return result


def kinds(result: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in result["problems"]]


def written(project: Project, *words: str) -> str:
    code, _, err = project.call("brief", ID, *words)
    assert code == 0, err
    return (project.root / "input.md").read_text()


@pytest.fixture
def findings(project: Project) -> Project:
    project.repo.write(
        "docs/findings.md", "| Finding | Rule |\n|---|---|\n| POLICY-001 | Torch only. |\n"
    )
    return project


def test_a_brief_orders_what_is_open_and_passes_its_own_check(project: Project) -> None:
    text = written(project)
    for part in (
        f"Focus: {ID} — A small project (phase A: Everything)",
        "Branch: main",
        f"Artifacts: {HUB}/",
        f"Run: `planctl run-phase {ID} A` (`one`, `two`, `solo`)",
        "mkdir -p $OUT && cat src/one.txt > $OUT/one.txt && echo one is done",
        "plans/active/X-001/implementation.md:3",
        'must hold: `{"file": "analysis/one.txt", "min_bytes": 2}`',
        f"`planctl block {ID} --step one --reason",
        "Close: `planctl turn close --message '…' --next '…'`",
    ):
        assert part in text
    found = checked(project)
    assert (found["ok"], found["by_planctl"], found["edited"]) == (True, True, False)
    assert found["orders"] == ["one", "two", "solo"]


@pytest.mark.parametrize("name", ["tests", "focus", "artifacts", "summary", "branch"])
def test_a_step_named_like_a_section_is_no_section(project: Project, name: str) -> None:
    project.edit("id: solo", f"id: {name}")
    written(project)
    assert checked(project)["problems"] == []


def test_only_what_lost_its_proof_is_ordered(proven: Project) -> None:
    (proven.root / "src/two.txt").write_text("other\n")
    proven.repo.commit("change")
    text = written(proven)
    assert "`two` is stale (inputs: changed since the run: `src/two.txt`" in text
    assert "Fresh, and not to be run again: `one`, `solo`" in text
    assert "(median of 1 run)" in text
    assert checked(proven)["orders"] == ["two"]


def test_what_is_all_proven_is_refused_with_receipt_and_commit(proven: Project) -> None:
    code, out, err = proven.call("brief", ID, "--json")
    assert code == 1
    error = json.loads(out)["error"]
    assert error["slug"] == "already-proven"
    head = json.loads(proven.call("verify", ID, "--json")[1])["steps"]
    for step in head:
        assert Path(step["receipt"]).stem in error["message"]
        assert step["commit"][:8] in error["message"]
    assert "status done" in error["hint"]
    assert not (proven.root / "input.md").exists()
    assert proven.call("brief", ID, "--phase", "A")[0] == 1
    assert proven.call("brief", ID, "--phase", "Q")[0] == 4
    assert "has no phase" in proven.call("brief", ID, "--phase", "Q")[2] + err


def test_a_person_may_order_it_again_with_a_reason(
    proven: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written(proven, "--because", "new machine -- and --> more")
    assert f"planctl run-phase {ID} A --force" in text
    found = checked(proven)
    assert found["ok"], found["problems"]
    assert found["notes"] == ["proven evidence is wanted again: new machine -- and --> more"]
    edited = text.replace("Summary: ", "Summary: edited ")
    assert set(kinds(checked(proven, edited))) == {"already-proven"}
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    assert proven.call("brief", ID, "--because", "x")[0] == 4


def test_a_failed_step_names_what_must_change_and_where_it_failed(project: Project) -> None:
    project.repo.write("src/tool.py", "def halve(x):\n    return x / 0\n\n\nhalve(1)\n")
    project.edit("run: echo solo", "run: python src/tool.py")
    project.edit("[src/solo.txt]", "[src/solo.txt, src/tool.py]")
    project.repo.commit("a tool")
    project.call("run-phase", ID, "A")
    project.repo.commit("evidence")
    text = written(project)
    assert "Implement: `src/tool.py::halve`" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "`src/tool.py:2` — the log points there" in text
    found = checked(project)
    assert found["ok"], found["problems"]
    log = next(p for p in json.loads(_pointers(project)) if p.split(":")[0].endswith(".log"))
    path, line = log.rsplit(":", 1)
    assert "ZeroDivisionError" in (project.root / path).read_text().split("\n")[int(line) - 1]


def _pointers(project: Project) -> str:
    _, out, _ = project.call("brief", ID, "--json", "--out", "-")
    return json.dumps(json.loads(out)["pointers"])


def test_a_script_and_a_test_that_do_not_exist_are_to_be_written(project: Project) -> None:
    project.edit("run: echo solo", "kind: pytest\n        run: pytest tests/test_solo.py")
    project.edit("[src/solo.txt]", "[src/solo.txt, src/missing.py]")
    text = written(project)
    assert "Implement: `tests/test_solo.py (new)`" in text
    assert "Implement: `src/missing.py (new)`" in text
    assert checked(project)["ok"]


def test_the_short_form_has_six_sections(project: Project) -> None:
    text = written(project, "--short")
    names = ("Summary:", "Focus:", "## Do Now", "Artifacts:", "## If Blocked", "## Pointers")
    assert all(name in text for name in names)
    assert not any(name in text for name in ("How-To", "Pitfalls", "Next Up", "Mapped tests"))
    assert checked(project)["form"] == "short"
    assert checked(project)["ok"]


def test_a_blocked_focus_is_refused_with_the_way_out(project: Project) -> None:
    assert project.call("block", ID, "--reason", "no disk")[0] == 0
    code, _, err = project.call("brief", ID)
    assert code == 4
    assert "no disk" in err
    assert f"planctl unblock {ID}" in err


def test_without_a_name_it_is_the_ledgers_next(project: Project) -> None:
    project.call("init")
    code, out, err = project.call("brief", "--json", "--out", "-")
    assert code == 0, err
    assert json.loads(out)["focus"] == ID
    assert not (project.root / "input.md").exists()


def test_what_a_person_wrote_is_not_written_over(project: Project) -> None:
    (project.root / "input.md").write_text("Do Now: my own\n")
    code, _, err = project.call("brief", ID)
    assert code == 4
    assert "written by hand" in err
    assert (project.root / "input.md").read_text() == "Do Now: my own\n"
    project.repo.commit("input")
    written(project)
    assert project.call("brief", ID, "--short")[0] == 0
    edited = (project.root / "input.md").read_text().replace("Run:", "Please run:")
    (project.root / "input.md").write_text(edited)
    assert project.call("brief", ID)[0] == 4


def test_what_the_open_turn_wrote_may_be_replaced(project: Project) -> None:
    assert project.call("turn", "open", ID, "--role", "supervisor")[0] == 0
    (project.root / "input.md").write_text("Do Now: written in this turn\n")
    assert project.call("brief", ID)[0] == 0


def test_a_note_that_asks_again_is_refused(proven: Project) -> None:
    (proven.root / "src/two.txt").write_text("other\n")
    code, _, err = proven.call("brief", ID, "--note", "rerun A1 as well")
    assert code == 1
    assert "`one` (A1)" in err
    assert "mind the gap" in written(proven, "--note", "mind the gap")


@pytest.mark.parametrize(
    ("target", "code"),
    [("src/two.txt", 0), ("src/new.py (new)", 0), ("src/no.py", 4), ("src/t.py::nothing", 4)],
)
def test_named_targets_exist_or_are_new(project: Project, target: str, code: int) -> None:
    project.repo.write("src/t.py", "class T:\n    pass\n")
    assert project.call("brief", ID, "--implement", target)[0] == code


def test_a_good_brief_of_a_person_passes(findings: Project) -> None:
    found = checked(findings, GOOD)
    assert found["problems"] == []
    assert found["form"] == "free"


@pytest.mark.parametrize(
    ("old", "new", "kind", "line", "value"),
    [
        (f"Focus: {ID}", "Focus: Y-9", "focus", 2, "Y-9"),
        (f"Focus: {ID}", "Focus: the scale", "focus", 2, "the scale"),
        ("Branch: main", "Branch: other", "branch", 3, "other"),
        ("`src/two.txt` — ", "`src/gone.py` — ", "implement", 8, "src/gone.py"),
        ("`src/two.txt` — ", "`src/t.py::Nope` — ", "implement", 8, "src/t.py::Nope"),
        ("Implement: `src/two.txt` — another", "Fix the", "implement", 8, None),
        ("none (nothing is tested here)", "tests/no.py::test_a", "selector", 4, None),
        (f"Artifacts: {HUB}/", "Artifacts: out/", "artifacts", 5, "out/"),
        (f"Artifacts: {HUB}/", "Artifacts: later", "artifacts", 5, "later"),
        ("POLICY-001", "POLICY-007", "finding", 12, "POLICY-007"),
        ("src/two.txt:1", "src/two.txt:99", "pointer", 14, "src/two.txt:99"),
        ("src/two.txt:1", "src/three.txt:1", "path", 14, "src/three.txt:1"),
        ("The second", "On 2099-01-01 the second", "time", 1, "2099-01-01"),
        ("Do Now:", "Do it:", "do-now", 1, None),
    ],
)
def test_each_fault_is_named_with_line_and_value(
    findings: Project, old: str, new: str, kind: str, line: int, value: str | None
) -> None:
    findings.repo.write("src/t.py", "class T:\n    pass\n")
    assert old in GOOD
    found = checked(findings, GOOD.replace(old, new, 1))
    matching = [p for p in found["problems"] if p["kind"] == kind]
    assert matching, found["problems"]
    assert matching[0]["line"] == line
    assert value is None or value in matching[0]["value"]
    assert matching[0]["way_out"]


def test_all_faults_are_told_at_once(findings: Project) -> None:
    text = GOOD.replace("Branch: main", "Branch: b").replace("POLICY-001", "POLICY-9")
    text = text.replace("src/two.txt:1", "src/x.txt:1").replace(f"Artifacts: {HUB}/", "")
    assert set(kinds(checked(findings, text))) == {"branch", "finding", "path", "artifacts"}


def test_two_initiatives_are_one_too_many(findings: Project) -> None:
    findings.call("new", "Z-002")
    found = checked(findings, GOOD.replace(f"Focus: {ID}", f"Focus: {ID} and Z-002"))
    (problem,) = found["problems"]
    assert (problem["kind"], found["focus"]) == ("focus", None)
    assert "`X-001`, `Z-002`" in problem["text"] or "`Z-002`, `X-001`" in problem["text"]


def test_an_order_without_change_or_run_is_none(findings: Project) -> None:
    text = GOOD.replace("1. Implement: `src/two.txt` — another second line.\n", "")
    text = text.replace(f"2. Run: `planctl run-phase {ID} A --step two`", "Think about it.")
    assert kinds(checked(findings, text)) == ["implement"]


def test_selectors_are_counted_and_never_run(findings: Project) -> None:
    test = "import pathlib\n\n\ndef test_a():\n    pathlib.Path('ran').write_text('x')\n"
    findings.repo.write("tests/test_t.py", test + "\n\ndef test_b():\n    pass\n")
    text = GOOD.replace("none (nothing is tested here)", "tests/test_t.py")
    assert checked(findings, text)["collected"] == {"tests/test_t.py": 2}
    assert not (findings.root / "ran").exists()
    kept = list((findings.root / ".git/planctl/collected").iterdir())
    assert len(kept) == 1
    wrong = text.replace("tests/test_t.py", "tests/test_t.py::test_c")
    assert kinds(checked(findings, wrong)) == ["selector"]
    findings.repo.write("planctl.toml", '[brief]\npytest = "false"\n')
    assert kinds(checked(findings, text)) == ["selector"]
    assert kinds(checked(findings, text, "--no-collect")) == []


def test_a_pytest_that_hangs_is_given_up(findings: Project) -> None:
    findings.repo.write("tests/test_t.py", "import time\ntime.sleep(60)\n")
    findings.repo.write("planctl.toml", "[brief]\ncollect_timeout = 1\n")
    text = GOOD.replace("none (nothing is tested here)", "tests/test_t.py")
    (problem,) = checked(findings, text)["problems"]
    assert "no answer in 1 s" in problem["text"]


def test_pointers_are_followed_and_mended(project: Project) -> None:
    lines = [f"line {n} of the notes, number {n * 37}" for n in range(20)]
    project.repo.write("docs/notes.md", "\n".join(lines) + "\n")
    project.repo.commit("notes")
    text = GOOD.replace("Findings Applied: POLICY-001\n", "")
    text = text.replace("src/two.txt:1", "docs/notes.md:5") + "- docs/notes.md:9-10 and why\n"
    (project.root / "input.md").write_text(text)
    project.repo.commit("brief")
    project.repo.write("docs/notes.md", "\n".join(["new", "new too", *lines]) + "\n")
    found = checked(project)
    assert kinds(found) == ["pointer-moved", "pointer-moved"]
    assert "`docs/notes.md:7` now" in found["problems"][0]["text"]
    mended = checked(project, None, "--fix")
    assert (mended["ok"], len(mended["fixed"])) == (True, 2)
    after = (project.root / "input.md").read_text()
    assert "`docs/notes.md:7`" in after
    assert "docs/notes.md:11-12 and why" in after


def test_a_renamed_file_and_a_line_that_is_gone_are_told(project: Project) -> None:
    lines = [f"line {n} of the notes, number {n * 37}" for n in range(20)]
    project.repo.write("docs/notes.md", "\n".join(lines) + "\n")
    text = GOOD.replace("Findings Applied: POLICY-001\n", "")
    text = text.replace("src/two.txt:1", "docs/notes.md:5")
    (project.root / "input.md").write_text(text + "- src/one.txt:1 too\n")
    project.repo.commit("brief")
    project.repo.git("mv", "docs/notes.md", "docs/diary.md")
    project.repo.write("src/one.txt", "\n")
    project.repo.commit("moved")
    told = {p["kind"]: p for p in checked(project)["problems"]}
    assert set(told) == {"pointer-renamed", "pointer-deleted"}
    assert "docs/diary.md:5" in told["pointer-renamed"]["text"]
    checked(project, None, "--fix")
    assert "`docs/diary.md:5`" in (project.root / "input.md").read_text()


def test_planctls_own_pointers_know_their_lines_before_they_are_committed(
    project: Project,
) -> None:
    written(project)
    plan = project.root / "plans/active/X-001/implementation.md"
    plan.write_text("# One more line\n\n" + plan.read_text())
    found = checked(project)
    assert set(kinds(found)) == {"pointer-moved"}
    assert checked(project, None, "--fix")["ok"]
    body, block = parted((project.root / "input.md").read_text())
    assert block is not None
    assert "implementation.md:5" in body
    assert not checked(project)["edited"]


def test_options_that_do_not_go_together_are_a_usage_error(project: Project) -> None:
    assert project.call("brief", "--check", "--short")[0] == 2
    assert project.call("brief", ID, "--fix")[0] == 2


def test_a_file_that_is_no_text_is_told(project: Project) -> None:
    assert project.call("brief", "--check")[0] == 4
    (project.root / "input.md").write_bytes(b"\xff\xfe\x00")
    assert project.call("brief", "--check")[0] == 4


def test_both_forms_at_once_are_refused(project: Project) -> None:
    code, _, err = project.call("brief", ID, "--short", "--long")
    assert code == 2
    assert "`--short` and `--long` exclude each other" in err
    assert project.call("brief", ID, "--long", "--out", "-")[0] == 0


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "names no file"),
        ("::x", "names no file"),
        (" (new)", "names no file"),
        ("/etc/passwd", "outside the repository"),
        ("/etc/made (new)", "outside the repository"),
        ("../x.py (new)", "outside the repository"),
        ("src/away", "outside the repository"),
    ],
)
def test_what_is_no_file_of_the_repository_is_not_ordered(
    project: Project, target: str, said: str
) -> None:
    (project.root / "src/away").symlink_to("/etc/passwd")
    code, _, err = project.call("brief", ID, "--implement", target)
    assert code == 2
    assert said in err
    assert not (project.root / "input.md").exists()


@pytest.mark.parametrize("target", ["`/etc/passwd`", "`../x.py` (new)"])
def test_a_brief_that_orders_a_change_outside_the_repository_is_refused(
    project: Project, target: str
) -> None:
    result = checked(project, GOOD.replace("`src/two.txt` —", f"{target} —"))
    assert "lies outside the repository" in str(result["problems"])
