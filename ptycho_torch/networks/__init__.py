"""Networks from diffraction to object patches, their heads, and the physics behind them."""

from ptycho_torch.networks.inputs import INPUT_CHANNELS, network_inputs
from ptycho_torch.networks.pinn import PtychoPINN

__all__ = ["INPUT_CHANNELS", "PtychoPINN", "network_inputs"]
