"""One model on one set."""
