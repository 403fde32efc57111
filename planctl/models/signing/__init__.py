"""Keys, signatures and policies as data."""
