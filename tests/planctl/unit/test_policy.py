"""The policy of planctl.toml: which rule a phase has, and what cannot stand there."""

from __future__ import annotations

import pytest

from planctl.errors import BadFileError
from planctl.models.settings import parse_settings
from planctl.models.signing.policy import Policy, Requirement, Rule


def policy(text: str) -> Policy:
    return parse_settings(text, "planctl.toml").policy


def asked(text: str, name: str) -> str:
    return str(policy(text).of(*name.split("/")))


def test_without_a_policy_nothing_is_asked() -> None:
    assert asked("", "X/A") == "recorded"
    assert not policy("").of("X", "A").asks


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("X/A", "other-role"),
        ("X/B", "signed"),
        ("Y/A", "recorded"),
        ("REL-1/Z", "signed by ci, ops"),
        ("SPIKE-1/A", "recorded"),
        ("SPIKE-2/A", "signed"),
        ("REL-1/Q", "recorded"),
    ],
)
def test_the_exact_line_then_the_strictest_pattern_then_the_default(name: str, rule: str) -> None:
    text = """
    [policy]
    require = "signed"
    [policy.phases]
    "X/A" = "other-role"
    "Y/*" = "recorded"
    "REL-*/*" = { require = "signed", roles = ["ci", "ops"] }
    "*-1/?" = "recorded"
    "REL-1/Q" = "recorded"
    "SPIKE-*/*" = "recorded"
    "*2/A" = "signed"
    """
    assert asked(text, name) == rule


def test_roles_alone_ask_for_a_signature() -> None:
    assert policy('[policy]\nroles = ["ci"]').of("X", "A").asks


def test_an_auditor_only_ever_asks_for_more() -> None:
    rule = Rule(require=Requirement.SIGNED, roles=("ci",))
    assert str(rule.at_least(Requirement.RECORDED)) == "signed by ci"
    assert str(rule.at_least(Requirement.OTHER_ROLE)) == "other-role by ci"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[policy]\nrequire = "sigend"', "`policy.require`"),
        ('[policy]\nrequires = "signed"', "`policy.requires`: unknown key"),
        ('[policy]\nroles = ["*"]', "no name of a role"),
        ('[policy]\nroles = ["a,b"]', "no name of a role"),
        ('[policy.phases]\n"X" = "signed"', "is not INITIATIVE/PHASE"),
        ('[policy.phases]\n"X/A/B" = "signed"', "is not INITIATIVE/PHASE"),
        ('[policy.phases]\n"/A" = "signed"', "is not INITIATIVE/PHASE"),
        ('[policy.phases]\n"X/A" = "no"', "`policy.phases.X/A`"),
        ('[policy.phases]\n"X/A" = 1', "`policy.phases.X/A`"),
        ('[policy.phases]\n"X/A" = { role = "ci" }', "unknown key"),
        ('[signing]\nallowed_signers = "../x"', "`signing.allowed_signers`"),
        ('[signing]\nallowed_signers = "/etc/x"', "`signing.allowed_signers`"),
        ('[signing]\nkeys = "x"', "`signing.keys`: unknown key"),
    ],
)
def test_what_cannot_be_names_file_and_key(text: str, said: str) -> None:
    with pytest.raises(BadFileError) as caught:
        parse_settings(text, "planctl.toml")
    assert caught.value.message.startswith("planctl.toml: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("X/A", False),
        ("X/*", False),
        ("*/A", False),
        ("Y/Anything", False),  # another initiative's phases are not looked up
        ("X/Z", True),
        ("W/A", True),
        ("*/Z?", False),  # may be a phase of Y
    ],
)
def test_a_line_that_names_nothing_is_found(scope: str, lost: bool) -> None:
    found = policy(f'[policy.phases]\n"{scope}" = "signed"').strangers(["X", "Y"], "X", ["A", "B"])
    assert bool(found) is lost
