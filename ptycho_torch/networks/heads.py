"""From two real channels to a complex object patch."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def cartesian_head(raw: Float[Tensor, "batch 2 row col"]) -> Complex[Tensor, "batch row col"]:
    """O = (1 + a) + i b: zero input is the flat object, and nothing can saturate.

    Args:
        raw: (batch, 2, row, col), channels a and b.

    Returns:
        (batch, row, col) complex.
    """
    return torch.complex(1 + raw[:, 0], raw[:, 1])


def bounded_head(raw: Float[Tensor, "batch 2 row col"]) -> Complex[Tensor, "batch row col"]:
    """O = sigmoid(a) exp(i pi tanh(b)): amplitude within (0, 1), phase within (-pi, pi).

    Args:
        raw: (batch, 2, row, col), channels a and b.

    Returns:
        (batch, row, col) complex.
    """
    return torch.polar(torch.sigmoid(raw[:, 0]), torch.pi * torch.tanh(raw[:, 1]))
