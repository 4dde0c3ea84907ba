"""What scoring and selecting cost on this machine, beside their bounds (definitions.md#cost) and the targets."""
