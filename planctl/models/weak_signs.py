"""Signs that lint may have something to say of a step: a look that every verdict can afford."""

from __future__ import annotations

import re

from planctl.models.check import Check, JsonCheck, LogCheck, LogValueCheck, SameCheck
from planctl.models.plan.plan import Plan, Step, checks_of

WORTH_READING = re.compile(
    r"\|\||&|set \+|\bexit\b|\btrue\b|\s:\s*$|\s-\w*c\s|\btrap\b|\$\(|`|\bif\b|!\s|\becho\b|<<|"
    r"\bprintf\b"
)
"""A command without any of these breaks no rule about commands but the one about names."""

_FAR = 1e300


def may_be_weak(plan: Plan, phase: str, step: Step) -> bool:
    """Tell whether lint is worth asking; it has the last word.

    Args:
        plan: The plan.
        phase: Phase of the step.
        step: The step.
    """
    if not checks_of(step) or not plan.inputs_of(phase, step):
        return True
    return WORTH_READING.search(step.run) is not None or any(map(_doubtful, step.checks))


def _doubtful(check: Check) -> bool:
    if isinstance(check, LogCheck):
        return check.matches is not None and re.search(check.matches, "") is not None
    if isinstance(check, JsonCheck | LogValueCheck):
        bounds = (check.gt, check.ge, check.lt, check.le)
        compared = check.of is not None or check.same_as is not None
        path = getattr(check, "path", "")
        odd = re.search(r"[`'=<>!]|length\(", path) is not None
        return compared or odd or any(abs(bound or 0) >= _FAR for bound in bounds)
    return isinstance(check, SameCheck)
