"""The loop: supervisor and engineer in turn, each turn opened, checked, closed and committed."""
