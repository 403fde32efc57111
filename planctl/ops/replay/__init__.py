"""Recorded steps run again in a clean work tree, and compared."""
