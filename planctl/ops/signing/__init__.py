"""Signatures of receipts: made, looked at, trusted, revoked."""
