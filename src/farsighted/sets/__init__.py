"""Functions of sets of points: farthest-first, lazy greedy, history, clusters."""
