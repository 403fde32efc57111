"""From object patches to the intensity on the detector.

`I = sum_m |fftshift(FFT_ortho(P_m O))|^2`: modes of the probe add incoherently
(Thibault and Menzel, Nature 494, 2013, 10.1038/nature11806).
"""

from __future__ import annotations

from jaxtyping import Complex, Float
from torch import Tensor

from ptycho_torch.physics.patches import extract, group_canvas, merge_average
from ptycho_torch.physics.probe import illumination
from ptycho_torch.physics.propagate import propagate


def diffract(
    patches: Complex[Tensor, "*batch row col"], probe: Complex[Tensor, "*batch mode row col"]
) -> Float[Tensor, "*batch row col"]:
    """Predict the diffraction intensity of object patches.

    Args:
        patches: (..., row, col) complex object patches.
        probe: (..., mode, row, col) complex probe of each patch.

    Returns:
        (..., row, col) intensity in the units of |P|^2, zero frequency at `N // 2`.
    """
    wave = propagate(patches[..., None, :, :] * probe)
    return (wave.real.square() + wave.imag.square()).sum(dim=-3)


def merge_group(
    patches: Complex[Tensor, "batch channel row col"],
    probe: Complex[Tensor, "batch channel mode row col"],
    corners: Tensor,
) -> Complex[Tensor, "batch channel row col"]:
    """Make the patches of a group agree where they overlap.

    Patches are averaged with the weight |P|^2 of their own probe on the group's canvas and cut
    out again. A group of one patch comes back as it is.

    Args:
        patches: (batch, channel, row, col) complex.
        probe: (batch, channel, mode, row, col) complex, shifted to each patch.
        corners: (batch, channel, 2) int64 patch corners in object pixels.

    Returns:
        (batch, channel, row, col) complex, consistent patches.
    """
    if patches.shape[1] == 1:
        return patches
    size = patches.shape[-1]
    placed, edge = group_canvas(corners, size)
    canvas, _ = merge_average(patches, illumination(probe), placed, (edge, edge))
    return extract(canvas, placed, size)
