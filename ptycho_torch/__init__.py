"""PtychoPINN in PyTorch and Lightning: unsupervised reconstruction of scanning diffraction data.

Importing this package loads neither torch nor lightning; the modules that need them do.
"""

__version__ = "0.1.0"
