"""Rules of lint that need the plan alone: each found where it is broken, and not beside it."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path
from typing import Any

import pytest

from planctl.models.lint import RULES
from planctl.models.plan.plan import Plan
from planctl.models.weak_signs import may_be_weak
from planctl.ops.lint.commands import undeclared
from planctl.ops.lint.plan import _secrets, _waiver, cheap_findings
from planctl.ops.lint.site import Site


def site(run: str = "work > $OUT/x", env: dict[str, str] | None = None, **step: Any) -> Site:
    """Return a step of a plan with checks and inputs, so that only what is changed is found."""
    fields = {
        "id": "s",
        "run": run,
        "log": "cli/s.log",
        "checks": [{"json": "analysis/x.json", "path": "a", "gt": 1}],
        "collect": [{"from": "$OUT/x.json", "to": "analysis/x.json"}],
    }
    plan = Plan.model_validate(
        {
            "schema": "planctl/plan/v1",
            "id": "X-1",
            "title": "t",
            "env": env or {"OUT": "out"},
            "phases": {"A": {"inputs": ["src/**"], "steps": [fields | step]}},
        }
    )
    return Site(plan, "A", plan.phases["A"].steps[0], "plan.yaml", 7)


def rules(given: Site) -> list[str]:
    """Return the rules that are broken; the first look of every verdict must not pass over any."""
    found = [finding.rule for finding in cheap_findings(given)]
    assert not found or may_be_weak(given.plan, given.phase, given.step)
    return found


SWALLOWED = [
    "work || true",
    "work || :",
    "work || exit 0",
    "work 2>&1 || echo failed",
    "work || { echo failed; true; }",
    "for x in 1 2; do work $x || continue; done",
    "work && next\nmore",
    "work &\nmore",
    "export X=$(work)\nmore $X",
    "trap 'exit 0' EXIT\nwork",
    "bash -euo pipefail -c 'work || true'",
    "(work || true)\nmore",
    "if python train.py; then echo ok; else echo failed; fi",
    "{ work; more; } || exit 3",
    "(work\nmore) && last",
    "if { work; more; }; then last; else exit 1; fi",
    "! work\nmore",
    "if [ -f x ]; then work && more; fi\nlast",
    "for x in a b; do work $x && more; done",
    "{ work && more; }\nlast",
    'echo "loss $(python loss.py)"\nmore',
]
SOUND = [
    'work "|| true"',
    "work '|| true' # || true",
    "work || exit 1",
    "work || { echo failed; exit 3; }",
    "[ -f x ] || echo no\nwork",
    "grep -q x file || echo no\nwork",
    "rm -f x || true\nwork",
    "work && next",
    "mkdir -p out && work",
    "work &\nwait $!",
    "X=$(work)\nmore $X",
    "work <<'EOF'\nx || true\nEOF",
    "[ -d x ] && work\nmore",
    "if python train.py; then echo ok; else exit 1; fi",
    "if grep x y; then work; fi",
    "{ mkdir -p x; work; } || exit 3",
    "more\n! work",
    "! work && more",
    "(work && more)\nlast",
    "last\nif [ -f x ]; then work && more; fi",
    "while work && more; do last; done",
    'LOSS=$(python loss.py)\nmore "$LOSS" "$(date)"',
    "python server.py &\nwork\nkill %1",
    "ls x && more\nwork",
]


@pytest.mark.parametrize("run", SWALLOWED)
def test_a_swallowed_failure_is_found(run: str) -> None:
    assert "PL001" in rules(site(run))


@pytest.mark.parametrize("run", SOUND)
def test_what_swallows_no_failure_is_not_found(run: str) -> None:
    assert "PL001" not in rules(site(run))


@pytest.mark.parametrize("run", [*SWALLOWED, *SOUND])
def test_bash_itself_agrees(run: str, tmp_path: Path) -> None:
    if run in SOUND and ("!" in run or "while work" in run or "kill %1" in run):
        pytest.skip("`work` is asked to fail here, is a question, or is not called so")
    fails = '#!/bin/sh\n[ "$1" = b ] || { echo x >> failed; exit 1; }\n'
    for name in ("work", "python"):
        stub(tmp_path, name, fails)
    for name in ("next", "more", "last"):
        stub(tmp_path, name, "#!/bin/sh\n")
    (tmp_path / "x").touch()
    path = f"{tmp_path}:/usr/bin:/bin"
    words = ["bash", "-p", "-e", "-u", "-o", "pipefail", "-c", run]
    done = subprocess.run(words, cwd=tmp_path, env={"PATH": path}, capture_output=True)
    unseen = done.returncode == 0 and (tmp_path / "failed").exists()
    assert unseen == (run in SWALLOWED), done.stderr


def stub(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("work; true", True),
        ("work\nexit 0", True),
        ("work; :", True),
        ("sh -ec 'work; true'", True),
        ("true", False),
        ("if [ -f x ]; then exit 0; fi\nwork", False),
        ("work; exit 3", False),
        ("work 'x; true'", False),
    ],
)
def test_last_words_that_overrule_the_exit_code(run: str, found: bool) -> None:
    assert ("PL002" in rules(site(run))) == found


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("set +e\nwork", True),
        ("set +eu; work", True),
        ("set +o pipefail\nwork | tee x", True),
        ("set +e\nwork\ncode=$?\nset -e\nexit $code", False),
        ("set -e; work", False),
        ("set +x; work", False),
        ("work 'set +e'", False),
    ],
)
def test_errexit_switched_off(run: str, found: bool) -> None:
    assert ("PL003" in rules(site(run))) == found


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ('bash -c "work | tee x"', True),
        ("timeout 5 sh -ec 'work | tee x'", True),
        ("env A=1 bash -c 'first; second'", True),
        ("bash -c \"bash -euc 'work | tee x'\"", True),
        ("bash -euo pipefail -c 'work | tee x'", False),
        ("bash -c 'set -euo pipefail; work | tee x'", False),
        ("sh -c 'work'", False),
        ("sh -c 'cd x; mkdir -p y; work'", True),
        ("sh -c 'echo start; work'", False),
        ("work | tee x", False),
        ("work -c 'a | b'", False),
    ],
)
def test_an_inner_shell_that_loses_failures(run: str, found: bool) -> None:
    assert ("PL004" in rules(site(run))) == found


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("echo 5 passed", True),
        ("printf '%s' 5 > out/x", True),
        ("cat > out/x.json <<'EOF'\n{}\nEOF", True),
        ("echo '{}' | tee out/x.json", True),
        ("mkdir -p out; date; echo done", True),
        ("echo start; work", False),
        ("cat src/x.json | tee out/x.json", False),
        ("cat > out/x.py <<'EOF'\nEOF\npython out/x.py", False),
    ],
)
def test_a_command_that_only_prints(run: str, found: bool) -> None:
    assert ("PL005" in rules(site(run))) == found


@pytest.mark.parametrize(
    ("run", "matches", "found"),
    [
        ("work && echo all good", "^all good$", True),
        ("work; printf 'model saved\\n'", "saved", True),
        ("work && echo all good", "^saved$", False),
        ('work && echo "loss=$LOSS"', "loss=", False),
        ("work 'all good'", "all good", False),
    ],
)
def test_a_check_that_finds_what_was_typed(run: str, matches: str, found: bool) -> None:
    given = site(run, checks=[{"log": "cli/s.log", "matches": matches}])
    assert ("PL006" in rules(given)) == found


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("work $TRAIN", True),
        ('work "${TRAIN}/x"', True),
        ("work <<EOF\n$TRAIN\nEOF", True),
        ("work $OUT $HUB $HOME $RANDOM", False),
        ("work ${TRAIN:-none}", False),
        ("work '$TRAIN' \\$TRAIN", False),
        ("TRAIN=x; work $TRAIN", False),
        ("let TRAIN=1+2; work $TRAIN", False),
        ("for TRAIN in a b; do work $TRAIN; done", False),
        ("read -r TRAIN < x; work $TRAIN", False),
        ("source env.sh; work $TRAIN", False),
        ("work $1 $? $@ $$", False),
        ("awk '{print $NF}' x", False),
    ],
)
def test_a_name_that_nothing_sets(run: str, found: bool) -> None:
    assert bool(list(undeclared(site(run)))) == found
    assert not list(undeclared(site(run), also=frozenset({"TRAIN"})))


def test_a_path_with_a_name_the_plan_lacks() -> None:
    (finding,) = undeclared(site(outputs=["$OTHER/x"]))
    assert (finding.rule, finding.key) == ("PL007", "phases.A.steps.s.outputs")
    assert "there is no `OTHER`" in finding.message
    assert not list(undeclared(site(outputs=["$OUT/x"])))


def test_steps_without_checks_or_inputs() -> None:
    assert rules(site(checks=[])) == ["PL010"]
    assert rules(site(checks=[], kind="pytest")) == []
    assert rules(site(inputs=[])) == ["PL011"]


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ({"log": "cli/s.log", "matches": ".*"}, True),
        ({"log": "cli/s.log", "matches": "x|"}, True),
        ({"log": "cli/s.log", "matches": "saved"}, False),
        ({"log": "cli/s.log", "matches": ".*", "not_matches": "nan"}, False),
        ({"json": "x.json", "path": "a", "gt": -1e301}, True),
        ({"json": "x.json", "path": "a", "lt": 1e301}, True),
        ({"json": "x.json", "path": "a", "gt": -1e301, "lt": 5}, False),
        ({"json": "x.json", "path": "a", "gt": 0}, False),
        ({"json": "x.json", "path": "length(@)", "ge": 0}, True),
        ({"json": "x.json", "path": "length(@)", "gt": 0}, False),
        ({"json": "x.json", "path": "a", "same_as": {"json": "x.json", "path": "a"}}, True),
        ({"json": "x.json", "path": "a", "same_as": {"json": "y.json", "path": "a"}}, False),
        ({"json": "x.json", "path": "a", "within": 1, "of": {"json": "y", "path": "a"}}, True),
        ({"json": "x.json", "path": "a", "within": 0.1, "of": {"json": "y", "path": "a"}}, False),
        ({"json": "x.json", "path": "`1`", "eq": 1}, True),
        ({"json": "x.json", "path": "a == a", "eq": True}, True),
        ({"json": "x.json", "path": "a < b", "eq": True}, False),
        ({"file": "x.json"}, False),
    ],
)
def test_a_check_that_cannot_fail(check: dict[str, Any], found: bool) -> None:
    assert ("PL012" in rules(site(checks=[check]))) == found


def test_same_of_two_copies_of_one_file_cannot_fail() -> None:
    check = [{"same": ["analysis/a", "analysis/b"]}]
    copies = [{"from": "out/a", "to": "analysis/a"}, {"from": "out/a", "to": "analysis/b"}]
    assert rules(site(checks=check, collect=copies)) == ["PL012"]
    two = [copies[0], {"from": "out/b", "to": "analysis/b"}]
    assert rules(site(checks=check, collect=two)) == []


@pytest.mark.parametrize(
    ("until", "found"),
    [
        ("2025-11-13", "warning"),
        ("2025-11-20", "note"),
        ("2026-01-30", None),
        ("2027-01-01", "warning"),
    ],
)
def test_waivers_of_steps(until: str, found: str | None) -> None:
    given = site(waive={"who": "R", "why": "w", "until": until})
    levels = [str(item.level) for item in _waiver(given, dt.date(2025, 11, 14))]
    assert levels == ([found] if found else [])


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("API_KEY", "abc123xyz", True),
        ("DB_PASSWORD", "hunter2", True),
        ("PLAIN", "AKIA" + "A1B2C3D4E5F6G7H8", True),
        ("URL", "https://me:secret@example.org/x", True),
        ("TOKENIZER", "bert", False),
        ("TOKEN", "", False),
        ("MAX_TOKEN", "4096", False),
        ("USE_TOKEN", "true", False),
        ("API_KEY", "$FROM_CALLER", False),
        ("URL", "https://example.org/x", False),
        ("KEY", "value", False),
    ],
)
def test_what_looks_like_a_secret_is_named_and_not_shown(
    name: str, value: str, found: bool
) -> None:
    given = site(env={"OUT": "out", name: value})
    findings = list(_secrets(given.plan, [given]))
    assert bool(findings) == found
    assert not any(value in item.message for item in findings)


def test_every_rule_has_its_own_section_on_the_page() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/lint.md").read_text("utf-8")
    for rule in RULES:
        section = page.split(f"\n### {rule.id}\n")[1].split("\n### ")[0]
        assert section.strip().startswith(f"**{rule.name}** ({rule.level})")
        assert f"docs/reference/lint.md#{rule.id.lower()}" in rule.help


@pytest.mark.parametrize(
    ("run", "found"),
    [("work 'unclosed", True), ("work )", True), ("a || " * 5_000 + "b", True), ("work", False)],
)
def test_a_command_that_cannot_be_read_is_reported(run: str, found: bool) -> None:
    assert ("PL016" in rules(site(run + " && x"))) == found


@pytest.mark.parametrize(
    "run",
    [
        "a || " * 9_000 + "true",
        "a || " + "(" * 20_000 + "true" + ")" * 20_000,
        "$(" * 15_000 + "a" + ")" * 15_000,
        "bash -c '" * 5_000,
        "x" * 1_000_000 + " || true",
        "a & " * 12_000,
        "if a; then " * 4_000,
        "\x1b || true",
        "${" * 20_000,
    ],
)
@pytest.mark.timeout(20)
def test_hostile_commands_are_read_in_bounded_time(run: str) -> None:
    given = site(run)
    list(cheap_findings(given))
    list(undeclared(given))
