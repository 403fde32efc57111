"""Operations: one module each; they take a workspace, return results and never print."""
