"""From artifacts to numbers: results.json."""
