"""The paper's tables, figures and claims, measured in a world of one's choice."""
