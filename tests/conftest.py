"""Shapes are checked in every test, whichever of them loads the physics first.

The hook must be there before `ptycho_torch.physics` is imported, and tests of planctl's fuzz
targets do so while they are collected, before `tests/torch/conftest.py` is read.
"""

from __future__ import annotations

import jaxtyping

jaxtyping.install_import_hook(
    ["ptycho_torch.physics", "ptycho_torch.networks", "ptycho_torch.losses"], "beartype.beartype"
)
