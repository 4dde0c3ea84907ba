"""The phase map: when is a selector short-sighted? Cells of the quadratic world, and what they foretell."""
