"""Names that several parts share, and what to answer when a name is unknown: "did you mean"."""

import difflib
from collections.abc import Iterable
from typing import Final

FAMILIES: Final = ("random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas")
"""The seven families of selectors, in the order of the paper's tables (§5); each has a selector of the same name."""


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
