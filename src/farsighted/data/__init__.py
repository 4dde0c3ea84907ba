"""Files to pools."""
