"""The ledger as text and items, without a file system."""
