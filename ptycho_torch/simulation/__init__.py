"""Synthetic scans with known truth: objects, probes, and the measurement that joins them."""

from ptycho_torch.simulation.objects import OBJECT_KINDS, make_object
from ptycho_torch.simulation.probes import make_probe
from ptycho_torch.simulation.scan import simulate_scan

__all__ = ["OBJECT_KINDS", "make_object", "make_probe", "simulate_scan"]
