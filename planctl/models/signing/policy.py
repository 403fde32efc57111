"""The policy of `planctl.toml`: whose signatures the evidence of a phase must carry."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from planctl.models.paths import contained_path
from planctl.models.signing.name_patterns import is_pattern, meet


class Requirement(StrEnum):
    """What a receipt must carry to count, weakest first."""

    RECORDED = "recorded"
    SIGNED = "signed"
    OTHER_ROLE = "other-role"

    @property
    def rank(self) -> int:
        """Its place among the requirements; higher asks for more."""
        return tuple(Requirement).index(self)


def _role(name: str) -> str:
    if not name or not name.isprintable() or "," in name or is_pattern(name):
        raise ValueError(f"`{name}` is no name of a role: no pattern, no comma")
    return name


def _scope(name: str) -> str:
    initiative, slash, phase = name.partition("/")
    if not initiative or not slash or not phase or "/" in phase or not name.isprintable():
        raise ValueError(f"`{name}` is not INITIATIVE/PHASE; both may hold `*` and `?`")
    return name


def _as_rule(value: Any) -> Any:
    return {"require": value} if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Model):
    """What one phase asks for.

    Attributes:
        require: How strong the proof must be.
        roles: One of these must have signed; any role when empty.
    """

    require: Requirement = Requirement.RECORDED
    roles: tuple[Annotated[str, AfterValidator(_role)], ...] = ()

    @property
    def asks(self) -> bool:
        """A receipt without signatures does not do."""
        return self.require is not Requirement.RECORDED or bool(self.roles)

    def at_least(self, require: Requirement) -> Rule:
        """Return the rule, made as strict as somebody else asks."""
        return (
            self if require.rank <= self.require.rank else Rule(require=require, roles=self.roles)
        )

    def __str__(self) -> str:
        """Return the rule in words, as a receipt records it."""
        return f"{self.require} by {', '.join(self.roles)}" if self.roles else str(self.require)


class Policy(Rule):
    """`[policy]`: the rule of every phase, and of some another.

    Attributes:
        phases: `INITIATIVE/PHASE` (patterns with `*` and `?`) → its rule.
    """

    phases: dict[
        Annotated[str, AfterValidator(_scope)], Annotated[Rule, BeforeValidator(_as_rule)]
    ] = Field(default_factory=dict)

    def of(self, initiative: str, phase: str) -> Rule:
        """Return the rule of a phase.

        The line that names it without a pattern decides; else the strictest of the patterns that
        fit; else what `[policy]` itself says.
        """
        name = f"{initiative}/{phase}"
        if name in self.phases:
            return self.phases[name]
        fitting = [rule for scope, rule in self.phases.items() if _fits(scope, initiative, phase)]
        own = Rule(require=self.require, roles=self.roles)
        return max(fitting, key=lambda rule: (rule.require.rank, bool(rule.roles)), default=own)

    def strangers(self, initiatives: list[str], initiative: str, phases: list[str]) -> list[str]:
        """Return scopes that name nothing: a slip of the pen would switch a policy off.

        Args:
            initiatives: All there are.
            initiative: One of them, whose `phases` are known.
            phases: The names of its phases.
        """
        return [
            scope
            for scope in self.phases
            if not any(
                _fits(scope, item, phase)
                for item in initiatives
                for phase in (phases if item == initiative else (scope.partition("/")[2],))
            )
        ]


def _fits(scope: str, initiative: str, phase: str) -> bool:
    first, _, second = scope.partition("/")
    return meet(first, initiative) and meet(second, phase)


class SigningSettings(_Model):
    """`[signing]`: which key signs here, and where trusted keys are listed.

    Attributes:
        key: Path of the private key; `~` is the home folder. `PLANCTL_SIGNING_KEY` goes before.
        allowed_signers: Tracked file of trusted keys.
        revoked_keys: Tracked file of keys that count no more.
    """

    key: str | None = None
    allowed_signers: Annotated[str, AfterValidator(contained_path)] = ".planctl/allowed_signers"
    revoked_keys: Annotated[str, AfterValidator(contained_path)] = ".planctl/revoked_keys"
