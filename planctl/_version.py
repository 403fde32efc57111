"""The version, a literal: `importlib.metadata` costs 55 ms of CPU at start-up."""

__version__ = "0.1.0"
