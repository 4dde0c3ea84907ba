"""One colour and one marker a selector, the same in every figure of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.store.result_records import SummaryEntry

INK: Final = "#222222"
FAINT: Final = "#8a8a8a"
FALLS: Final = "#D55E00"
"""Of a rank that falls from now to later."""
RISES: Final = "#0072B2"
"""Of a rank that rises."""

_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
"""After Okabe and Ito, told apart with every common colour blindness; their yellow is too pale on white."""
_MARKERS: Final = ("s", "^", "D", "v", "P", "X", "h")


@dataclass(frozen=True, slots=True)
class Style:
    """How a selector is drawn."""

    colour: str
    marker: str
    dashed: bool = False

    @property
    def fill(self) -> str:
        """Colour inside the marker: reference rows are hollow."""
        return "white" if self.dashed else self.colour

    @property
    def line(self) -> str | tuple[int, tuple[int, int]]:
        """Line style."""
        return (0, (4, 2)) if self.dashed else "-"


def styles(summary: Sequence[SummaryEntry], reference: str) -> Mapping[str, Style]:
    """Return a style a selector: the reference selector dark grey, reference rows grey, dashed and hollow.

    Beyond seven selectors colours come again with other markers, so that the pair stays unique up to 49.
    """
    flags = {entry["selector"]: bool(entry["reference"]) for entry in summary}
    judged = [name for name, is_row in flags.items() if not is_row and name != reference]
    found = {name: Style(FAINT, "o", dashed=True) for name, is_row in flags.items() if is_row}
    found[reference] = Style("#4d4d4d", "o")
    for index, name in enumerate(judged):
        lap, colour = divmod(index, len(_COLOURS))
        found[name] = Style(_COLOURS[colour], _MARKERS[(colour + lap) % len(_MARKERS)])
    return found
