"""Artifacts on disk: the run arm writes them, the read arm turns them into numbers."""
