"""Briefs: the next turn's order, written from plan and verdicts, and checked against them."""
