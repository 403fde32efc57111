from __future__ import annotations

import jaxtyping
import pytest
import torch

from ptycho_torch.physics.forward import diffract


def test_a_tensor_of_the_wrong_shape_is_caught_by_its_annotation():
    with pytest.raises(jaxtyping.TypeCheckError, match="probe"):
        diffract(
            torch.ones(8, 8, dtype=torch.complex64), torch.ones(1, 8, 6, dtype=torch.complex64)
        )
