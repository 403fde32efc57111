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


def lsqml(name: str, epochs: int, batch: int, **reconstructor: Any) -> Method:
    """pty-chi's least-squares maximum likelihood."""
    options = {"batch_size": batch, **reconstructor}
    return Method(
        "ptychi", name, {"algorithm": "lsqml", "epochs": epochs, "reconstructor": options}
    )


TRUE_PROBE: tuple[Method, ...] = ()
REAL: Mapping[int, tuple[Method, ...]] = {}
FEW_PHOTONS: Mapping[float, tuple[Method, ...]] = {}
SCENES: Mapping[str, tuple[Method, ...]] = {}
