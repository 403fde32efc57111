"""Plans and evidence for research code that people and agents write together."""

from planctl._version import __version__

__all__ = ["__version__"]
