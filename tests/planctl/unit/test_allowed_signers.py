"""`allowed_signers` as ssh-keygen(1) describes it, and held against ssh-keygen itself."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl._signing import KeyFileError, generate
from planctl.errors import PlanctlError
from planctl.models.signing.allowed_signers import (
    AllowedSigner,
    AllowedSignersError,
    parse_allowed_signers,
    parse_revoked,
    parse_time,
    spell_time,
)
from planctl.models.signing.allowed_signers_edit import ended, entry_line, with_line
from planctl.models.signing.name_patterns import covers, meet, overlap

KEY = generate("a comment")  # another one each time: no test may be named after it
LINE = KEY.public.line
needs_ssh = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)


def one(text: str) -> AllowedSigner:
    (entry,) = parse_allowed_signers(text, "signers").entries
    return entry


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def test_a_plain_line() -> None:
    entry = one(f"engineer {LINE}\n")
    assert entry.principals == ("engineer",)
    assert entry.key == KEY.public
    assert (entry.namespaces, entry.valid_after, entry.valid_before) == (None, None, None)
    assert entry.for_receipts
    assert entry.valid_at(utc(1, 1, 1))


def test_comments_blank_lines_tabs_and_line_ends() -> None:
    text = f"# a comment\n\n   \n\tengineer\t{LINE}\r\n   # another\nboss  {LINE}"
    entries = parse_allowed_signers(text, "signers").entries
    assert [(item.line, item.principals) for item in entries] == [
        (4, ("engineer",)),
        (6, ("boss",)),
    ]


def test_principals_may_be_quoted() -> None:
    assert one(f'"CI job,boss" {LINE}').principals == ("CI job", "boss")


def test_all_options() -> None:
    entry = one(
        f'a,b NameSpaces="git,planctl",valid-after="20250101Z",VALID-BEFORE="202506011230Z" {LINE}'
    )
    assert entry.namespaces == ("git", "planctl")
    assert entry.valid_after == utc(2025, 1, 1)
    assert entry.valid_before == utc(2025, 6, 1, 12, 30)
    assert entry.for_receipts
    assert not entry.valid_at(utc(2024, 12, 31, 23, 59, 59))
    assert entry.valid_at(utc(2025, 1, 1))
    assert entry.valid_at(utc(2025, 6, 1, 12, 30))
    assert not entry.valid_at(utc(2025, 6, 1, 12, 30, 1))


@pytest.mark.parametrize(
    ("namespaces", "ours"),
    [("planctl", True), ("git", False), ("*", True), ("git,pl*", True), ("!planctl,*", False)],
)
def test_namespaces_are_patterns(namespaces: str, ours: bool) -> None:
    assert one(f'a namespaces="{namespaces}" {LINE}').for_receipts is ours


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"a cert-authority {LINE}", "`cert-authority` is not supported"),
        (f"a no-such {LINE}", "unknown option `no-such`"),
        (f"a namespaces=git {LINE}", 'must be written `namespaces="…"`'),
        (f"a valid-before {LINE}", 'must be written `valid-before="…"`'),
        (f'a valid-before="tomorrow" {LINE}', "`tomorrow` is no time"),
        (f'a valid-before="20251301Z" {LINE}', "`20251301Z` is no time"),
        (f'a valid-before="2025010112Z" {LINE}', "is no time"),
        (f'a namespaces="a",namespaces="b" {LINE}', "stands twice"),
        (f'a valid-after="20250102Z",valid-before="20250102Z" {LINE}', "is not later than"),
        (f'a namespaces="git {LINE}', "a double quote is not closed"),
        (LINE, "starts with the key; whose it is stands before it"),
        ("engineer", "has no principals or no key"),
        (f",,, {LINE}", "has no principals or no key"),
        (f"a\x1b[31m {LINE}", "unprintable"),
    ],
    ids=lambda value: "" if "ssh-ed25519" in value else None,
)
def test_a_line_that_cannot_be_used_names_itself(line: str, said: str) -> None:
    with pytest.raises(PlanctlError) as caught:
        parse_allowed_signers(f"# first\n{line}\n", "signers")
    assert caught.value.message.startswith("signers:2: ")
    assert said in caught.value.message


@pytest.mark.parametrize("kind", ["ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"])
def test_other_types_of_key_are_refused(kind: str) -> None:
    with pytest.raises(KeyFileError, match="signers:1: "):
        parse_allowed_signers(f"a {kind} AAAA", "signers")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("20250102Z", utc(2025, 1, 2)),
        ("202501020304Z", utc(2025, 1, 2, 3, 4)),
        ("20250102030405Z", utc(2025, 1, 2, 3, 4, 5)),
        ("20250102UTC", utc(2025, 1, 2)),
    ],
)
def test_times_with_a_zone_are_utc(text: str, when: dt.datetime) -> None:
    assert parse_time(text) == when


def test_a_time_without_a_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        assert parse_time("202501020300") == utc(2025, 1, 2)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_spelled_time_is_read_back() -> None:
    when = utc(2025, 11, 14, 2, 48, 9)
    assert parse_time(spell_time(when)) == when


def test_a_list_of_revoked_keys() -> None:
    assert parse_revoked(f"# why\n{LINE}\n", "revoked") == {KEY.public}
    with pytest.raises(KeyFileError, match="revoked:1: "):
        parse_revoked("ssh-rsa AAAA", "revoked")
    with pytest.raises(AllowedSignersError, match="binary revocation list"):
        parse_revoked("SSHKRL\n\0", "revoked")


@given(st.text(alphabet=st.sampled_from('ab *,"\\!=\t#\n' + LINE[:30]), max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(PlanctlError):
        parse_allowed_signers(text, "signers")


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a*", "abc", True),
        ("*c", "abc", True),
        ("a*c", "ab", False),
        ("?", "a", True),
        ("?", "", False),
        ("**", "", True),
        ("a?c*", "abcdef", True),
        ("*a*b*c", "xaybzc", True),
        ("[a]", "a", False),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert meet(pattern, name) is meet(name, pattern) is fits


@given(st.text("ab*?", max_size=5), st.text("ab*?", max_size=5))
@settings(max_examples=200, deadline=None)
def test_two_patterns_meet_if_a_name_fits_both(first: str, second: str) -> None:
    from itertools import product

    names = ["".join(chars) for size in range(7) for chars in product("ab", repeat=size)]
    assert meet(first, second) == any(meet(first, n) and meet(second, n) for n in names)


def test_a_hostile_pattern_takes_no_time() -> None:
    start = time.process_time()
    assert not meet("*a" * 200 + "b", "a" * 400)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("a",), ("a", "b"), True),
        (("a",), ("b",), False),
        (("a*",), ("ab",), True),
        (("a*", "!ab"), ("ab",), False),
        (("*",), ("*",), True),
        (("a*",), ("b*",), False),
        (("a*",), ("*b",), True),
        (("!a",), ("a",), False),
    ],
)
def test_lists_overlap_when_one_role_could_be_in_both(
    first: tuple[str, ...], second: tuple[str, ...], same: bool
) -> None:
    assert overlap(first, second) is overlap(second, first) is same


def test_a_line_written_is_a_line_read() -> None:
    when = utc(2025, 1, 2)
    line = entry_line(KEY.public, ("CI job", "boss"), after=when)
    entry = one(with_line("", line))
    assert entry.principals == ("CI job", "boss")
    assert entry.namespaces == ("planctl",)
    assert entry.valid_after == when


def test_an_ended_key_leaves_every_other_line_as_it_was() -> None:
    other = generate("other").public.line
    text = f'# head\nboss {other}\na,b namespaces="git,planctl" {LINE}\n\nc {LINE}\n# tail'
    changed = ended(text, "signers", KEY.public, utc(2025, 1, 2), "left")
    rows = changed.split("\n")
    assert rows[:2] == text.split("\n")[:2]
    assert rows[2] == "# revoked from 2025-01-02T00:00:00Z on: left"
    assert rows[3].startswith('a,b namespaces="git,planctl",valid-before="20250102000000Z" ssh-')
    assert rows[-1] == "# tail"
    entries = parse_allowed_signers(changed, "signers").entries
    assert [item.valid_before for item in entries] == [None, utc(2025, 1, 2), utc(2025, 1, 2)]
    again = ended(changed, "signers", KEY.public, utc(2025, 2, 1))
    assert again == changed


def test_a_key_that_starts_later_cannot_end_before() -> None:
    text = f'a valid-after="20250601Z" {LINE}\n'
    with pytest.raises(AllowedSignersError, match="counts from"):
        ended(text, "signers", KEY.public, utc(2025, 1, 2))


@needs_ssh
@pytest.mark.parametrize(
    "options",
    [
        "",
        'namespaces="planctl"',
        'namespaces="pl*,x"',
        'namespaces="git"',
        'valid-before="20250601Z"',
        'valid-after="20250601Z"',
        'valid-before="20250101120000Z"',
        'valid-after="202501011200Z",valid-before="20260101Z"',
        'namespaces="planctl",valid-before="20250101115959Z"',
    ],
)
def test_ssh_keygen_takes_a_signature_when_planctl_does(tmp_path: Path, options: str) -> None:
    """At noon of 2025-01-01, for our namespace."""
    private, message, signers = tmp_path / "key", tmp_path / "message", tmp_path / "signers"
    private.write_bytes(KEY.text())
    private.chmod(0o600)
    message.write_bytes(b"message")
    text = " ".join(part for part in ("engineer", options, LINE) if part) + "\n"
    signers.write_text(text)
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "planctl", "-f", str(private), str(message)]
    subprocess.run(words, check=True, capture_output=True)
    verify = ["ssh-keygen", "-Y", "verify", "-n", "planctl", "-I", "engineer", "-f", str(signers)]
    verify += ["-s", f"{message}.sig", "-Overify-time=20250101120000Z"]
    theirs = subprocess.run(verify, input=b"message", capture_output=True, check=False)
    entry = one(text)
    ours = entry.for_receipts and entry.valid_at(utc(2025, 1, 1, 12))
    assert ours == (theirs.returncode == 0), theirs.stderr


@needs_ssh
@pytest.mark.parametrize(
    "principals", ["engineer", "*", "eng*", "!engineer,*", "a,engineer", '"a,eng?neer"', "boss"]
)
def test_ssh_keygen_gives_a_key_the_roles_that_planctl_gives(
    tmp_path: Path, principals: str
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(f"{principals} {LINE}\n")
    words = ["ssh-keygen", "-Y", "match-principals", "-I", "engineer", "-f", str(signers)]
    theirs = subprocess.run(words, capture_output=True, check=False)
    assert covers(one(signers.read_text()).principals, "engineer") == (theirs.returncode == 0)
