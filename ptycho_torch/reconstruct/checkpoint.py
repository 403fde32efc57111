"""What a killed iterative run goes on from: one file, replaced whole, without pickle.

It holds everything that changes while a run goes on (object, its last move, probe, positions, the
generator of the order, the epochs so far), what its stage began with, and a fingerprint of the
data and the settings: with others the run would become something that no settings describe.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import math
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.artifacts import write_bytes
from ptycho_torch.data.scan import Array
from ptycho_torch.errors import DataFileError, PreconditionError
from ptycho_torch.reconstruct.options import Epoch

CHECKPOINT_FILE = "iterations.checkpoint.npz"
SCHEMA = 1
INTERVAL_S = 2.0
"""Least seconds between two writes, so that short epochs are not spent on writing."""

_HINT = "run without --resume to start anew"


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        stage: Number of the stage it is in, from 0.
        before: Epochs of the stages before.
        epochs: Epochs of this stage.
        begin: What the stage began with, arrays by name.
        state: What changes within the stage, tensors by name.
    """

    stage: int = 0
    before: list[Epoch] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    begin: dict[str, Array] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


class Checkpoint:
    """The file of one run.

    Args:
        path: Where it lies.
        fingerprint: Of data and settings, see `fingerprint`.
        interval_s: Least seconds between two writes.
        clock: Tells seconds.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._fingerprint = fingerprint
        self._interval_s = interval_s
        self._clock = clock
        self._written = clock()

    def keep(self, progress: Callable[[], Progress]) -> None:
        """Write the file, unless it is too soon.

        Args:
            progress: Called when the file is written.
        """
        if self._clock() - self._written < self._interval_s:
            return
        write_bytes(self.path, _encoded(progress(), self._fingerprint))
        self._written = self._clock()

    def load(self) -> Progress | None:
        """Read the file.

        Returns:
            How far the run had come; None when there is no file.

        Raises:
            DataFileError: The file is damaged or something else.
            PreconditionError: It is another run's.
        """
        if not self.path.exists():
            return None
        header, arrays = _read(self.path)
        if header["fingerprint"] != self._fingerprint:
            raise PreconditionError(
                f"`{self.path}` is of a run with other data or settings",
                f"give the same scan and flags to go on; {_HINT}",
            )
        return _decoded(header, arrays)

    def clear(self) -> None:
        """Remove the file, once the run has ended or starts anew.

        So goes what a run that was killed while it wrote has left half written beside it.
        """
        self.path.unlink(missing_ok=True)
        for torn in self.path.parent.glob(f".{glob.escape(self.path.name)}.*"):
            torn.unlink(missing_ok=True)


class StageJournal:
    """The part of a checkpoint that one stage of a run sees (`engine.Journal`).

    Args:
        checkpoint: The run's file.
        stage: Number of the stage, from 0.
        before: Epochs of the stages before.
        begin: What the stage begins with, arrays by name.
        left: What an earlier run left in this stage, or None.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        stage: int,
        before: list[Epoch],
        begin: dict[str, Array],
        left: Progress | None,
    ) -> None:
        self._checkpoint = checkpoint
        self._now = Progress(stage, before, begin=begin)
        self._left = left

    def found(self) -> tuple[list[Epoch], dict[str, Tensor]] | None:
        """See `engine.Journal.found`."""
        return None if self._left is None else (list(self._left.epochs), self._left.state)

    def keep(self, epochs: list[Epoch], state: Callable[[], dict[str, Tensor]]) -> None:
        """See `engine.Journal.keep`."""
        self._checkpoint.keep(lambda: replace(self._now, epochs=epochs, state=state()))


def fingerprint(arrays: Iterable[Array | None], settings: str) -> str:
    """Sum up what a run works on.

    Args:
        arrays: Patterns, mask, start; None for one that is absent.
        settings: Everything that was decided, as text.

    Returns:
        A SHA-256, hexadecimal.
    """
    digest = hashlib.sha256(f"{SCHEMA} {settings}".encode())
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _encoded(progress: Progress, fingerprint: str) -> bytes:
    header = {
        "schema": SCHEMA,
        "fingerprint": fingerprint,
        "stage": progress.stage,
        "before": [_row(epoch) for epoch in progress.before],
        "epochs": [_row(epoch) for epoch in progress.epochs],
    }
    arrays = {f"begin_{name}": array for name, array in progress.begin.items()}
    arrays |= {f"state_{name}": tensor.numpy() for name, tensor in progress.state.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, header=np.array(json.dumps(header)), **arrays)
    return buffer.getvalue()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop("header")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataFileError(f"cannot read `{path}`: {error}", _HINT) from error
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise DataFileError(f"`{path}` is no checkpoint of this version", _HINT)
    return header, arrays


def _decoded(header: dict[str, Any], arrays: dict[str, Array]) -> Progress:
    def part(prefix: str) -> dict[str, Array]:
        return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}

    return Progress(
        stage=int(header["stage"]),
        before=[_epoch(row) for row in header["before"]],
        epochs=[_epoch(row) for row in header["epochs"]],
        begin=part("begin_"),
        # Copies lie aligned and in order, as in the run: sums then have the same last bits.
        state={
            name: torch.from_numpy(np.ascontiguousarray(array)).clone()
            for name, array in part("state_").items()
        },
    )


def _row(epoch: Epoch) -> list[float | None]:
    values = (epoch.number, epoch.r_factor, epoch.position_step_px)
    return [None if math.isnan(value) else value for value in values]


def _epoch(row: list[float | None]) -> Epoch:
    number, *values = (math.nan if value is None else value for value in row)
    return Epoch(int(number), *values)
