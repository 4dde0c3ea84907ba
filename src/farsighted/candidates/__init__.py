"""One assembly of what is known of a candidate, for an audit and for `select`."""
