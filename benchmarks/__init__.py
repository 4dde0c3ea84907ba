"""What scoring and selecting cost on this machine, beside the bounds of spec §4 and the targets of the project."""
