"""Trees: one form for every ensemble, and exact answers about it."""
