"""What to answer when a name is unknown: "did you mean"."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, or lists all known words.

    >>> did_you_mean("los", ["loss", "random"])
    "Did you mean 'loss'?"
    >>> did_you_mean("xyz", ["loss", "random"])
    'Known: loss, random.'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."
