"""Command lines that ask for the same run, and those that do not."""

from __future__ import annotations

import pytest

from planctl.models.same_command import commands, difference

KNOWN = "python src/train.py --output_dir out --epochs 10 --log-stats"
TEST = "python -m pytest tests/test_a.py::TestX -vv"


def told(asked: str, known: str = KNOWN) -> str | None:
    (one,), (other,) = commands(asked, {"OUT": "out"}), commands(known)
    return difference(one, other)


@pytest.mark.parametrize(
    "asked",
    [
        KNOWN,
        "python3.11 src/train.py --epochs 10",
        "python ./src/train.py --epochs=10 --log-stats --output_dir out_v2",
        "CUDA_VISIBLE_DEVICES=0 timeout 60 python -u src/train.py 2>&1 | tee log_v3.txt",
        "planctl run --log cli/x.log -- python src/train.py --epochs 10",
        "uv run python src/train.py --output_dir $OUT --verbose",
        "python src/train.py",
    ],
)
def test_spelling_and_place_of_output_make_no_difference(asked: str) -> None:
    assert told(asked) == ""


@pytest.mark.parametrize(
    ("asked", "extra"),
    [
        ("python src/train.py --epochs 20", "20 --epochs 20"),
        ("python src/train.py --epochs 10 --seed 7", "--seed 7"),
        ("python src/train.py other.npz", "other.npz"),
    ],
)
def test_another_value_flag_or_file_is_another_run(asked: str, extra: str) -> None:
    assert told(asked) == extra


def test_another_program_is_no_comparison() -> None:
    assert told("python src/infer.py --epochs 10") is None
    assert told("bash src/train.py") is None


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("pytest tests/test_a.py::TestX", True),
        ("pytest -q --tb=short tests/test_a.py::TestX::test_one", True),
        ("pytest tests/test_a.py::TestX[p]", True),
        ("pytest tests/test_a.py", False),
        ("pytest tests/test_a.py::TestXY", False),
        ("pytest tests/test_a.py::TestX -k slow", False),
    ],
)
def test_a_selector_within_another_is_covered_by_it(asked: str, same: bool) -> None:
    assert (told(asked, TEST) == "") is same


def test_what_is_no_command_gives_none() -> None:
    assert commands("export HUB=x OUT=y") == ()
    assert commands("") == ()
