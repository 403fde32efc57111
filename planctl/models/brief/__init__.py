"""Briefs: what they order, and how they read."""
