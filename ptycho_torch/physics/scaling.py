"""Every factor between a file's numbers, photons and what the network sees.

Three units of amplitude occur:

- file: whatever the file holds (the square root of counts, usually);
- photons: the square root of photons, `intensity_scale` times the file's amplitude;
- unit dose: the file's amplitude times `amplitude_scale`, so that a pattern's mean sum of squares
  is 1; the probe, times `probe_factor`, has unit energy. All losses work in this unit, and
  |O| is about 1 in vacuum at every dose.

The network's first channel is the unit-dose amplitude times `input_scale` = N, of order one.

All are computed once, from the training split, and travel in the model bundle. A missing scale is
an error, never 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.errors import BundleError, DataFileError


@dataclass(frozen=True)
class Scales:
    """The frozen scales of one training.

    Attributes:
        intensity_scale: S = sqrt(nphotons / mean sum of x^2), x the file's amplitude; (S x)^2 are
            photons.
        amplitude_scale: File amplitude to unit dose, 1 / sqrt(mean_intensity).
        input_scale: Unit-dose amplitude to the network's first channel.
        probe_factor: The file's probe to unit energy.
        nphotons: Mean photons per pattern.
        mean_intensity: Mean over patterns of the sum of x^2, in the file's unit.
        origins: For every scale, in words, where it came from.
    """

    intensity_scale: float
    amplitude_scale: float
    input_scale: float
    probe_factor: float
    nphotons: float
    mean_intensity: float
    origins: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON; floats survive bit for bit.

        Returns:
            One entry an attribute.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scales:
        """Read back what `to_dict` wrote.

        Args:
            values: One entry an attribute.

        Returns:
            The same scales.

        Raises:
            BundleError: A scale is missing, unknown, not a number or not positive.
        """
        names = [f.name for f in fields(cls)]
        for name in names:
            if name not in values:
                raise BundleError(
                    f"scale `{name}` is missing", hint="train again; a scale is never guessed"
                )
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise BundleError(
                f"unknown scales {unknown}", hint="read it with the version that wrote it"
            )
        numbers = {name: _positive(name, values[name]) for name in names if name != "origins"}
        return cls(**numbers, origins=dict(values["origins"]))

    def with_probe_in_data_unit(self) -> Scales:
        """Return the scales of a probe that gives the data: probe times object are the patterns.

        Whatever power the file's probe has, one of unit energy over this `probe_factor` predicts
        |F(P O)|^2 in the unit of the file's amplitudes squared, with the object as it is.

        Returns:
            The same scales, but `probe_factor` is `amplitude_scale`.
        """
        said = "amplitude_scale: probe x object are the data"
        origins = {**self.origins, "probe_factor": said}
        return replace(self, probe_factor=self.amplitude_scale, origins=origins)

    def lines(self) -> list[str]:
        """One line a scale with its value and origin, for the log.

        Returns:
            Lines such as `intensity_scale = 988.2118 (sqrt(1e+09 / 1024))`.
        """
        return [
            f"{f.name} = {getattr(self, f.name):.7g} ({self.origins.get(f.name, 'origin unknown')})"
            for f in fields(self)
            if f.name != "origins"
        ]


def intensity_scale(nphotons: float, mean_intensity: float) -> float:
    """Factor from the file's amplitude to the square root of photons.

    Args:
        nphotons: Mean photons per pattern.
        mean_intensity: Mean over patterns of the sum of x^2.

    Returns:
        sqrt(nphotons / mean_intensity); 988.2118 for 1e9 photons and a mean of 1024.
    """
    return math.sqrt(nphotons / mean_intensity)


def compute_scales(
    amplitude: npt.NDArray[Any],
    probe: npt.NDArray[Any],
    nphotons: float | None = None,
    nphotons_origin: str = "as given",
) -> Scales:
    """Compute every scale from the training split.

    Args:
        amplitude: (n, row, col) measured amplitude in the file's unit.
        probe: (mode, row, col) complex, in any unit.
        nphotons: Mean photons per pattern; None takes the file's amplitudes as square roots of
            photon counts.
        nphotons_origin: Where `nphotons` came from, in words.

    Returns:
        The scales, each with its origin.

    Raises:
        DataFileError: The patterns or the probe carry no energy.
    """
    mean = float(np.mean(np.sum(np.square(amplitude, dtype=np.float64), axis=(-2, -1))))
    energy = float(np.sum(np.square(np.abs(probe), dtype=np.float64)))
    for name, value in (("diffraction", mean), ("probe", energy)):
        if not (math.isfinite(value) and value > 0):
            raise DataFileError(
                f"`{name}` has the energy {value:g}", hint="the scales need light in every array"
            )
    photons = mean if nphotons is None else float(nphotons)
    size = int(amplitude.shape[-1])
    origins = {
        "intensity_scale": f"sqrt({photons:.6g} photons / {mean:.6g} mean sum of squares)",
        "amplitude_scale": f"1 / sqrt({mean:.6g}), over {len(amplitude)} training patterns",
        "input_scale": f"edge of the pattern, {size} px",
        "probe_factor": f"1 / sqrt({energy:.6g}), the energy of the probe",
        "nphotons": "mean counts of the training patterns" if nphotons is None else nphotons_origin,
        "mean_intensity": f"mean sum of squares over {len(amplitude)} training patterns",
    }
    return Scales(
        intensity_scale=intensity_scale(photons, mean),
        amplitude_scale=1.0 / math.sqrt(mean),
        input_scale=float(size),
        probe_factor=1.0 / math.sqrt(energy),
        nphotons=photons,
        mean_intensity=mean,
        origins=origins,
    )


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleError(f"scale `{name}` is {value!r}, not a number", hint="train again")
    if not (math.isfinite(value) and value > 0):
        raise BundleError(f"scale `{name}` is {value!r}, not a positive number", hint="train again")
    return float(value)
