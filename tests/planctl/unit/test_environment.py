"""What is recorded of the packages that are installed."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

import pytest

from planctl.ops.environment import installed_packages


def test_packages_are_those_of_the_standard_library() -> None:
    wanted: dict[str, str] = {}
    for item in distributions():
        wanted.setdefault(item.metadata["Name"], item.version)
    assert len(wanted) > 20
    assert installed_packages() == wanted


def _install(place: Path, folder: str, file: str, text: str) -> None:
    (place / folder).mkdir(parents=True)
    (place / folder / file).write_bytes(text.encode())


@pytest.mark.parametrize(
    ("folder", "file", "text"),
    [
        ("x-1.dist-info", "METADATA", "Version: 1\nName: x.y\n\nName: other\nVersion: 9\n"),
        ("x-1.dist-info", "METADATA", "Name: x.y\r\nVersion: 1\r\n\r\nVersion: 9\r\n"),
        ("x-1.dist-info", "METADATA", "Name: x.y\nVersion: 1\nName: later\n"),
        ("x.egg-info", "PKG-INFO", "Metadata-Version: 1.2\nName: x.y\nVersion: 1\n"),
    ],
    ids=["description", "CRLF", "twice", "egg"],
)
def test_a_version_is_read_from_the_head_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, file: str, text: str
) -> None:
    _install(tmp_path, folder, file, text)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert installed_packages() == {"x.y": "1"}


def test_of_two_the_one_that_python_imports_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1", "2"):
        text = f"Name: x\nVersion: {version}\n"
        _install(tmp_path / version, f"x-{version}.dist-info", "METADATA", text)
    monkeypatch.setattr("sys.path", [str(tmp_path / "1"), str(tmp_path / "2")])
    assert installed_packages() == {"x": "1"}


def test_an_installation_without_a_name_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "x-1.dist-info", "METADATA", "Metadata-Version: 2.1\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert installed_packages() == {}
