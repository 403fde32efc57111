"""The training loop: Lightning's Trainer, and what watches it."""
