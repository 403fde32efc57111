"""What failures look like in logs."""
