"""`plan.yaml`: its model, its parsing, edits of one key, and rows of working plans."""
