"""How good a reconstruction is, always beside what the flat object would score."""

from ptycho_torch.metrics.correlation import RingCorrelation, ring_correlation
from ptycho_torch.metrics.evaluation import evaluate
from ptycho_torch.metrics.residuals import poisson_nll, r_factor

__all__ = ["RingCorrelation", "evaluate", "poisson_nll", "r_factor", "ring_correlation"]
