"""What a row says of itself beside its text: cluster, difficulty, quality, source, options to compare."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from farsighted.core.values import Example
from farsighted.files.fields import Fields, UnfitError, kind_of
from farsighted.files.rows import excerpt

T = TypeVar("T")

LABELS: Final = ("cluster", "category", "difficulty", "quality", "source")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A label that cannot be read, and counts as missing."""

    name: str
    shown: str
    """Its value, cut short."""
    reason: str
    """What it must be."""


def with_labels(example: Example, known: Fields) -> tuple[Example, tuple[Unreadable, ...]]:
    """Return an example with what a row says of itself, and what of it cannot be read.

    Nothing here stops a row: whoever needs a label that is missing says so.
    """
    wrong: list[Unreadable] = []

    def read(name: str, reading: Callable[[Fields], T], missing: T) -> T:
        try:
            return reading(known)
        except UnfitError as error:
            wrong.append(Unreadable(name, excerpt(str(known.get(name)))[:40], str(error)))
            return missing

    labelled = replace(
        example,
        cluster=read("category" if "cluster" not in known else "cluster", _cluster, None),
        difficulty=read("difficulty", lambda fields: number_in(fields, "difficulty"), None),
        quality=read("quality", lambda fields: number_in(fields, "quality"), None),
        source=read("source", _source, ""),
    )
    nothing: tuple[Sequence[str], int | None] = ((), None)
    choices, index = read("choices" if "choices" in known else "answer_index", _choices, nothing)
    if index is None:
        return labelled, tuple(wrong)
    options = option_texts(example.response, choices, index)
    return replace(labelled, choices=options, answer_index=index if options else None), tuple(wrong)


def number_in(fields: Fields, name: str) -> float | None:
    """Return a number, in text or not; None where there is none.

    Raises:
        UnfitError: Something else, or beyond the range of numbers.
    """
    found = fields.get(name)
    if found is None:
        return None
    number = _float(found)
    if number is None or not math.isfinite(number):
        raise UnfitError("it must be a number")
    return number


def option_texts(response: str, choices: Sequence[str], answer_index: int) -> tuple[str, ...]:
    """Return the full response text of every option, or () where likelihood cannot choose among them.

    Lettered where the response is "<letter>. <option>": then every option is. Plain where the response is the option,
    or starts with it at the end of a word (and with no longer option). Everything else (an answer after a rationale, a
    right option that occurs twice) is not applicable.

    >>> option_texts("B. no", ["yes", "no"], 1)
    ('A. yes', 'B. no')
    >>> option_texts("no, never", ["yes", "no"], 1)
    ('yes', 'no')
    >>> option_texts("So the answer is no.", ["yes", "no"], 1)
    ()
    """
    if not 0 <= answer_index < len(choices) or len(choices) < 2:
        return ()
    lettered = tuple(f"{chr(ord('A') + number)}. {choice}" for number, choice in enumerate(choices))
    if len(choices) <= 26 and response == lettered[answer_index]:
        return lettered
    leading = [choice for choice in choices if _leads(choice, response)]
    right = choices[answer_index]
    longest = max(leading, key=len, default=None)
    return tuple(choices) if right == longest and list(choices).count(right) == 1 else ()


def _leads(choice: str, response: str) -> bool:
    """Tell whether a response starts with a whole option ("no" leads "no, never", not "nothing")."""
    rest = response[len(choice) :]
    return bool(choice.strip()) and response.startswith(choice) and not rest[:1].isalnum()


def _float(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return None
    # Python reads "1_000" as a number; nobody who writes data does.
    if isinstance(found, str) and "_" in found:
        return None
    try:
        return float(found)
    except (ValueError, OverflowError):
        return None


def _cluster(known: Fields) -> str | None:
    """Return the capability cluster; several labels become one, so that a combination is a cluster of its own."""
    found = known.get("cluster", known.get("category"))
    labels = found if isinstance(found, list) else [found]
    if not all(label is None or isinstance(label, (str, int)) for label in labels):
        raise UnfitError(f"it must be text or a list of texts, but is of type {kind_of(found)}")
    return " + ".join(sorted(str(label) for label in labels if label is not None)) or None


def _source(known: Fields) -> str:
    found = known.get("source", "")
    if not isinstance(found, str):
        raise UnfitError("it must be text")
    return found


def _choices(known: Mapping[str, object]) -> tuple[Sequence[str], int | None]:
    if "choices" not in known or "answer_index" not in known:
        return (), None
    choices, index = known["choices"], known["answer_index"]
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise UnfitError("it must be a list of texts, beside `answer_index`")
    place = _float(index)
    if place is None or not math.isfinite(place) or place % 1 or not 0 <= place < len(choices):
        raise UnfitError(f"beside it, `answer_index` must be a whole number from 0 to {len(choices) - 1}")
    return choices, int(place)
