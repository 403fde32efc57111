"""The command line: thin faces over `planctl.ops`, and the one place errors end."""
