"""Energy, distance and pixel sizes of a CXI or NXcxi_ptycho file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptycho_torch.data.formats import cxi_names as cxi
from ptycho_torch.data.formats.geometry import (
    ELECTRONVOLT_J,
    PLANCK_TIMES_LIGHT_EV_M,
    object_pixel_m,
)
from ptycho_torch.data.formats.hdf5 import Hdf5Source
from ptycho_torch.errors import DataFileError

_ENERGY = (
    f"{cxi.BEAM}/incident_beam_energy",
    f"{cxi.BEAM}/incident_energy",
    f"{cxi.BEAM}/energy",
    f"{cxi.BEAM}/wavelength",
    f"{cxi.BEAM}/incident_wavelength",
    f"{cxi.SOURCE}/energy",
    f"{cxi.SOURCE}/wavelength",
)
_UNITS_EV = {
    "j": 1 / ELECTRONVOLT_J,
    "joule": 1 / ELECTRONVOLT_J,
    "joules": 1 / ELECTRONVOLT_J,
    "ev": 1.0,
    "kev": 1e3,
}
_LOWEST_EV, _HIGHEST_EV = 0.1, 1e7


@dataclass(frozen=True)
class Optics:
    """What a file states; None where it does not say.

    Attributes:
        energy_ev: Photon energy in electronvolts.
        distance_m: Sample to detector in metres.
        detector_pixel_m: Edge of a detector pixel in metres.
    """

    energy_ev: float | None
    distance_m: float | None
    detector_pixel_m: float | None

    def pixel_m(self, n: int) -> float | None:
        """Edge of an object pixel in metres, if everything it follows from is stated.

        Args:
            n: Edge of a pattern in pixels.

        Returns:
            Metres, or None.
        """
        if not self.energy_ev or not self.distance_m or not self.detector_pixel_m or not n:
            return None
        return object_pixel_m(self.energy_ev, self.distance_m, self.detector_pixel_m, n)


def read_optics(source: Hdf5Source, entry: str) -> Optics:
    """Read energy, distance and pixel size.

    Args:
        source: The open file.
        entry: Its entry.

    Returns:
        What is stated.

    Raises:
        DataFileError: A number that cannot be right, or pixels that are not square.
    """
    detector = f"{entry}/{cxi.DETECTOR}"
    sizes = [source.number([f"{detector}/{axis}_pixel_size"]) for axis in ("x", "y")]
    stated = [abs(size) for size in sizes if size]
    if len(stated) == 2 and not np.isclose(stated[0], stated[1], rtol=1e-3, atol=0):
        raise DataFileError(
            f"{source.path}: detector pixels of {stated[0]:g} m by {stated[1]:g} m",
            hint="only square pixels are supported; bin or resample the patterns",
        )
    distance = source.number([f"{detector}/distance"])
    return Optics(
        energy_ev=_energy_ev(source, entry),
        distance_m=abs(distance) if distance else None,
        detector_pixel_m=stated[0] if stated else _basis_pixel_m(source, detector),
    )


def _basis_pixel_m(source: Hdf5Source, detector: str) -> float | None:
    basis = source.optional([f"{detector}/basis_vectors"])
    if basis is None or basis.size == 0 or basis.dtype.kind not in "iuf":
        return None
    largest = float(np.abs(basis.astype(np.float64)).max())
    return largest if np.isfinite(largest) else None


def _energy_ev(source: Hdf5Source, entry: str) -> float | None:
    for item in _ENERGY:
        name = f"{entry}/{item}"
        value = source.number([name])
        if value:
            return _in_range(source, name, _electronvolts(source, name, value))
    return None


def _electronvolts(source: Hdf5Source, name: str, value: float) -> float:
    if name.endswith("wavelength"):
        return PLANCK_TIMES_LIGHT_EV_M / value
    units = source.attribute(name, "units")
    text = units.decode("utf-8", "replace") if isinstance(units, bytes) else str(units or "J")
    factor = _UNITS_EV.get(text.strip().lower())
    if factor is None:
        raise DataFileError(
            f"{source.path}: `{name}` is in `{text}`", hint="expected J, eV or keV in `units`"
        )
    return value * factor


def _in_range(source: Hdf5Source, name: str, energy_ev: float) -> float:
    if not _LOWEST_EV <= energy_ev <= _HIGHEST_EV:
        raise DataFileError(
            f"{source.path}: `{name}` stands for photons of {energy_ev:.3g} eV",
            hint="joules are meant where no attribute `units` says eV or keV; wavelengths are in m",
        )
    return energy_ev
