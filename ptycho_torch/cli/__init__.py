"""Command lines: thin faces over `workflows` and its neighbours."""
