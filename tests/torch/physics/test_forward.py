from __future__ import annotations

import torch

from ptycho_torch.physics.forward import diffract, merge_group
from ptycho_torch.physics.probe import shift_probe


def random_complex(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


def test_intensity_carries_the_energy_of_the_exit_waves():
    patches, probe = random_complex(3, 12, 12), random_complex(3, 2, 12, 12, seed=1)
    energy = (patches[:, None] * probe).abs().square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(diffract(patches, probe).sum(dim=(-2, -1)), energy)


def test_modes_add_incoherently():
    patches, probe = random_complex(3, 12, 12), random_complex(3, 2, 12, 12, seed=1)
    apart = diffract(patches, probe[:, :1]) + diffract(patches, probe[:, 1:])
    torch.testing.assert_close(diffract(patches, probe), apart)


def test_patches_that_agree_pass_the_merge_unchanged():
    canvas = random_complex(1, 30, 30)
    corners = torch.tensor([[[0, 0], [3, 5], [9, 2], [12, 12]]])
    patches = torch.stack([canvas[0, r : r + 12, c : c + 12] for r, c in corners[0]])[None]
    probe = torch.ones(1, 4, 1, 12, 12, dtype=torch.complex128)
    torch.testing.assert_close(merge_group(patches, probe, corners), patches)


def test_patches_that_disagree_are_averaged_where_they_overlap():
    patches = torch.stack([torch.full((4, 4), 1 + 0j), torch.full((4, 4), 3 + 0j)])[None]
    probe = torch.ones(1, 2, 1, 4, 4, dtype=torch.complex64)
    merged = merge_group(patches, probe, torch.tensor([[[0, 0], [0, 2]]]))
    torch.testing.assert_close(merged[0, 0, 0].real, torch.tensor([1.0, 1.0, 2.0, 2.0]))
    torch.testing.assert_close(merged[0, 1, 0].real, torch.tensor([2.0, 2.0, 3.0, 3.0]))


def test_gradients_of_merge_and_diffraction_are_right():
    corners = torch.tensor([[[0, 0], [2, 1]]])
    probe = shift_probe(random_complex(1, 6, 6, seed=3), torch.full((1, 2, 2), 0.3).double())

    def predict(patches: torch.Tensor) -> torch.Tensor:
        return diffract(merge_group(patches, probe, corners), probe)

    patches = random_complex(1, 2, 6, 6).requires_grad_()
    assert torch.autograd.gradcheck(predict, (patches,))
