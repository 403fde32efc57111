"""Looks into a run without changing it."""
