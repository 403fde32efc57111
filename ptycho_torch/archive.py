"""A strict container: a zip with a manifest that names the hash of every member.

A container has exactly one byte representation (stored members, sorted by name, one fixed time
stamp), so equal contents give equal files and any changed byte is noticed, even one that no
member owns. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptycho_torch.artifacts import write_bytes
from ptycho_torch.errors import BundleError

MANIFEST = "manifest.json"
FORMAT = "ptycho_torch-bundle"
SCHEMA_VERSION = 1
MAX_JSON_BYTES = 1 << 20
MAX_TENSOR_BYTES = 1 << 30

_ZIP_MAGIC = b"PK"
_NO_BUNDLE = "give what `ptycho-torch train` or `pretrain` wrote, or drop --bundle for --pretrained"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"[a-z][a-z0-9_]*\.(json|safetensors)")
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".dill", ".pt", ".pth", ".ckpt", ".joblib")
# What zipfile raises, depending on which of its structures is damaged.
_ZIP_FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_RETRY = "copy the bundle again, or train again"


def write_archive(path: Path, members: Mapping[str, bytes], code_version: str) -> None:
    """Write a container; the file appears complete or not at all.

    Args:
        path: Target; an older file is replaced.
        members: Content by name; names end in `.json` or `.safetensors`.
        code_version: Version of the package that writes.
    """
    payload = _serialise({**members, MANIFEST: _manifest(members, code_version)})
    write_bytes(path, payload)


def is_archive(path: Path) -> bool:
    """Say whether a file claims to be a container; scans in NPZ files are zips too.

    Args:
        path: The file.

    Returns:
        True for a zip with a manifest.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a container and check all of it.

    Args:
        path: The file.

    Returns:
        The manifest, and every other member's content by name.

    Raises:
        BundleError: The file is missing, damaged, foreign, or holds anything its manifest does
            not vouch for; the message says what and where.
    """
    raw = _read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {info.filename: _read_member(path, archive, info) for info in _infos(archive)}
    except _ZIP_FAILURES as error:
        if not raw.startswith(_ZIP_MAGIC):
            raise BundleError(f"`{path}` is no bundle: no ZIP archive", _NO_BUNDLE) from error
        raise BundleError(f"`{path}` is damaged: {error}", _RETRY) from error
    manifest = _checked_manifest(path, members.pop(MANIFEST, None))
    _check_members(path, manifest, members)
    if _serialise({**members, MANIFEST: encode_json(manifest)}) != raw:
        raise BundleError(f"`{path}` was changed after it was written", _RETRY)
    return manifest, members


def parse_json(path: Path, name: str, content: bytes) -> dict[str, Any]:
    """Decode a JSON member that must be an object.

    Args:
        path: The container, for the message.
        name: The member.
        content: Its bytes.

    Returns:
        The object.

    Raises:
        BundleError: Not UTF-8, not JSON or not an object.
    """
    try:
        value = json.loads(content)
    except ValueError as error:
        raise BundleError(f"`{name}` in `{path}` is not JSON: {error}", _RETRY) from error
    if not isinstance(value, dict):
        raise BundleError(f"`{name}` in `{path}` is not a JSON object", _RETRY)
    return value


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Encode an object in the container's one spelling; floats survive bit for bit.

    Args:
        value: What to encode; NaN and infinity are refused.

    Returns:
        UTF-8 bytes.
    """
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _manifest(members: Mapping[str, bytes], code_version: str) -> bytes:
    return encode_json(
        {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "code_version": code_version,
            "members": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                for name, content in members.items()
            },
        }
    )


def _serialise(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > 2 * MAX_TENSOR_BYTES:
            raise BundleError(f"`{path}` has {size} bytes, more than a bundle may have")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"cannot read bundle `{path}`: {error.strerror}", "check the path; train writes it"
        ) from error


def _infos(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise zipfile.BadZipFile(f"a member occurs twice among {names}")
    return infos


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one member after its name and size were found harmless."""
    name = info.filename
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise BundleError(f"member `{name}` of `{path}` leaves the bundle's folder")
    if name.lower().endswith(_PICKLE_SUFFIXES):
        raise BundleError(
            f"member `{name}` of `{path}` is a pickle, which can run code when loaded",
            "only bundles written by ptycho_torch are read; train again",
        )
    if not _NAME.fullmatch(name):
        raise BundleError(f"`{path}` is no bundle: it holds `{name}`", _NO_BUNDLE)
    limit = MAX_JSON_BYTES if name.endswith(".json") else MAX_TENSOR_BYTES
    if info.file_size > limit:
        raise BundleError(
            f"member `{name}` of `{path}` has {info.file_size} bytes, more than {limit}"
        )
    if info.compress_type != zipfile.ZIP_STORED:
        raise BundleError(f"member `{name}` of `{path}` is compressed", _RETRY)
    return archive.read(info)


def _checked_manifest(path: Path, content: bytes | None) -> dict[str, Any]:
    if content is None:
        raise BundleError(f"`{path}` has no `{MANIFEST}`: not a model bundle", _RETRY)
    manifest = parse_json(path, MANIFEST, content)
    if manifest.get("format") != FORMAT:
        raise BundleError(f"`{path}` has the format {manifest.get('format')!r}, not `{FORMAT}`")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"`{path}` has the unknown schema version {version!r}; this version of ptycho_torch "
            f"reads {SCHEMA_VERSION}",
            "load it with the version that wrote it, or train again",
        )
    if not isinstance(manifest.get("members"), dict):
        raise BundleError(f"the manifest of `{path}` names no members", _RETRY)
    return manifest


def _check_members(path: Path, manifest: dict[str, Any], members: Mapping[str, bytes]) -> None:
    expected = manifest["members"]
    if set(expected) != set(members):
        odd = sorted(set(expected) ^ set(members))
        raise BundleError(f"`{path}` and its manifest disagree about the members {odd}", _RETRY)
    for name, content in members.items():
        digest = hashlib.sha256(content).hexdigest()
        if expected[name] != {"sha256": digest, "size": len(content)}:
            raise BundleError(
                f"member `{name}` of `{path}` has the SHA-256 {digest[:12]}…, "
                f"which is not the one in the manifest",
                _RETRY,
            )
