"""How far a predicted intensity is from the measured one.

Both come in unit dose (`physics.scaling`), so a loss has the same size at every dose. Each loss is
the sum over detector pixels, averaged over patterns, and 0 for a perfect fit.
"""

from ptycho_torch.losses.diffraction import DiffractionLoss, choose_mode, photon_noise

__all__ = ["DiffractionLoss", "choose_mode", "photon_noise"]
