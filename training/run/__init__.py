"""How it is trained: steps, checkpoints, pictures meanwhile."""
