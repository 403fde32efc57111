"""Reading prose that nobody wrote for a parser."""
