"""The words for what an audit shows of a selector, the same in every table, figure and page.

*Reference:* definitions.md#verdict.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Verdict = Literal["far-sighted", "harmless", "costly", "myopic", "worse", "undecided", "no verdict"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
"""In the order of headlines and tables."""
MEANINGS: Final[Mapping[Verdict, str]] = {
    "far-sighted": "above later",
    "harmless": "no difference later that matters, and not below now",
    "costly": "no difference later that matters, and below now",
    "myopic": "below later, and not below now",
    "worse": "below later and now",
    "undecided": "the interval of the difference later decides nothing",
    "no verdict": "cannot be judged, and the reason says why",
}
"""What each says of a selector beside its reference."""

Side = Literal["above", "small", "below", "open"]
"""Where the interval of a difference lies: wholly above 0, within the smallest effect, wholly below 0, or none."""

Correction = Literal["holm", "benjamini-hochberg", "none"]
"""What is done about how many verdicts there are."""
