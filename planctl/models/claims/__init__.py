"""Claims of prose, and how each kind is held against what there is."""
