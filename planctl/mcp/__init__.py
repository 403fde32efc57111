"""The same operations for agents, over the Model Context Protocol."""
