"""Give every patch the same global phase before stitching.

One pattern does not fix the global phase of its patch, but two overlapping patches fix their
phase difference. Stack the overlaps <w_i p_i, w_j p_j> of neighbours into a Hermitian matrix,
normalise it by degree, and its leading eigenvector holds one phase a patch, up to a common one
(angular synchronisation: Singer, Appl. Comput. Harmon. Anal. 30, 2011,
10.1016/j.acha.2010.02.001; for ptychography Marchesini et al., arXiv 1402.0550).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from ptycho_torch.data.grouping import nearest_neighbours
from ptycho_torch.data.scan import Array
from ptycho_torch.physics.patches import split_positions
from ptycho_torch.physics.probe import illumination, shift_probe

_DENSE = 64


@dataclass(frozen=True)
class SyncResult:
    """Phases that make overlapping patches agree.

    Attributes:
        phases: (n,) complex64 of modulus 1; multiply patch i by phases[i].
        components: How many parts of the scan do not overlap with each other; within each the
            phases agree, between them they are arbitrary.
    """

    phases: Tensor
    components: int


def sync_phases(
    patches: Tensor, positions_px: Array, probe: Tensor, neighbor_count: int = 10
) -> SyncResult:
    """Find the global phase of every patch from the overlaps.

    Args:
        patches: (n, N, N) complex object patches.
        positions_px: (n, 2) float64, (row, col) of their centres.
        probe: (mode, N, N) complex, unit energy.
        neighbor_count: Neighbours whose overlap is measured.

    Returns:
        One unit phase a patch, and the number of connected parts.
    """
    total = len(patches)
    if total == 1:
        return SyncResult(torch.ones(1, dtype=torch.complex64), 1)
    pairs = _pairs(positions_px, min(neighbor_count, total - 1))
    overlap, light = _overlaps(patches, positions_px, probe, pairs)
    # An edge between patches that hardly share light would count noise as agreement.
    shared = light > 1e-3 * float(light.max())
    graph = _hermitian(pairs[shared], overlap[shared], total)
    components, label = connected_components(abs(graph), directed=False)
    phases = np.ones(total, dtype=np.complex64)
    for part in range(components):
        members = np.flatnonzero(label == part)
        if len(members) > 1:
            phases[members] = _leading_phases(graph[members][:, members])
    return SyncResult(torch.from_numpy(phases), int(components))


def _pairs(positions_px: Array, count: int) -> Array:
    """Every pair of neighbours once, (edge, 2) with the smaller number first."""
    neighbours = nearest_neighbours(positions_px, count)
    seeds = np.repeat(np.arange(len(positions_px)), count)
    pairs = np.sort(np.stack([seeds, neighbours.ravel()], axis=1), axis=1)
    unique: Array = np.unique(pairs, axis=0)
    return unique


def _overlaps(
    patches: Tensor, positions_px: Array, probe: Tensor, pairs: Array
) -> tuple[Array, Array]:
    """Weighted inner products sum |P_i P_j| p_i conj(p_j) where two patches overlap.

    Returns:
        Complex overlaps (edge,) and the light each pair shares (edge,), float.
    """
    size = patches.shape[-1]
    corners, rest = split_positions(torch.from_numpy(positions_px), size)
    weight = illumination(shift_probe(probe.cpu(), rest)).sqrt()
    weighted = (patches.detach().cpu().to(torch.complex64) * weight).numpy()
    offsets = (corners[pairs[:, 1]] - corners[pairs[:, 0]]).numpy()
    light = weight.numpy()
    overlap = np.zeros(len(pairs), dtype=np.complex128)
    shared = np.zeros(len(pairs), dtype=np.float64)
    for edge, ((first, second), offset) in enumerate(zip(pairs, offsets, strict=True)):
        if np.abs(offset).max() < size:
            mine, other = _common(offset, size)
            overlap[edge] = np.vdot(weighted[second][other], weighted[first][mine])
            shared[edge] = np.vdot(light[second][other], light[first][mine])
    return overlap, shared


def _common(offset: Array, size: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where two patches overlap, in the first one's pixels and in the second one's."""
    starts = [max(int(step), 0) for step in offset]
    lengths = [size - abs(int(step)) for step in offset]
    mine = tuple(slice(a, a + n) for a, n in zip(starts, lengths, strict=True))
    back = [start - int(step) for start, step in zip(starts, offset, strict=True)]
    return mine, tuple(slice(a, a + n) for a, n in zip(back, lengths, strict=True))


def _hermitian(pairs: Array, overlap: Array, total: int) -> Any:
    """Sparse matrix H[i, j] = <p_i, p_j> with its transpose conjugate."""
    rows = np.concatenate([pairs[:, 0], pairs[:, 1]])
    cols = np.concatenate([pairs[:, 1], pairs[:, 0]])
    values = np.concatenate([overlap, overlap.conj()])
    return csr_array((values, (rows, cols)), shape=(total, total))


def _leading_phases(block: Any) -> Array:
    """Conjugate unit phases of the leading eigenvector of D^-1/2 H D^-1/2."""
    degree = np.asarray(abs(block).sum(axis=1)).ravel()
    root = np.sqrt(np.maximum(degree, np.finfo(np.float32).tiny))
    scale = diags_array(1 / root)
    normalised = csr_array(scale @ block @ scale).astype(np.complex128)
    if len(degree) <= _DENSE:
        vector = np.linalg.eigh(normalised.toarray())[1][:, -1]
    else:
        # A fixed start keeps two runs identical; 1e-5 is far below any phase error that shows.
        start = (root / np.linalg.norm(root)).astype(np.complex128)
        vector = eigsh(normalised, k=1, which="LA", v0=start, tol=1e-5)[1][:, 0]
    modulus = np.maximum(np.abs(vector), np.finfo(np.float64).tiny)
    phases: Array = np.conj(vector / modulus).astype(np.complex64)
    return phases
