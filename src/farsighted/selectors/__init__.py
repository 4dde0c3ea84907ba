"""Pure functions from signals to rankings."""
