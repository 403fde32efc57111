"""What stands in the way of work, and what must hold before it goes on."""
