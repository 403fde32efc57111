"""Lint: the rules about what makes evidence weak."""
