"""A conversation as one training example for each of the assistant's turns."""

from dataclasses import replace

from farsighted.core.values import Example, Gold
from farsighted.files.messages import Message
from farsighted.files.talk import Talk, messages_of, talk_from


def every_turn(example: Example) -> tuple[Example, ...]:
    """Return an example for each turn of the assistant, in order, the one that was given last.

    Training on all of them is training on the loss of every assistant token of the conversation, each given what was
    said before it; a selector may take one turn and leave another. Earlier turns have the conversation's metadata, and
    "<id>#1" and so on as ids; empty ones, and those whose marks forbid training, are left out.
    """
    messages, tools = messages_of(example.conversation) if example.conversation else (_plain(example), ())
    answers = [
        place
        for place, message in enumerate(messages[:-1])
        if place and message.role == "assistant" and message.text.strip() and not message.forbidden
    ]
    talks = [talk_from(messages[: place + 1], tools, are_apart=True) for place in answers]
    return (*(_cut(example, talk, number) for number, talk in enumerate(talks, start=1)), example)


def _plain(example: Example) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in (*example.turns, ("assistant", example.response)))


def _cut(example: Example, talk: Talk, number: int) -> Example:
    return replace(
        example,
        id=f"{example.id}#{number}",
        prompt=talk.prompt,
        response=talk.response,
        turns=talk.kept_turns,
        conversation=talk.conversation,
        choices=(),
        answer_index=None,
        gold=Gold(),
    )
