"""What a row holds to train on, without what is said of its fields."""

from farsighted.files.shapes import said_in


def talk_of(fields):
    """The talk of a row of any known shape."""
    return said_in(fields).talk
