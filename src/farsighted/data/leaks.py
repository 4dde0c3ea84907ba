"""Overlap between what is trained on and what is measured on.

*Reference:* definitions.md#leaks.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.files.talk import Talk

Places = Mapping[str, Mapping[str, str]]
"""Set name to example id to "file:line"; empty where the examples stand in no file."""

Twins = Mapping[str, tuple[str, str]]
"""Leak key to the set name and the id of the first example that has it; what is asked after a system turn is under its
key without that turn, apart from the others."""

_AFTER_SYSTEM: Final = "\0"
"""Before the key of a question whose system turn is left out, which keeps it apart from whole prompts."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One example of a set that is also in an evaluation set."""

    id: str
    """Id of the example."""
    other_set: str
    """Name of the evaluation set."""
    other_id: str
    """Id of its twin there, the first one."""


def normalise(text: str) -> str:
    r"""Return a text without differences that do not change a question: Unicode form, letter case, white space.

    Punctuation stays: "3 + 4" and "3 - 4" are two questions.

    >>> normalise("What  is\n3 + 4?") == normalise("what is 3 + 4?")
    True
    """
    # Folding can undo the normal form, so text outside ASCII is brought into it again.
    folded = text.casefold() if text.isascii() else _fold(_fold(text))
    return " ".join(folded.split())


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def leak_key(example: Example) -> str:
    """Return what two examples share if one gives the other away: the prompt, or the response where that is empty."""
    return normalise(example.prompt) or normalise(example.response)


def asked_key(example: Example) -> str:
    """Return what an example with a system turn asks after it, normalised; "" where it has no such turn."""
    if not example.turns or example.turns[0][0] != "system":
        return ""
    return normalise(Talk(example.turns[1:], "").prompt)


def find_overlap(pool: Sequence[Example], evaluation_sets: Mapping[str, Sequence[Example]]) -> tuple[Overlap, ...]:
    """Return every example of `pool` that is also in an evaluation set, with its first twin, in pool order."""
    return overlap_with(pool, twins_of(evaluation_sets))


def twins_of(evaluation_sets: Mapping[str, Sequence[Example]]) -> dict[str, tuple[str, str]]:
    """Return the leak keys of evaluation sets, so that several pools are compared with one reading."""
    twins: dict[str, tuple[str, str]] = {}
    for name, examples in evaluation_sets.items():
        for example in examples:
            twins.setdefault(leak_key(example), (name, example.id))
            asked = asked_key(example)
            if asked:
                twins.setdefault(_AFTER_SYSTEM + asked, (name, example.id))
    return twins


def twin_of(example: Example, twins: Twins) -> tuple[str, str] | None:
    """Return the set name and the id of an example's first twin: the same prompt, or the same but for a system turn.

    The system turn must be on one side only: two different ones make two questions of one text.
    """
    asked, whole = asked_key(example), leak_key(example)
    return twins.get(whole) or (twins.get(asked) if asked else twins.get(_AFTER_SYSTEM + whole))


def overlap_with(pool: Sequence[Example], twins: Twins) -> tuple[Overlap, ...]:
    """Return every example of `pool` that has a twin; see `find_overlap`."""
    found = ((example, twin_of(example, twins)) for example in pool)
    return tuple(Overlap(example.id, *twin) for example, twin in found if twin is not None)


def drop_overlap(pool: Sequence[Example], overlaps: Sequence[Overlap]) -> tuple[Example, ...]:
    """Return `pool` without the examples that overlap."""
    dropped = {overlap.id for overlap in overlaps}
    return tuple(example for example in pool if example.id not in dropped)


def check_disjoint(
    name: str, pool: Sequence[Example], evaluation_sets: Mapping[str, Sequence[Example]], places: Places | None = None
) -> None:
    """Raise if an example of `pool` is also in an evaluation set.

    Args:
        name: Name of the pool in messages and in `places`.
        pool: The examples to check.
        evaluation_sets: Set name to examples.
        places: Place of each example, for the message.

    Raises:
        DataError: With the first three pairs and the option `data.on_overlap`.
    """
    refuse_overlap(name, find_overlap(pool, evaluation_sets), places or {})


def refuse_overlap(name: str, overlaps: Sequence[Overlap], places: Places) -> None:
    """Raise where there is an overlap; see `check_disjoint`."""
    if not overlaps:
        return
    lines = [f"  {_at(name, pair.id, places)} = {_at(pair.other_set, pair.other_id, places)}" for pair in overlaps[:3]]
    raise DataError(
        f"No example of {name} may stand in another set that is measured on, but {len(overlaps)} do. Remove them, or "
        "write `data.on_overlap: drop` to leave them out. The first:\n" + "\n".join(lines)
    )


def _at(set_name: str, example_id: str, places: Places) -> str:
    place = places.get(set_name, {}).get(example_id)
    return f"'{example_id}' of {set_name}" + (f" ({place})" if place else "")
