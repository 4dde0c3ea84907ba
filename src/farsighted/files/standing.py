"""Whether the options of a question stand in it already."""

import re
from collections.abc import Sequence
from typing import Final

_LABELLED: Final = re.compile(r"\(?([^\W_]+)[.):]\s*(?=\S)")
"""How an option that carries its own letter begins."""
_LISTED: Final = re.compile(r"\s*(?:[-*•]\s+)?(?:\(?[A-Za-z0-9]{1,2}[.):]\s*)?")
"""What may stand before an option that has a line of its own."""
_MOST: Final = 26
"""Options that are looked for in a row."""
_LAST: Final = r"[\"'`”’]?\s*(?:,\s*)?(?:\bor\b|\boder\b|\bou\b|/|\|)\s*[\"'`“‘]?"
_BETWEEN: Final = rf"(?:[\"'`”’]?\s*,\s*[\"'`“‘]?|{_LAST})"


def are_in(options: Sequence[str], said: str, answer: str) -> bool:
    """Tell whether options stand in a question: each behind its letter, on a line of its own, or in a row with "or".

    Text that only occurs there (the option 2 of "What is 2 + 2?") does not count. Where the answer is a letter alone,
    the letters must be there.

    >>> are_in(["A. stone", "B. apple"], "Is it stone or apple?", "apple")
    True
    >>> are_in(["A. stone", "B. apple"], "Is it stone or apple?", "B")
    False
    >>> are_in(["A. 2", "B. 4"], "What is 2 + 2 + 4?", "4")
    False

    Args:
        options: Each with its letter, "A. stone", or without one.
        said: All that was said before the answer.
        answer: The answer to it.
    """
    marks = [_LABELLED.match(option) for option in options]
    texts = [(option[mark.end() :] if mark else option).strip() for option, mark in zip(options, marks, strict=True)]
    labels = [mark.group(1) if mark else "" for mark in marks]
    if not all(text.casefold() in said.casefold() for text in texts):
        return False
    if all(labels) and all(_behind(label, text, said) for label, text in zip(labels, texts, strict=True)):
        return True
    if len(set(texts)) < len(texts) or answer.strip("(). :\n").casefold() in set(map(str.casefold, labels)) - {
        "",
        *texts,
    }:
        return False
    whole = [line.strip() for line in said.splitlines()]
    return {*whole, *(_LISTED.sub("", line, count=1) for line in whole)} >= set(texts) or _in_a_row(texts, said)


def _behind(label: str, text: str, said: str) -> bool:
    """Tell whether a letter and then a text stand somewhere: "(a) stone", "A: stone"."""
    pattern = rf"(?<![0-9A-Za-z]){re.escape(label)}[.):\]]+(?:[*_\s]+|(?=\D)){re.escape(text)}{_end(text)}"
    return re.search(pattern, said, re.IGNORECASE) is not None


def _in_a_row(texts: Sequence[str], said: str) -> bool:
    """Tell whether texts are listed, the last of them after "or" or a stroke: "stone, apple or car"."""
    fraction = "/" in said and any(text.isdecimal() for text in texts)
    if fraction or not 2 <= len(texts) <= _MOST:
        return False
    one = "|".join(rf"{re.escape(text)}{_end(text)}" for text in sorted(texts, key=len, reverse=True))
    rows = rf"(?<!\w)(?:{one})(?:{_BETWEEN}(?:{one})){{{len(texts) - 2}}}{_LAST}(?:{one})"
    found = re.search(rows, said)
    return found is not None and all(text in found.group() for text in texts)


def _end(text: str) -> str:
    """Return the pattern of a text's end: no letter follows, but where words are written without spaces."""
    last = text[-1]
    return r"(?!\w)" if last.isdigit() or last.lower() != last.upper() else ""
