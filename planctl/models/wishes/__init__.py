"""What people wish for in prose."""
