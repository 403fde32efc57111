from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planctl._redaction import MARK, Redactor


def streamed(redactor: Redactor, pieces: list[bytes]) -> bytes:
    return b"".join([*(redactor.feed(piece) for piece in pieces), redactor.close()])


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_secret_cut_by_a_read_is_taken_out(cut: int) -> None:
    text = b"a hunter2 in b hunter2"
    assert streamed(Redactor(["hunter2"]), [text[:cut], text[cut:]]) == (
        b"a [redacted] in b [redacted]"
    )


def test_text_without_a_beginning_of_a_secret_is_not_held_back() -> None:
    assert Redactor(["hunter2"]).feed(b"epoch 3: loss 0.2\n") == b"epoch 3: loss 0.2\n"


def test_a_beginning_that_is_no_secret_comes_out_at_the_end() -> None:
    redactor = Redactor(["hunter2"])
    assert redactor.feed(b"a hunt") == b"a "
    assert redactor.close() == b"hunt"


def test_the_rest_of_a_longer_overlapping_secret_does_not_show() -> None:
    out = streamed(Redactor(["abc", "abcdef", "efgh"]), [b"-ab", b"cde", b"fgh-"])
    assert out == b"-[redacted]-"


def test_empty_secrets_change_nothing() -> None:
    assert streamed(Redactor(["", ""]), [b"abc", b"def"]) == b"abcdef"


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.text("abc", max_size=30),
    st.lists(st.integers(0, 30), max_size=5),
)
def test_cutting_the_stream_anywhere_gives_what_the_whole_text_gives(
    secrets: list[str], text: str, cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b].encode() for a, b in itertools.pairwise(edges)]
    out = streamed(Redactor(secrets), pieces)
    assert out == Redactor(secrets).text(text).encode()
    plain = out.replace(MARK, b"|")
    assert not any(secret.encode() in plain for secret in secrets)
