"""What was proven at a commit, told without a checkout."""
