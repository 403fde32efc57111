"""One thread, and shapes checked: every annotated tensor is compared with its annotation."""

from __future__ import annotations

import jaxtyping
import torch

# Before anything imports these packages: modules already imported would go unchecked.
jaxtyping.install_import_hook(
    ["ptycho_torch.physics", "ptycho_torch.networks", "ptycho_torch.losses"], "beartype.beartype"
)
# Two threads were several times slower than one on a busy machine.
torch.set_num_threads(1)
