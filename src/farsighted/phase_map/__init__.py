"""The phase map: when is a selector myopic? Cells of the quadratic world, and what they foretell."""
