"""`planctl.toml`: the settings of a repository."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from planctl.errors import BadFileError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from planctl.models.audit_settings import AuditSettings
    from planctl.models.brief.settings import BriefSettings
    from planctl.models.diff_kinds import TurnsSettings
    from planctl.models.dwell import DwellSettings, ProgressSettings
    from planctl.models.ledger.settings import LedgerSettings
    from planctl.models.lint import LintSettings
    from planctl.models.loop_settings import LoopSettings
    from planctl.models.signing.policy import Policy, SigningSettings
    from planctl.models.slurm_settings import SlurmSettings
    from planctl.models.turn.settings import EvidenceSettings, TurnSettings

SCHEMA = "planctl/settings/v1"
# Section: the module below `planctl.models` that has it, and what it is called there.
_SECTIONS = {
    "slurm": "slurm_settings.SlurmSettings",
    "signing": "signing.policy.SigningSettings",
    "policy": "signing.policy.Policy",
    "audit": "audit_settings.AuditSettings",
    "lint": "lint.LintSettings",
    "turns": "diff_kinds.TurnsSettings",
    "dwell": "dwell.DwellSettings",
    "progress": "dwell.ProgressSettings",
    "turn": "turn.settings.TurnSettings",
    "evidence": "turn.settings.EvidenceSettings",
    "loop": "loop_settings.LoopSettings",
    "ledger": "ledger.settings.LedgerSettings",
    "brief": "brief.settings.BriefSettings",
}
_MAX_CHARS = 250_000
# tomllib takes the square of their number for a dotted key.
_MAX_DOTS = 200


class Settings:
    """All of `planctl.toml`.

    A section that the file does not have is made of its defaults when somebody asks for it: no
    command needs all of them, and each costs an import and the building of a schema.

    Args:
        sections: Those that the file has.
    """

    def __init__(self, sections: Mapping[str, BaseModel]) -> None:
        self._sections = dict(sections)

    def _section(self, name: str) -> BaseModel:
        if name not in self._sections:
            self._sections[name] = _model(name)()
        return self._sections[name]

    @property
    def slurm(self) -> SlurmSettings:
        """`[slurm]`."""
        return cast("SlurmSettings", self._section("slurm"))

    @property
    def signing(self) -> SigningSettings:
        """`[signing]`."""
        return cast("SigningSettings", self._section("signing"))

    @property
    def policy(self) -> Policy:
        """`[policy]`."""
        return cast("Policy", self._section("policy"))

    @property
    def audit(self) -> AuditSettings:
        """`[audit]`."""
        return cast("AuditSettings", self._section("audit"))

    @property
    def lint(self) -> LintSettings:
        """`[lint]`."""
        return cast("LintSettings", self._section("lint"))

    @property
    def turns(self) -> TurnsSettings:
        """`[turns]`."""
        return cast("TurnsSettings", self._section("turns"))

    @property
    def dwell(self) -> DwellSettings:
        """`[dwell]`."""
        return cast("DwellSettings", self._section("dwell"))

    @property
    def progress(self) -> ProgressSettings:
        """`[progress]`."""
        return cast("ProgressSettings", self._section("progress"))

    @property
    def turn(self) -> TurnSettings:
        """`[turn]`."""
        return cast("TurnSettings", self._section("turn"))

    @property
    def evidence(self) -> EvidenceSettings:
        """`[evidence]`."""
        return cast("EvidenceSettings", self._section("evidence"))

    @property
    def loop(self) -> LoopSettings:
        """`[loop]`."""
        return cast("LoopSettings", self._section("loop"))

    @property
    def ledger(self) -> LedgerSettings:
        """`[ledger]`."""
        return cast("LedgerSettings", self._section("ledger"))

    @property
    def brief(self) -> BriefSettings:
        """`[brief]`."""
        return cast("BriefSettings", self._section("brief"))


def _model(section: str) -> type[BaseModel]:
    module, _, name = _SECTIONS[section].rpartition(".")
    found: type[BaseModel] = getattr(importlib.import_module(f"planctl.models.{module}"), name)
    return found


@lru_cache(maxsize=8)
def parse_settings(text: str, path: str) -> Settings:
    """Read the text of a `planctl.toml`.

    Args:
        text: Its content.
        path: Its name, for errors.

    Raises:
        BadFileError: Not TOML, an unknown key, a value that cannot be; names file and key.
    """
    if len(text) > _MAX_CHARS:
        raise BadFileError(path, f"is larger than {_MAX_CHARS:,} characters")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS:
            raise BadFileError(path, f"has more than {_MAX_DOTS} dots in a line", line=number)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Lists within lists without end, or a number of thousands of digits, are none either.
        raise BadFileError(path, f"is not TOML: {error}") from error
    settings = _read(raw, path)
    for name in raw:
        if name not in ("schema", *_SECTIONS):
            raise _unknown(path, name, ("schema", *_SECTIONS))
    return settings


def _read(raw: dict[str, Any], path: str) -> Settings:
    if raw.get("schema", SCHEMA) != SCHEMA:
        said = f"Input should be '{SCHEMA}' (is `{raw['schema']}`)"
        raise BadFileError(path, said, key="schema")
    return Settings({name: _parsed(name, raw[name], path) for name in _SECTIONS if name in raw})


def _parsed(section: str, raw: object, path: str) -> BaseModel:
    from pydantic import ValidationError

    try:
        return _model(section).model_validate(raw)
    except ValidationError as error:
        raise _explained(error, section, path) from error


def _explained(error: ValidationError, section: str, path: str) -> BadFileError:
    first = error.errors()[0]
    # Members of a union (`int`, `str`) stand behind the key they were tried for.
    loc = [section, *(str(part) for part in first["loc"])]
    deep = loc[:2] in (["slurm", "sbatch"], ["policy", "phases"])
    key = ".".join(loc[:3] if deep else loc[: 4 if loc[:2] == ["lint", "waive"] else 2])
    if first["type"] == "extra_forbidden":
        return _unknown(path, key, _model(section).model_fields)
    if first["type"] == "value_error":
        return BadFileError(path, first["msg"].removeprefix("Value error, "), key=key)
    return BadFileError(path, f"{first['msg']} (is `{first['input']}`)", key=key)


def _unknown(path: str, key: str, known: Iterable[str]) -> BadFileError:
    listed = ", ".join(f"`{name}`" for name in known)
    return BadFileError(path, "unknown key", key=key, hint=f"there are {listed}")
