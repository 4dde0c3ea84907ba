"""What may be asked, as one frozen tree."""
