"""A prompt that stands in what follows it already: before an answer, or at the start of a conversation."""

from typing import Final

from farsighted.files.messages import Message, system_apart
from farsighted.files.transcripts import is_transcript, turns_of

BEGINS_WITH_PROMPT: Final = "the answer begins with the text of the prompt, which is trained on with it"
IS_CONVERSATION: Final = "the answer is a conversation that does not begin with the prompt, and all of it is trained on"
_LONG: Final = 4
"""Letters of a script without spaces (Chinese, Thai) that count as two words."""


def together(asked: tuple[Message, ...], more: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a prompt and what comes between it and the answer; a prompt that is there already is not repeated.

    It is there where a conversation that opens with a user's turn holds its turns in their order. One that opens with
    the assistant's goes on after the prompt.
    """
    systems, talk = system_apart(more)
    own, first = system_apart(_spoken(asked))
    if not talk:
        return (*(turn for turn in systems if not _holds(own, (turn,))), *asked)
    if talk[0].role == "user" and _holds(talk, first):
        return (*(turn for turn in own if not _holds(systems, (turn,))), *more)
    if not systems and _same(talk, first[-len(talk) :]):
        return (*own, *first)
    return (*asked, *more)


def messages_in(text: str, name: str) -> tuple[Message, ...]:
    """Return the messages of a transcript; the name is that of the field. Raises `UnfitError` where it is none."""
    return tuple(Message(turn.role, turn.content) for turn in turns_of(text, name))


def answer_turns(asked: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    r"""Return the messages that end with an answer: itself, or those of a conversation that begins with the prompt.

    >>> said = answer_turns((Message("user", "Cold?"),), "Human: Cold?\n\nAssistant: Yes.")
    >>> [(turn.role, turn.content) for turn in said]
    [('user', 'Cold?'), ('assistant', 'Yes.')]
    """
    alone = (Message("assistant", text),)
    if not is_transcript(text):
        return alone
    turns, prompt = messages_in(text, "answer"), prompt_text(asked)
    rest = after_prompt(prompt, text)
    if is_transcript(prompt) and rest and len(turns_of(prompt, "prompt")) == len(turns):
        # Written as turns, up to the name of who answers: then the text after it is the answer.
        return (Message("assistant", rest),)
    first = _spoken(asked)
    return turns if len(turns) > len(first) and _same(turns[: len(first)], first) else alone


def after_prompt(prompt: str, text: str) -> str | None:
    """Return what comes after a prompt that a text begins with, whatever space is around it; None where it does not."""
    bare, told = prompt.strip(), text.lstrip()
    return told[len(bare) :].lstrip() if bare and told.startswith(bare) else None


def prompt_text(asked: tuple[Message, ...]) -> str:
    """Return the text of a prompt that is one turn of the user, "" of any other."""
    return asked[0].content if len(asked) == 1 and asked[0].role == "user" else ""


def is_telling(prompt: str) -> bool:
    """Tell whether a prompt is so long that no answer begins with it by chance: two words, or four Chinese letters.

    >>> is_telling("Hello"), is_telling("Is it cold?"), is_telling("今天天气怎么样？")
    (False, True, True)
    """
    without_case = sum(sign.isalpha() and sign.lower() == sign.upper() for sign in prompt)
    return len(prompt.split()) > 1 or without_case >= _LONG


def doubt_of(asked: tuple[Message, ...], said: tuple[Message, ...]) -> str:
    """Return what of an answer may be no answer, "" where nothing tells so."""
    prompt, answer = prompt_text(asked), said[-1].content
    if len(said) == 1 and is_telling(prompt) and after_prompt(prompt, answer):
        return BEGINS_WITH_PROMPT
    roles = [turn.role for turn in turns_of(answer, "answer")] if is_transcript(answer) else []
    return IS_CONVERSATION if "user" in roles and roles[-1] == "assistant" else ""


def _spoken(asked: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a prompt as turns, where it is a text of turns; the name alone of who answers is no turn."""
    prompt = prompt_text(asked)
    if not is_transcript(prompt):
        return asked
    turns = messages_in(prompt, "prompt")
    return turns[:-1] if len(turns) > 1 and not turns[-1].content else turns


def _same(one: tuple[Message, ...], other: tuple[Message, ...]) -> bool:
    return [_told(turn) for turn in one] == [_told(turn) for turn in other]


def _holds(talk: tuple[Message, ...], asked: tuple[Message, ...]) -> bool:
    """Tell whether turns are among others, in their order."""
    left = iter([_told(turn) for turn in talk])
    return all(_told(turn) in left for turn in asked)


def _told(turn: Message) -> tuple[str, str]:
    return turn.role, turn.content.strip()
