"""Files to rows: readers, shapes, columns."""
