"""Scans in memory, the files they come from, and how patterns are grouped."""
