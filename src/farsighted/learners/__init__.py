"""What is trained: one protocol, several worlds."""
