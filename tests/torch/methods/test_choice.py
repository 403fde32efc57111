from __future__ import annotations

import pytest

from ptycho_torch.methods.choice import Facts, choose_method

FOREIGN = "it was trained with another probe (difference 0.61)"


@pytest.mark.parametrize(
    ("photons", "patterns", "bundle", "misfit", "method", "reason"),
    [
        (1e6, 1000, False, None, "pie", "no trained network"),
        (1e3, 20, False, None, "pie", "no trained network"),
        (1e6, 1000, True, None, "pie", "nearer than a network"),
        (1e4, 1000, True, None, "hybrid", "only 1e+04 photons"),
        (1e6, 50, True, None, "hybrid", "only 50 patterns"),
        (1e4, 50, True, FOREIGN, "pie", "does not fit: it was trained with another probe"),
    ],
)
def test_auto_decides_by_dose_patterns_and_fit_and_says_why(
    photons: float, patterns: int, bundle: bool, misfit: str | None, method: str, reason: str
) -> None:
    choice = choose_method("auto", Facts(photons, patterns, bundle, misfit))
    assert choice.method == method
    assert choice.network == ("bundle" if method == "hybrid" else "none")
    assert reason in choice.reason
    assert "\n" not in choice.reason


@pytest.mark.parametrize("asked", ["net", "pie", "hybrid"])
@pytest.mark.parametrize("bundle", [False, True])
def test_what_was_asked_for_is_done(asked: str, bundle: bool) -> None:
    choice = choose_method(asked, Facts(1e3, 10, bundle, FOREIGN if bundle else None))  # type: ignore[arg-type]
    assert choice.method == asked
    network = "bundle" if bundle else "trained here"
    assert choice.network == ("none" if asked == "pie" else network)


@pytest.mark.parametrize(
    ("photons", "patterns", "method", "network"),
    [
        (1e3, 1000, "hybrid", "pretrained"),
        (6e4, 1000, "hybrid", "pretrained"),
        (1e6, 1000, "pie", "none"),
        (1e6, 100, "pie", "none"),
        (2e2, 1000, "hybrid", "pretrained"),
        (60.0, 1000, "pie", "none"),
    ],
)
def test_a_pretrained_network_is_for_few_photons_but_not_for_very_few(
    photons: float, patterns: int, method: str, network: str
) -> None:
    choice = choose_method("auto", Facts(photons, patterns, has_prior=True))
    assert (choice.method, choice.network) == (method, network)


def test_a_pretrained_network_is_used_when_it_is_asked_for() -> None:
    for asked in ("net", "hybrid"):
        choice = choose_method(asked, Facts(1e7, 1000, has_prior=True))  # type: ignore[arg-type]
        assert (choice.method, choice.network) == (asked, "pretrained")
