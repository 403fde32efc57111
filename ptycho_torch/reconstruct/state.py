"""What every engine holds while it runs: object, probe and positions, the patterns beside them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DivergedError
from ptycho_torch.losses.diffraction import photon_noise
from ptycho_torch.physics.patches import Windows, scan_canvas, split_positions
from ptycho_torch.physics.probe import illumination, probe_energy, shift_probe
from ptycho_torch.reconstruct.options import PHASES, EngineResult, Epoch, RunOptions
from ptycho_torch.reconstruct.positions import MAX_DRIFT_PX
from ptycho_torch.reconstruct.regularisation import Smoother
from ptycho_torch.reconstruct.stitch import Canvas, stitch
from ptycho_torch.reconstruct.stopping import Settling

_CHUNK = 64

_DOUBTFUL = 3
_DECAY = 3


class RunState(ABC):
    """What every engine holds: object, probe and positions, the patterns beside them.

    Args:
        amplitude: (n, N, N) unit-dose amplitude, zero frequency at `N // 2`.
        positions_px: (n, 2) float64, (row, col) of the patch centres.
        probe: (mode, N, N) complex64 of unit energy.
        mask: (row, col) bool, True where a pixel was measured, or None.
        options: Epochs, batches, order.
    """

    def __init__(
        self,
        amplitude: Tensor,
        positions_px: Array,
        probe: Tensor,
        mask: Tensor | None,
        options: RunOptions,
    ) -> None:
        self.amplitude = amplitude
        self.mask = mask
        self.options = options
        self.size = probe.shape[-1]
        self.start = torch.from_numpy(positions_px)
        corners, _ = split_positions(self.start, self.size)
        # Positions that move need room to move in.
        room = MAX_DRIFT_PX if options.correct_positions else 0
        low, (height, width) = scan_canvas(corners, self.size)
        self.origin, self.shape = low - room, (height + 2 * room, width + 2 * room)
        self.stand_at(self.start.clone())
        self.object = torch.ones(self.shape, dtype=torch.complex64)
        self.probe = probe.clone(memory_format=torch.contiguous_format)
        self.order = torch.Generator().manual_seed(options.seed)
        self.smoothing: Smoother | None = None
        self.settling: Settling | None = None
        self.clock = 0
        self.r_factor = math.inf
        self.mean = torch.zeros_like(self.object)
        self.averaged = 0
        square = amplitude.square() if mask is None else amplitude.square() * mask
        self.energy = float(square.sum(dtype=torch.float64))

    @property
    def averaging(self) -> bool:
        """Whether the object is averaged: in the last phase, after its first epoch."""
        return self.clock > self.options.first_of(PHASES - 1) > 0

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.clock >= self.options.epochs

    @property
    def regularised(self) -> bool:
        """Whether the object is regularised: in the last phase."""
        last = self.options.phase_of(self.clock) == PHASES - 1
        return last and self.options.regularisation > 0

    def stand_at(self, positions: Tensor) -> None:
        """Take positions as the present ones.

        Args:
            positions: (n, 2) float64, pixels.
        """
        self.positions = positions
        corners, self.rest = split_positions(positions, self.size)
        self.corners = corners - self.origin

    def epoch(self, number: int) -> Epoch:
        """Pass once over all patterns.

        Args:
            number: Counted from 1.

        Returns:
            What the epoch saw.

        Raises:
            DivergedError: The object became non-finite.
        """
        order = torch.randperm(len(self.amplitude), generator=self.order)
        misfit = torch.zeros(len(order))
        for index in torch.split(order, self.options.batch_of(self.clock, len(order))):
            misfit[index] = self.step(index)
            if self.averaging:
                self._average()
        seen = float(misfit.sum(dtype=torch.float64))
        if not math.isfinite(seen):
            raise DivergedError(
                f"the object became non-finite in epoch {number}",
                hint="check the probe and the patterns; smaller steps (a larger alpha) may help",
            )
        self.r_factor = math.sqrt(seen / self.energy)
        found = Epoch(number, self.r_factor, self.after_epoch(order, misfit))
        self._move_clock(self.r_factor)
        return found

    @abstractmethod
    def step(self, index: Tensor) -> Tensor:
        """Work on some patterns.

        Args:
            index: (k,) int64, which patterns.

        Returns:
            (k,) squared distance of predicted from measured amplitude, before the step.
        """

    @abstractmethod
    def after_epoch(self, order: Tensor, misfit: Tensor) -> float:
        """Do what is done once an epoch.

        Args:
            order: (n,) int64, the order of its patterns.
            misfit: (n,) what `step` returned.

        Returns:
            Median step of the positions in pixels; NaN where they stand still.
        """

    def inside(self, positions: Tensor) -> Tensor:
        """Keep positions on the canvas.

        Args:
            positions: (k, 2) float64, pixels.

        Returns:
            (k, 2) float64.
        """
        half = self.size // 2
        low = self.origin + half + 1
        high = self.origin + torch.tensor(self.shape) - half - 1
        return torch.minimum(torch.maximum(positions, low.double()), high.double())

    def without_drift(self, positions: Tensor) -> Tensor:
        """Take out what most patterns do: object and positions may drift together.

        Args:
            positions: (n, 2) float64, pixels.

        Returns:
            (n, 2) float64, on the canvas.
        """
        drift = (positions - self.start).median(dim=0).values
        return self.inside(positions - drift)

    def _average(self) -> None:
        """Add the object to its mean, where later steps count more: they are less biased.

        Polynomial decay of degree 3 (Shamir and Zhang, ICML 2013, arXiv 1212.1824).
        """
        self.averaged += 1
        share = (1 + _DECAY) / (self.averaged + _DECAY)
        self.mean.add_(self.object - self.mean, alpha=share)

    def _move_clock(self, r_factor: float) -> None:
        """Go to the next epoch, or skip the rest of the phase once it has done its work."""
        options, phase = self.options, self.options.phase_of(self.clock)
        self.clock += 1
        if not options.stop_early or options.correct_positions:
            return
        if self.settling is None:
            self.settling = Settling(self.coverage(), self.size)
        settled = self.settling.only_jitters(self.object, r_factor)
        if phase == PHASES - 1:
            settled &= self.settling.mean_stands(self.mean, r_factor)
        if settled:
            self.clock = options.first_of(phase + 1)
        if options.phase_of(self.clock) != phase:
            self.settling.renew()

    def smoother(self) -> Smoother:
        """Choose the regularisation from the light, once, when it is first needed.

        Returns:
            What pulls the object.
        """
        if self.smoothing is None:
            dose, strength = self._dose(), self.options.regularisation
            self.smoothing = Smoother.for_dose(self.coverage(), dose, strength)
        return self.smoothing

    def _dose(self) -> float:
        """The stated photons per pattern, or more where the residual is far below their noise.

        Amplitudes in an arbitrary unit state a dose that is not theirs.
        """
        stated = self.options.nphotons
        intensity = self.amplitude.square().mean(dim=0)
        expected = photon_noise("amplitude", stated, intensity, self.mask)
        residual = self.r_factor**2 * self.energy / len(self.amplitude)
        if expected < _DOUBTFUL * residual:
            return stated
        return stated * expected / max(residual, torch.finfo(torch.float32).tiny)

    def coverage(self) -> Tensor:
        """Light that fell on every object pixel.

        Returns:
            (height, width) float32, sum over patterns of |P|^2.
        """
        total = torch.zeros(self.shape)
        for part in torch.split(torch.arange(len(self.rest)), _CHUNK):
            windows = Windows(self.corners[part], self.size, self.shape)
            total += windows.add(illumination(shift_probe(self.probe, self.rest[part])))
        return total

    def result(self, epochs: list[Epoch]) -> EngineResult:
        """Normalise the probe to unit energy and hand the factor to the object.

        Args:
            epochs: What every epoch saw.

        Returns:
            The run's result.
        """
        norm = math.sqrt(probe_energy(self.probe))
        probe = self.probe / norm
        positions: Array = self.positions.numpy()
        coverage = stitch(
            torch.ones(len(positions), 1, 1).expand(-1, self.size, self.size), positions, probe
        ).coverage
        corners, _ = split_positions(self.positions, self.size)
        origin, (height, width) = scan_canvas(corners, self.size)
        row, col = (origin - self.origin).tolist()
        chosen = self.mean if self.averaged else self.object
        found = (chosen[row : row + height, col : col + width] * norm).numpy()
        canvas = Canvas(found, coverage, (int(origin[0]), int(origin[1])))
        settled = len(epochs) < self.options.epochs
        return EngineResult(canvas, probe, positions, epochs, settled)

    def place(self, start: Canvas) -> None:
        """Copy the covered part of a canvas into the object.

        Args:
            start: Where to start from.
        """
        shift = np.array(start.origin) - self.origin.numpy()
        low = np.maximum(shift, 0)
        high = np.minimum(shift + start.object.shape, self.shape)
        inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        outer = tuple(slice(a, b) for a, b in zip(low - shift, high - shift, strict=True))
        covered = torch.from_numpy(start.covered()[outer])
        self.object[inner][covered] = torch.from_numpy(start.object[outer])[covered]

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that changes while the run goes on.

        Returns:
            Tensors by name; with them `restore` makes an equal state out of a fresh one.
        """
        kept = {
            "object": self.object,
            "probe": self.probe,
            "positions": self.positions,
            "order": self.order.get_state(),
            "mean": self.mean,
            "counters": torch.tensor([self.clock, self.averaged]),
            "r_factor": torch.tensor(self.r_factor, dtype=torch.float64),
        }
        if self.settling is not None:
            kept |= {f"settling_{name}": t for name, t in self.settling.snapshot().items()}
        if self.smoothing is not None:
            kept["smoothing"] = self.smoothing.weight
            kept["softness"] = torch.tensor(self.smoothing.softness, dtype=torch.float64)
        return kept

    def restore(self, kept: dict[str, Tensor]) -> None:
        """Go back to what `snapshot` returned.

        Args:
            kept: Tensors by name.
        """
        self.object, self.probe = kept["object"], kept["probe"]
        self.order.set_state(kept["order"])
        self.mean, self.r_factor = kept["mean"], float(kept["r_factor"])
        self.clock, self.averaged = (int(value) for value in kept["counters"])
        self.stand_at(kept["positions"])
        if "smoothing" in kept:
            self.smoothing = Smoother(kept["smoothing"], float(kept["softness"]))
        if "settling_coverage" in kept:
            self.settling = Settling(kept["settling_coverage"], self.size)
            prefix = "settling_"
            found = {n[len(prefix) :]: t for n, t in kept.items() if n.startswith(prefix)}
            self.settling.restore(found)
