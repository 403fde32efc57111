"""Turns: summaries, records, settings."""
