"""Artifacts to numbers, with numpy and scipy only."""
