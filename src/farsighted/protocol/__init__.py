"""The audit: a grid of cells."""
