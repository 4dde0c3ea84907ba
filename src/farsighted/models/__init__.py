"""A language model as files on disk, and how it is loaded."""
