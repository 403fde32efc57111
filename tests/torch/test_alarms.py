from __future__ import annotations

import pytest

from ptycho_torch.alarms import dose_alarms, object_alarms, share_left, training_alarms
from ptycho_torch.errors import DivergedError


def slugs(remarks: tuple[object, ...]) -> list[str]:
    return [remark.slug for remark in remarks]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("loss", "noise", "expected"),
    [
        (0.002, 1e-6, []),
        (0.08, 1e-6, ["collapse"]),
        (0.06, 0.05, []),
        (0.095, 0.05, ["collapse"]),
        (0.02, 0.05, ["overfit"]),
        (0.099, 0.0999, []),
    ],
)
def test_training_is_judged_above_the_photon_noise(
    loss: float, noise: float, expected: list[str]
) -> None:
    assert slugs(training_alarms(loss, 0.1, noise)) == expected


def test_where_the_flat_object_is_no_worse_than_noise_nothing_can_be_told() -> None:
    assert share_left(0.5, 0.51, 0.5) is None
    assert share_left(0.1, 0.1, 0.02) == pytest.approx(1)


@pytest.mark.parametrize(
    ("r_factor", "noise", "expected"),
    [
        (0.011, 0.01, []),
        (0.022, 0.01, []),
        (0.024, 0.01, ["misfit"]),
        (0.116, 0.01, ["misfit"]),
        (0.21, 0.01, ["unexplained"]),
        (0.14, 0.12, []),
        (0.15, 0.12, ["misfit"]),
        (0.228, 0.2, []),
    ],
)
def test_an_object_far_above_noise_is_named(
    r_factor: float, noise: float, expected: list[str]
) -> None:
    assert slugs(object_alarms(r_factor**2, 0.23**2, noise**2)) == expected


def test_an_object_worse_than_no_light_is_a_diverged_run() -> None:
    with pytest.raises(DivergedError, match=r"R factor is 6\.6"):
        object_alarms(6.6**2, 0.2**2, 0.01**2)


def test_few_photons_on_an_object_pixel_are_named_with_the_noise_they_leave() -> None:
    assert dose_alarms(45) == ()
    (alarm,) = dose_alarms(4)
    assert alarm.slug == "few-photons"
    assert "photon noise of about 0.5" in alarm.message
    assert slugs(dose_alarms(0.0)) == ["few-photons"]
