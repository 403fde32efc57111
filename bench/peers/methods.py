"""Which settings each package is run with.

All were tuned for this comparison, most of them on the very scan and truth they are then judged
by: an advantage that the project's own method, run with its defaults, does not get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Method:
    """A package with its settings.

    Attributes:
        peer: Whose adaptor, `run_<peer>.py`.
        name: What tables call it.
        settings: For the adaptor.
    """

    peer: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def asked(self, **changes: Any) -> dict[str, Any]:
        """Return the settings with some changed."""
        return {**self.settings, **changes}


def _lsqml(epochs: int, noise: str, stages: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """pty-chi's least-squares maximum likelihood; stages are (epochs, patterns a batch)."""
    return {
        "algorithm": "lsqml",
        "epochs": epochs,
        "stages": [
            {"epochs": number, "reconstructor": {"noise_model": noise, "batch_size": batch}}
            for number, batch in stages
        ],
    }


def _py4dstem(epochs: int, batch: int, step: float, least: float) -> dict[str, Any]:
    arguments = {"max_batch_size": batch, "step_size": step, "normalization_min": least}
    return {"epochs": epochs, "arguments": arguments}


def _lsqml_by(*stages: tuple[int, int], noise: str = "gaussian") -> Method:
    total = sum(number for number, _ in stages)
    return Method("ptychi", "pty-chi LSQML", _lsqml(total, noise, stages))


_MPIE = Method("ptylab", "PtyLab mPIE", {"engine": "mPIE", "epochs": 10})
_ADAM = Method("cdtools", "CDTools Adam", {"epochs": 14, "batch_size": 15, "lr": 0.04})
_GRADIENT = Method("py4dstem", "py4DSTEM gradient descent", _py4dstem(14, 16, 1.0, 0.2))

TRUE_PROBE = (_lsqml_by((24, 16)), _MPIE, _ADAM, _GRADIENT)
"""High dose, everything but the object known."""

REAL: Mapping[int, tuple[Method, ...]] = {
    64: (
        _lsqml_by((30, 32)),
        Method("ptylab", "PtyLab mPIE", {"engine": "mPIE", "epochs": 30}),
        Method("cdtools", "CDTools Adam", {"epochs": 40, "batch_size": 15, "lr": 0.02}),
        Method("py4dstem", "py4DSTEM gradient descent", _py4dstem(40, 16, 1.0, 0.2)),
    ),
    128: (_lsqml_by((30, 32)),),
}
"""The real scans, by the edge of a pattern; probes are updated."""

_STAGED = _lsqml_by((12, 32), (8, 200), (10, 1087), noise="poisson")
_POISSON = Method(
    "cdtools",
    "CDTools Adam, Poisson",
    {"epochs": 15, "batch_size": 15, "lr": 0.02, "loss": "poisson nll"},
)
FEW_PHOTONS: Mapping[float, tuple[Method, ...]] = {
    1e4: (_STAGED, _POISSON),
    1e3: (_STAGED, _POISSON),
}
"""By photons a pattern; the best epoch is chosen by the truth."""

SCENES: Mapping[str, tuple[Method, ...]] = {
    "texture 1e5 photons": TRUE_PROBE,
    "siemens 3e3 photons": (_lsqml_by((12, 32), (8, 200), noise="poisson"), _POISSON, _MPIE),
}
"""Simulated scans that no setting was tuned on."""
