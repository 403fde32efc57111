"""Turns from opening to record: numbers, states, crashes, and the check of a history."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from planctl.cli.app import run
from planctl.ops.turn import current_turn, open_turn, turn_path, turn_records
from planctl.workspace import Workspace
from tests.planctl.conftest import Repo
from tests.planctl.functional.liar import HUB, ID, Engineer, copy_of
from tests.planctl.reliability.kill_points import run_until

WORDS = "Added a helper to the fit.\nNothing else was needed.\nNext: use it.\n"
FIXTURE = Path(__file__).resolve().parents[3] / "../shared/fixtures/forward_parity_summary.md"


def closed(engineer: Engineer, *words: str, prose: str = WORDS) -> dict[str, Any]:
    answer = engineer.close(prose, "--json", *words)
    assert answer.code == 0, answer.said
    return answer.json()


def test_a_turn_is_open_until_it_is_closed(engineer: Engineer) -> None:
    assert engineer.call("turn", "show").code == 1
    answer = engineer.call("turn", "open", ID, "--role", "engineer", "--phase", "B", "--json")
    told = answer.json()
    assert (told["number"], told["role"], told["focus"], told["phase"]) == (1, "engineer", ID, "B")
    assert told["base"] == engineer.repo.git("rev-parse", "HEAD")
    second = engineer.call("turn", "open", ID)
    assert second.code == 4
    assert "turn `00001` (engineer on" in second.err
    assert "planctl turn close" in second.err
    assert engineer.call("turn", "show", "--json").json()["id"] == told["id"]
    closed(engineer)
    assert engineer.call("turn", "close", "--message", "x").code == 4
    assert engineer.call("turn", "open", ID, "--json").json()["number"] == 2


def test_the_role_is_that_of_the_environment_and_the_focus_what_is_next(
    engineer: Engineer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANCTL_ROLE", "supervisor")
    told = engineer.call("turn", "open", "--json").json()
    assert (told["role"], told["focus"]) == ("supervisor", ID)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((ID, "--role", "two words"), 2, "is no role"),
        ((ID, "--phase", "Z"), 4, "has no phase `Z`"),
        (("NOPE-001",), 4, "no initiative `NOPE-001`"),
    ],
)
def test_what_cannot_be_opened_says_why(
    engineer: Engineer, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = engineer.call("turn", "open", *words)
    assert answer.code == code
    assert told in answer.err
    assert engineer.call("turn", "show").code == 1


def test_a_turn_is_closed_with_words_from_one_place(engineer: Engineer) -> None:
    engineer.open()
    none = engineer.call("turn", "close")
    assert none.code == 2
    assert "`-` for stdin" in none.err
    two = engineer.call("turn", "close", "-", "--message", "x")
    assert two.code == 2
    missing = engineer.call("turn", "close", "nowhere.md")
    assert missing.code == 4
    assert "nowhere.md: cannot be read" in missing.err
    (engineer.root / "latin.md").write_bytes(b"caf\xe9.\n")
    assert "is not UTF-8 at byte 3" in engineer.call("turn", "close", "latin.md").err


def test_dirty_files_are_noted_with_their_content(engineer: Engineer) -> None:
    engineer.repo.write("mine.txt", "mine\n")
    (engineer.root / "src/use.py").unlink()
    told = engineer.call("turn", "open", ID, "--json").json()
    blob = engineer.repo.git("hash-object", "mine.txt")
    assert told["dirty"] == {"mine.txt": f"100644 {blob}", "src/use.py": ""}
    assert "mine.txt" in engineer.call("turn", "show").out


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 1', "[1, 2]", '{"id": NaN}', "\x00"])
def test_a_state_that_does_not_parse_stops_and_is_never_reset(
    engineer: Engineer, content: str
) -> None:
    engineer.open()
    place = turn_path(Workspace.open())
    place.write_text(content)
    for words in (
        ("show",),
        ("open", ID),
        ("close", "--message", "x"),
        ("abandon", "--reason", "x"),
    ):
        answer = engineer.call("turn", *words)
        assert answer.code == 4, words
        assert "the open turn cannot be read" in answer.err
        assert "nothing is reset by itself" in answer.err
    assert place.read_text() == content


def test_giving_up_leaves_a_record_and_the_files(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    answer = engineer.call("turn", "abandon", "--reason", "no GPU here", "--json")
    assert answer.code == 0
    record = answer.json()["record"]
    assert record["outcome"] == "abandoned"
    assert record["sentences"] == ["no GPU here"]
    assert [item["path"] for item in record["skipped"]] == ["src/extra.py"]
    assert engineer.repo.git("status", "--short") == "?? src/extra.py"
    assert "turn 00001 (engineer" in (engineer.root / "docs/fix_plan.md").read_text()
    assert engineer.call("turn", "check").code == 0
    assert engineer.call("turn", "show").code == 1


def test_giving_up_is_recorded_even_where_nothing_can_be_committed(engineer: Engineer) -> None:
    engineer.open()
    engineer.repo.git("checkout", "--quiet", "--detach")
    answer = engineer.call("turn", "abandon", "--reason", "lost the branch", "--json")
    assert answer.code == 0
    assert answer.json()["commit"] is None
    assert "HEAD is detached" in str(answer.json()["notes"])
    (record,) = turn_records(Workspace.open())
    assert record.sentences == ("lost the branch",)


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        (f"plans/active/{ID}/plan.yaml", "schema: [", "plan.yaml"),
        ("planctl.toml", "[turn\n", "planctl.toml"),
        ("docs/fix_plan.md", f"<!-- planctl:item {ID} -->\n", "has no end"),
    ],
)
def test_a_file_that_an_agent_broke_stops_the_closing_but_not_the_giving_up(
    engineer: Engineer, path: str, content: str, told: str
) -> None:
    engineer.open()
    (engineer.root / path).write_text(content)
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert told in answer.err
    given_up = engineer.call("turn", "abandon", "--reason", "it broke the plan", "--json")
    assert given_up.code == 0, given_up.said
    assert engineer.call("turn", "show").code == 1
    assert (engineer.root / given_up.json()["path"]).is_file()
    assert (engineer.root / path).read_text() == content


def test_a_summary_that_is_a_link_is_never_written_through(
    engineer: Engineer, tmp_path: Path
) -> None:
    place = engineer.root / f"plans/active/{ID}/summary.md"
    (tmp_path / "elsewhere.md").write_text("theirs\n")
    place.unlink()
    place.symlink_to(tmp_path / "elsewhere.md")
    engineer.repo.commit("a link")
    engineer.open()
    answer = engineer.close(WORDS)
    assert answer.code == 4
    assert "summary.md: is, or lies behind, a symbolic link" in answer.err
    assert (tmp_path / "elsewhere.md").read_text() == "theirs\n"
    assert "AUTO" not in engineer.repo.git("log", "-1", "--format=%s")


def test_records_are_read_newest_first_and_only_as_many_as_asked(engineer: Engineer) -> None:
    for _ in range(3):
        engineer.open()
        closed(engineer)
    workspace = Workspace.open()
    assert [record.number for record in turn_records(workspace)] == [3, 2, 1]
    turns = engineer.root / f"plans/active/{ID}/turns"
    oldest = min(turns.iterdir())
    oldest.write_text("damaged")
    assert [record.number for record in turn_records(workspace, ID, last=2)] == [3, 2]
    from planctl.errors import BadFileError

    with pytest.raises(BadFileError, match=oldest.name):
        turn_records(workspace)


def test_the_summary_of_the_real_initiative_is_kept_byte_for_byte(engineer: Engineer) -> None:
    if not FIXTURE.is_file():
        pytest.skip("shared/fixtures/forward_parity_summary.md is not here")
    old = FIXTURE.read_bytes()
    for path in (f"{HUB}/summary.md", f"plans/active/{ID}/summary.md"):
        (engineer.root / path).write_bytes(old)
    engineer.repo.commit("the summary of long ago")
    engineer.open()
    result = closed(engineer)
    for path in (f"{HUB}/summary.md", f"plans/active/{ID}/summary.md"):
        now = (engineer.root / path).read_bytes()
        assert now == result["block"].encode() + b"\n" + old


@pytest.mark.parametrize(
    "old", [b"a\r\nb\r\n", b"no end", b"\x00\x01\xff\xfe", b"", b"\n\n", "\ufeffbom\n".encode()]
)
def test_any_old_bytes_stay_also_in_the_commit(engineer: Engineer, old: bytes) -> None:
    path = f"plans/active/{ID}/summary.md"
    (engineer.root / path).write_bytes(old)
    engineer.repo.commit("summary")
    engineer.open()
    result = closed(engineer)
    want = result["block"].encode() + (b"\n" + old if old else b"")
    assert (engineer.root / path).read_bytes() == want
    shown = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=engineer.root, capture_output=True, check=True
    ).stdout
    assert shown == want


def test_two_at_once_cannot_open_two_turns(engineer: Engineer) -> None:
    found: list[str] = []

    def one() -> None:
        from planctl.errors import PlanctlError

        try:
            found.append(open_turn(Workspace.open(), "engineer", ID).id)
        except PlanctlError as error:
            found.append(error.slug)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item for item in found if len(item) < 26) in (
        [["turn"] * 3, ["locked"] * 3] + [["locked"] * n + ["turn"] * (3 - n) for n in (1, 2)]
    )
    turn = current_turn(Workspace.open())
    assert turn is not None
    assert turn.id in found


def state(root: Path) -> tuple[int, int, int, int]:
    """Return how often a closing is in commits, records, the hub's summary and the ledger."""
    repo = Repo(root)
    commits = repo.git("log", "--format=%s").count("ENGINEER AUTO")
    records = len(list((root / f"plans/active/{ID}").glob("turns/*.json")))
    summary = (root / f"{HUB}/summary.md").read_text().count("Added a helper to the fit.")
    attempts = (root / "docs/fix_plan.md").read_text().count("Added a helper to the fit.")
    return commits, records, summary, attempts


