"""Records, states, trailers, templates and the additions of a closing, without a repository."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.settings import parse_settings
from planctl.models.turn.check import read_trailers
from planctl.models.turn.record import (
    OpenTurn,
    file_text,
    parse_open,
    parse_record,
    quoted_path,
    record_name,
    role_name,
    unquoted_path,
)
from planctl.models.turn.settings import EvidenceSettings, filled, subject_template
from planctl.models.turn.turn import TurnSummary, prepended, render
from planctl.ops.turn.edits import Edit, without

ID = "01M83T695GF5XF4DRTKTJT0BT1"
RECORD: dict[str, Any] = {
    "schema": "planctl/turn/v1",
    "id": ID,
    "number": 34,
    "role": "engineer",
    "focus": "X-001",
    "base": "a" * 40,
    "opened": "2025-11-14T02:48:00Z",
    "closed": "2025-11-14T02:58:00Z",
}
PATH = f"plans/active/X-001/turns/00034_{ID}.json"


def changed(**values: object) -> bytes:
    return json.dumps(RECORD | values).encode()


def test_a_record_comes_back_as_it_was_written() -> None:
    record = parse_record(changed(sentences=["Done — ü."], next="go on"), PATH)
    assert record.shown == "00034"
    assert record.name == f"00034_{ID}.json"
    assert parse_record(file_text(record).encode(), PATH) == record


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "valid dictionary"),
        (b'{"id": 1, "id": 2}', "no JSON"),
        (changed(number=0), "`number`"),
        (changed(number="34x"), "`number`"),
        (changed(role="two words"), "`role`"),
        (changed(role="a\nTurn: 1"), "`role`"),
        (changed(id="nope"), "`id`"),
        (changed(outcome="great"), "`outcome`"),
        (changed(base="main"), "`base`"),
        (changed(closed="yesterday"), "`closed`"),
        (changed(schema="planctl/turn/v2"), "schema"),
        (changed(number=35), "record of turn `00035`"),
        (b"\xff", "no JSON"),
        (b'{"next": "\\ud800"}', "no JSON"),
    ],
)
def test_what_is_no_record_is_told_with_its_key(content: bytes, told: str) -> None:
    with pytest.raises(BadFileError, match="turns/00034_") as error:
        parse_record(content, PATH)
    assert told in str(error.value)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_readers_fail_otherwise(content: bytes) -> None:
    for read in (parse_record, parse_open):
        with pytest.raises(BadFileError):
            read(content, "x.json")


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_a_path_of_any_bytes_survives_the_state(name: bytes) -> None:
    path = name.decode("utf-8", "surrogateescape")
    assert unquoted_path(quoted_path(path)) == path
    values = {key: RECORD[key] for key in ("id", "number", "role", "focus", "base", "opened")}
    turn = OpenTurn.model_validate(values | {"dirty": {quoted_path(path): "100644 1"}})
    assert parse_open(file_text(turn).encode(), "turn.json").dirty == {path: "100644 1"}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (f"00034_{ID}.json", 34),
        (f"123456_{ID}.json", 123456),
        (f"0034_{ID}.json", None),
        (f"00034_{ID}.json.tmp", None),
        (f".00034_{ID}.json.planctl-x.tmp", None),
        (f"00034_{ID.lower()}.json", None),
    ],
)
def test_names_of_records_are_told_from_others(name: str, number: int | None) -> None:
    found = record_name(name)
    assert (found and found.number) == number


@pytest.mark.parametrize("role", ["", " ", "a b", "a:b", "é", "-x", "x" * 41])
def test_a_role_is_one_plain_word(role: str) -> None:
    with pytest.raises(ValueError, match="is no role"):
        role_name(role)


class TestTrailers:
    def test_the_last_paragraph_is_read(self) -> None:
        said = read_trailers(
            f"ENGINEER AUTO (iter=1): x\n\nTurn: 00001 {ID}\n\n"
            f"Turn: 00034 {ID}\nRole: engineer\nFocus: X-001\nReceipt: {ID}\n"
        )
        assert said.turns == ((34, ID),)
        assert (said.role, said.focus, said.receipts) == ("engineer", "X-001", (ID,))
        assert said.auto
        assert said.claims_turn

    def test_a_message_of_a_person_claims_nothing(self) -> None:
        said = read_trailers("Automatic things\n\nTurn left at the lights.\n")
        assert not said.claims_turn

    def test_a_trailer_that_names_no_turn_is_broken(self) -> None:
        assert read_trailers("x\n\nTurn: soon").broken == ("soon",)


class TestSubject:
    VALUES: ClassVar = {
        "ROLE": "ENGINEER",
        "prompt": "main",
        "number": "00034",
        "summary": "{tests}",
    }

    def test_names_are_filled_in_once(self) -> None:
        said = filled("{ROLE} AUTO (prompt={prompt}) (iter={number}): {summary}", self.VALUES)
        assert said == "ENGINEER AUTO (prompt=main) (iter=00034): {tests}"

    def test_without_a_prompt_its_parenthesis_goes(self) -> None:
        values = self.VALUES | {"prompt": ""}
        said = filled("{ROLE} AUTO (prompt={prompt}) (iter={number})", values)
        assert said == "ENGINEER AUTO (iter=00034)"

    @pytest.mark.parametrize("text", ["", "  ", "a\nb", "{nope}", "x {role!r}{}"])
    def test_what_is_no_template_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"empty|stands for nothing"):
            subject_template(text)

    def test_settings_name_the_key(self) -> None:
        with pytest.raises(BadFileError, match=r"turn\.subject.*stands for nothing"):
            parse_settings('[turn]\nsubject = "{what}"\n', "planctl.toml")
        with pytest.raises(BadFileError, match="min_sentences"):
            parse_settings("[turn]\nmin_sentences = 9\n", "planctl.toml")


class TestEvidence:
    @pytest.mark.parametrize(
        ("path", "size", "why"),
        [
            ("src/a.py", 10, None),
            (".env", 1, "deny"),
            ("deep/.env.local", 1, "deny"),
            (".env.example", 1, None),
            ("keys/id_ed25519", 1, "deny"),
            ("big.bin", 5 * 2**20 + 1, "too large"),
            ("big.bin", 5 * 2**20, None),
        ],
    )
    def test_the_defaults(self, path: str, size: int, why: str | None) -> None:
        found = EvidenceSettings().refuses(path, size)
        assert (found is None) == (why is None)
        assert (why or "") in (found or "")

    def test_only_what_is_allowed(self) -> None:
        rules = EvidenceSettings(allow=("plans/**", "!plans/**/*.npz"))
        assert rules.refuses("plans/a/b.json", 1) is None
        assert "allow" in (rules.refuses("plans/a/b.npz", 1) or "")
        assert "allow" in (rules.refuses("src/a.py", 1) or "")


BLOCK = render(TurnSummary(ID, "2025-11-14T024800Z", ("Done.",), "go on", {}))


@given(st.binary(max_size=400))
def test_a_block_goes_on_top_and_comes_off_again_byte_for_byte(old: bytes) -> None:
    new = prepended(BLOCK, old)
    assert new.startswith(BLOCK.encode())
    assert new.endswith(old)
    edit = Edit(kind="prepend", path="summary.md", text=BLOCK)
    if old:
        assert new == BLOCK.encode() + b"\n" + old
        assert without(edit, new) == old


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_taking_a_block_off_keeps_what_others_wrote(before: bytes, after: bytes) -> None:
    edit = Edit(kind="prepend", path="summary.md", text=BLOCK)
    kept = before + BLOCK.encode() + b"\n" + after
    if BLOCK.encode() not in before:
        assert without(edit, kept) == before + after


def test_remarks_stand_below_the_artifacts() -> None:
    turn = TurnSummary(
        ID,
        "2025-11-14T024800Z",
        ("Done.",),
        "go on",
        {"hub": ("a.log",)},
        cited=("src/x.py",),
        remarks=("Accepted unsupported: x by y: z", "Not committed: big.bin (too large)"),
    )
    lines = render(turn).splitlines()
    assert lines[3].startswith("Artifacts: hub/{a.log}; src/x.py")
    assert lines[4].startswith("Accepted unsupported: x by y: z")
    assert lines[5].startswith("Not committed: big.bin (too large)")


def test_a_record_holds_what_the_schema_says() -> None:
    import jsonschema

    from planctl.ops.schemas import SCHEMAS

    record = parse_record(
        changed(accepted=[{"claim": "a", "found": "b", "by": "c", "why": "d"}]), PATH
    )
    schema = SCHEMAS["turn"]()
    jsonschema.validate(record.as_dict(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record.as_dict() | {"number": "x"}, schema)
