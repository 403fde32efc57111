"""What holds for every test: shapes are checked, and nothing is timed.

The jaxtyping hook must be there before `ptycho_torch.physics` is imported, and tests of planctl's
fuzz targets do so while they are collected, before `tests/torch/conftest.py` is read.
"""

from __future__ import annotations

import hypothesis
import jaxtyping

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
jaxtyping.install_import_hook(
    ["ptycho_torch.physics", "ptycho_torch.networks", "ptycho_torch.losses"], "beartype.beartype"
)
