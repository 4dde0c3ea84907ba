"""Options of a question: in whichever form a row has them, and whether the question says them already."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.files.fields import json_in

_OWN: Final = re.compile(r"\(?([A-Za-z0-9])[.):]\s*")
"""What an option that carries its own letter begins with."""
_MARK: Final = re.compile(r"(?<!\w)\(?\[?[A-Za-z0-9]\s?[.):\]]")
"""A letter of an option, within a text."""
_LETTER: Final = re.compile(r"\s*[(\[]?([A-Za-z0-9])[)\].:]*\s*")
_LABELS: Final = ("label", "key", "letter", "id")
_TEXTS: Final = ("text", "value", "content")
_LONG: Final = 16
"""Characters from which a text that stands in the question is no chance."""
_SIGN: Final = r"[)\].:\u2013-]+"
_JOINED: Final = r"\s*(?:,\s*or\s|,\s*and\s|[,;/|]|\bor\b|\band\b)\s*"
"""What stands between options that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option."""

    line: str
    """As it is written after the question."""
    text: str
    """Without its letter."""
    label: str = ""


def options_in(given: object) -> tuple[Option, ...]:
    """Return the options of a row, () for what is none.

    Forms: texts or numbers, {label: text}, {label: [...], text: [...]}, [{label, text}, ...], JSON text of one of
    these, or one text with a letter before each option, which stays as it is.

    >>> [option.line for option in options_in([{"label": "A", "text": "stone"}, {"label": "B", "text": "apple"}])]
    ['A. stone', 'B. apple']
    """
    found = given
    if isinstance(given, str):
        found = json_in(given)
        if found is None:
            return (Option(given, given),) if len(_MARK.findall(given)) > 1 else ()
    labels, listed = _parted(found)
    texts = [text for entry in listed if (text := _text(entry)).strip()]
    if not texts or len(texts) != len(listed):
        return ()
    if len(labels) == len(texts) and all(_text(label).strip() for label in labels):
        return tuple(_labelled(_text(label), text) for label, text in zip(labels, texts, strict=True))
    if len(texts) > 26 or all(_OWN.match(text) for text in texts):
        return tuple(_own(text) for text in texts)
    return tuple(_labelled(chr(ord("A") + number), text) for number, text in enumerate(texts))


def are_in(said: str, options: Sequence[Option], answer: str) -> bool:
    """Tell whether a question says all its options, each with its letter where the answer is a letter.

    A word of the question is no option by being the same word ("2" in "2 + 2"): options are lettered, or lines of
    their own, or listed one after the other.

    >>> are_in("Which: stone or apple?", options_in(["stone", "apple"]), "apple")
    True
    >>> are_in("What is 2 + 2 + 4?", options_in({"A": "2", "B": "4"}), "B")
    False
    """
    if all(_lettered(option, said) for option in options):
        return True
    if is_letter(answer, options):
        return False
    if all((len(option.text) >= _LONG and option.text in said) or _is_line(option, said) for option in options):
        return True
    listed = _JOINED.join(re.escape(option.text) for option in options)
    return len(options) > 1 and re.search(rf"(?<!\w){listed}(?!\w|\.\d)", said) is not None


def is_letter(answer: str, options: Sequence[Option]) -> bool:
    """Tell whether an answer names an option by its letter alone."""
    found = _LETTER.fullmatch(answer)
    labels = {option.label.lower() for option in options}
    return found is not None and found[1].lower() in labels and answer.strip() not in {o.text for o in options}


def _parted(found: object) -> tuple[Sequence[object], Sequence[object]]:
    """Return labels, () where there are none, and texts."""
    if isinstance(found, dict):
        if {"label", "text"} <= found.keys() and isinstance(found["text"], list):
            return found["label"] if isinstance(found["label"], list) else (), found["text"]
        return list(found), list(found.values())
    if not isinstance(found, list):
        return (), ()
    if not all(isinstance(entry, dict) for entry in found):
        return (), found
    return [_first(entry, _LABELS) for entry in found], [_first(entry, _TEXTS) for entry in found]


def _first(entry: Mapping[str, object], names: Sequence[str]) -> object:
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def _text(found: object) -> str:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def _labelled(label: str, text: str) -> Option:
    return Option(f"{label}. {text}", text.strip(), label.strip())


def _own(text: str) -> Option:
    found = _OWN.match(text)
    return Option(text, text[found.end() :].strip(), found[1]) if found else Option(text, text.strip())


def _lettered(option: Option, said: str) -> bool:
    if not option.label:
        return option.text in said if len(option.text) >= _LONG else False
    pattern = rf"(?<!\w)[(\[]?(?i:{re.escape(option.label)})\s?{_SIGN}\s*{re.escape(option.text)}(?!\w|\.\d)"
    return re.search(pattern, said) is not None


def _is_line(option: Option, said: str) -> bool:
    pattern = rf"^\s*(?:[(\[]?\w{{1,2}}{_SIGN}\s*|[-*\u2022]\s*)?{re.escape(option.text)}[.,;]?\s*$"
    return re.search(pattern, said, re.MULTILINE) is not None
