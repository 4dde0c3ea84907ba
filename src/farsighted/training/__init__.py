"""One stage, one loop."""
