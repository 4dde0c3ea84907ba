"""The controlled skill suite: five skills of small exact tasks with known cluster, difficulty and quality."""
