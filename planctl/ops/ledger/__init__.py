"""The ledger `docs/fix_plan.md`: read, written, checked, merged, archived."""
