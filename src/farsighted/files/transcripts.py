"""Conversations that are one text, with the speaker's name before each turn."""

import re
from typing import Final, NamedTuple

from farsighted.core.speakers import role_of
from farsighted.files.fields import UnfitError

_SPEAKERS: Final = ("Human", "Assistant", "SYSTEM", "USER", "ASSISTANT", "FUNCTION RESPONSE")
_SPEAKER: Final = re.compile(rf"(?:\A|\n\n)\s*({'|'.join(_SPEAKERS)}):[ \n]?")
_END: Final = "<|endoftext|>"
"""Closes an answer in such files; the tokenizer of the model that is trained has an end of its own."""


class Spoken(NamedTuple):
    """A turn of a transcript."""

    role: str
    content: str


def is_transcript(text: str) -> bool:
    r"""Tell whether a text begins with a speaker's name.

    >>> is_transcript("\n\nHuman: Is it cold?\n\nAssistant: Yes."), is_transcript("Humans: many")
    (True, False)
    """
    return _SPEAKER.match(text) is not None


def turns_of(text: str, name: str) -> tuple[Spoken, ...]:
    r"""Return the turns of a transcript; the name is that of the field, for the message.

    >>> [(turn.role, turn.content) for turn in turns_of("\n\nHuman: Is it cold?\n\nAssistant: Yes.", "chosen")]
    [('user', 'Is it cold?'), ('assistant', 'Yes.')]

    Raises:
        UnfitError: The text does not begin with a speaker's name.
    """
    if not is_transcript(text):
        raise UnfitError(
            f"has a `{name}` that is neither a list of turns nor a text of turns; write [{{role, content}}, ...], or "
            "begin each turn with 'Human:' or 'Assistant:' after an empty line"
        )
    _, *parts = _SPEAKER.split(text)
    return tuple(
        Spoken(role_of(speaker), said.strip().removesuffix(_END).rstrip())
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    )