CLOSE = ["turn", "close", "--message", WORDS]


def prepared(fit_project: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo = copy_of(fit_project, root)
    monkeypatch.chdir(root)
    assert run(["turn", "open", ID, "--role", "engineer"]) == 0
    repo.write("src/extra.py", "extra = 1\n")
    repo.write("mine.txt", "mine\n")
    return repo


def survive(root: Path, point: int) -> str | None:
    """Kill a closing at a point, close again, and look: everything is there once."""
    status, reached = run_until(point, CLOSE)
    if len(reached) < point:
        assert os.waitstatus_to_exitcode(status) == 0
        return None
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    lock = root / ".git/index.lock"
    assert not lock.exists()
    code = run(CLOSE)
    # It was over but for the cleaning up: then no turn is open any more.
    assert code == 0 or (code == 4 and state(root)[0] == 1), reached[-1]
    assert state(root) == (1, 1, 1, 1), reached[-1]
    repo = Repo(root)
    assert repo.git("status", "--short") == "", reached[-1]
    assert run(["turn", "check"]) == 0
    assert run(["turn", "open", ID, "--role", "engineer"]) == 0
    assert not (root / ".git/planctl/closing").exists()
    assert not list((root / ".git/planctl").glob("turn-index*"))
    return reached[-1]


def test_a_closing_killed_at_some_points_is_completed_without_doubling(
    fit_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(fit_project, tmp_path / "count", monkeypatch)
    status, reached = run_until(0, CLOSE)
    assert os.waitstatus_to_exitcode(status) == 0
    last = len(reached)
    assert any("journal.json" in name for name in reached)
    first = next(at for at, name in enumerate(reached) if "journal.json" in name)
    # The index of the commit goes away right after it: the commit is there, nothing else knows.
    made = min(at for at, name in enumerate(reached, 1) if name.startswith("os.remove turn-index"))
    some = range(first, last, max(1, (last - first) // 7))
    for point in sorted({*some, made, last}):
        prepared(fit_project, tmp_path / f"at{point}", monkeypatch)
        survive(tmp_path / f"at{point}", point)


@pytest.mark.slow
def test_a_closing_killed_at_any_point_is_completed_without_doubling(
    fit_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = 1
    while True:
        root = tmp_path / f"at{point}"
        prepared(fit_project, root, monkeypatch)
        if survive(root, point) is None:
            break
        point += 1
    assert point > 30


def test_a_closing_that_was_begun_is_finished_with_its_own_words(
    fit_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engineer: Engineer
) -> None:
    prepared(fit_project, tmp_path / "count", monkeypatch)
    _, reached = run_until(0, CLOSE)
    begun = next(at for at, name in enumerate(reached, 1) if "journal.json" in name)
    monkeypatch.chdir(engineer.root)
    engineer.open()
    engineer.repo.write("src/extra.py", "extra = 1\n")
    engineer.repo.write("mine.txt", "mine\n")
    status, _ = run_until(begun + 10, CLOSE)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert (engineer.root / ".git/planctl/closing/journal.json").exists()
    assert "AUTO" not in engineer.repo.git("log", "-1", "--format=%s")
    assert engineer.call("turn", "abandon", "--reason", "x").code == 2
    answer = engineer.close("Other words.\nThat come late.\nNext: no.\n", "--json")
    assert answer.code == 0, answer.said
    result = answer.json()
    assert result["resumed"]
    assert "Added a helper" in result["block"]
    assert "Other words" not in engineer.repo.git("log", "-1", "--format=%B")


class TestCheck:
    def test_a_subject_that_imitates_a_turn_is_named(self, engineer: Engineer) -> None:
        engineer.open()
        closed(engineer)
        commit = engineer.repo.commit("ENGINEER AUTO (iter=00002): all — tests: 9 passed")
        answer = engineer.call("turn", "check", "--json")
        assert answer.code == 1
        (finding,) = answer.json()["findings"]
        assert (finding["kind"], finding["commit"]) == ("imitation", commit)

    def test_commits_from_before_turns_were_kept_are_not_judged(self, engineer: Engineer) -> None:
        engineer.repo.commit("ENGINEER AUTO (iter=00002): all — tests: 9 passed")
        assert engineer.call("turn", "check").code == 0
        engineer.open()
        closed(engineer)
        assert engineer.call("turn", "check").code == 0
        assert engineer.call("turn", "check", "HEAD~2..HEAD").code == 1

    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            (f"x\n\nTurn: 00002 {'01M83T695GF5XF4DRTKTJT0BT1'}", "imitation"),
            ("x\n\nTurn: soon", "trailer"),
        ],
    )
    def test_trailers_without_a_record_are_named(
        self, engineer: Engineer, message: str, kind: str
    ) -> None:
        engineer.open()
        closed(engineer)
        engineer.repo.commit(message)
        findings = engineer.call("turn", "check", "--json").json()["findings"]
        assert [item["kind"] for item in findings] == [kind]

    def test_a_record_that_is_edited_or_removed_later_is_named(self, engineer: Engineer) -> None:
        engineer.open()
        path = engineer.root / closed(engineer)["path"]
        path.write_text(path.read_text().replace("engineer", "somebody"))
        engineer.repo.commit("a small correction")
        path.unlink()
        engineer.repo.commit("gone")
        findings = engineer.call("turn", "check", "--json").json()["findings"]
        assert [item["kind"] for item in findings] == ["record", "record"]

    def test_a_record_that_fits_neither_base_role_nor_receipts_is_named(
        self, engineer: Engineer
    ) -> None:
        engineer.open()
        result = closed(engineer)
        engineer.repo.git("reset", "--quiet", "--hard", "HEAD~1")
        record = result["record"] | {
            "base": "1" * 40,
            "role": "supervisor",
            "receipts": ["01M83T695GF5XF4DRTKTJT0BT1"],
        }
        engineer.repo.write(result["path"], json.dumps(record))
        engineer.repo.commit(result["message"])
        findings = engineer.call("turn", "check", "HEAD", "--json").json()["findings"]
        kinds = [item["kind"] for item in findings]
        assert kinds == ["base", "trailer", "receipt", "receipt"]

    def test_two_branches_with_one_number_are_named_after_the_merge(
        self, engineer: Engineer
    ) -> None:
        engineer.repo.git("switch", "--quiet", "-c", "other")
        engineer.open()
        closed(engineer)
        engineer.repo.git("switch", "--quiet", "main")
        engineer.open()
        closed(engineer, prose=WORDS.replace("helper", "second helper"))
        engineer.repo.git("merge", "--quiet", "--no-edit", "other")
        answer = engineer.call("turn", "check", "--json")
        (finding,) = answer.json()["findings"]
        assert finding["kind"] == "number"
        assert answer.code == 0
        assert "00001" in finding["text"]
        summary = (engineer.root / f"{HUB}/summary.md").read_text()
        assert summary.count("### Turn Summary") >= 2
        assert engineer.call("turn", "open", ID, "--json").json()["number"] == 2

    def test_no_such_commit_is_told(self, engineer: Engineer) -> None:
        answer = engineer.call("turn", "check", "nope..HEAD")
        assert answer.code == 2
        assert "there is no commit `nope`" in answer.err
