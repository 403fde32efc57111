"""What planctl's files mean: frozen models without any I/O."""
