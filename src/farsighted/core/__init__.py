"""What travels: values, errors, names, random streams, fingerprints."""
