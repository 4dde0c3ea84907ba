"""What is known of each candidate, from one instrumented pass."""
