"""Are the positions in the right scale, and does their frame stand straight?

A wrong distance or energy makes the object's pixel wrong, and with it all distances in pixels; a
stage that is turned against the detector turns them. Both are tried: a ladder first, then smaller
steps about its best rung.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ptycho_torch.data.placement import scaled
from ptycho_torch.data.scan import Array
from ptycho_torch.reconstruct.trials import Trial, Trials, significance

LOG_SCALES = (-0.35, -0.175, 0.0, 0.175, 0.35)
ANGLES_DEG = (-8.0, 0.0, 8.0)
_LARGEST_LOG_SCALE = 0.5
_LARGEST_ANGLE_DEG = 45.0
_FINEST_LOG_SCALE = 0.01
_FINEST_ANGLE_DEG = 0.5
_NEAR = 0.15
"""Steps of the ladder; nearer to the given frame nothing finer is tried."""
_FINER = 3.0
_STRAIGHT_DEG = 1.5
_TRUE_SCALE = 0.03
_BETTER = 1.1
"""The given frame has to leave more than this times the misfit of the best one,"""
_WORTHWHILE = 0.1
"""or more by this share of what there is to explain, where photon noise is most of both."""
_SIGNIFICANT = 3.0
"""Standard errors."""


@dataclass(frozen=True)
class FrameTest:
    """What scale and rotation explain the patterns best.

    Attributes:
        scale: Factor that the given positions want.
        rotation_deg: Angle that they want, see `data.placement.scaled`.
        misfit: What the best frame leaves of patterns it has not seen.
        given_misfit: What the given one leaves.
        clear: Whether the best one is believed rather than the given one.
    """

    scale: float
    rotation_deg: float
    misfit: float
    given_misfit: float
    clear: bool

    @property
    def scale_wrong(self) -> bool:
        """Whether the positions want another scale."""
        return self.clear and abs(math.log(self.scale)) > _TRUE_SCALE

    @property
    def rotation_wrong(self) -> bool:
        """Whether the positions want to be turned."""
        return self.clear and abs(self.rotation_deg) > _STRAIGHT_DEG


def find_frame(trials: Trials, positions_px: Array) -> FrameTest:
    """Try other scales and rotations of a scan's positions.

    Args:
        trials: The part of the scan.
        positions_px: (n, 2) float64, its positions.

    Returns:
        The best ones beside the given one.

    Raises:
        DivergedError: A trial became non-finite.
    """
    known: dict[tuple[float, float], Trial] = {}

    def at(log_scale: float, angle_deg: float) -> float:
        key = (round(log_scale, 6), round(angle_deg, 6))
        if key not in known:
            known[key] = trials.run(scaled(positions_px, math.exp(log_scale), angle_deg))
        return known[key].misfit

    log_scale = _lowest(
        lambda x: at(x, 0.0), list(LOG_SCALES), _LARGEST_LOG_SCALE, _FINEST_LOG_SCALE
    )
    _lowest(lambda x: at(log_scale, x), list(ANGLES_DEG), _LARGEST_ANGLE_DEG, _FINEST_ANGLE_DEG)
    best = min(known, key=lambda key: known[key].misfit)
    given = known[0.0, 0.0]
    better = known[best]
    clear = clearly_better(trials, given, better)
    return FrameTest(math.exp(best[0]), best[1], better.misfit, given.misfit, clear)


def clearly_better(trials: Trials, given: Trial, better: Trial) -> bool:
    """Tell whether a trial predicts patterns so much better that its positions are believed.

    Args:
        trials: Where both come from.
        given: The trial at the given positions.
        better: The other one, of as many epochs.
    """
    gain = given.misfit - better.misfit
    large = given.misfit > _BETTER * better.misfit or (
        gain > _WORTHWHILE * (trials.constant() - better.misfit)
    )
    return large and gain > 0 and significance(given, better) > _SIGNIFICANT


def _lowest(
    value: Callable[[float], float], ladder: list[float], limit: float, finest: float
) -> float:
    """Find the lowest value: on a ladder, beyond its end, then by parabolas about its best rung."""
    step = ladder[1] - ladder[0]
    best = min(ladder, key=value)
    while best in (min(ladder), max(ladder)) and abs(best) + step <= limit:
        ladder.append(best + math.copysign(step, best))
        best = min(ladder, key=value)
    offset = _vertex(value(best - step), value(best), value(best + step)) * step
    if best == 0.0 and abs(offset) < _NEAR * step:
        return best
    while step > finest:
        best = min((best, best + offset), key=value)
        step /= _FINER
        offset = _vertex(value(best - step), value(best), value(best + step)) * step
    return best


def _vertex(left: float, middle: float, right: float) -> float:
    """Lowest point of the parabola through three rungs: where, in steps from the middle one."""
    curvature = left + right - 2 * middle
    if curvature <= 0:
        return -1.0 if left < right else 1.0
    return max(-1.0, min(1.0, (left - right) / (2 * curvature)))
