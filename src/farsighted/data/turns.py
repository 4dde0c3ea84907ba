"""Conversations to one training example for each of the assistant's turns."""

from dataclasses import replace

from farsighted.core.values import Example, Gold
from farsighted.data.shapes import Talk


def every_turn(example: Example) -> tuple[Example, ...]:
    """Return an example for each turn of the assistant, in order, the one that was given last.

    Training on all of them is training on the loss of every assistant token of the conversation, each given what was
    said before it; a selector may take one turn and leave another. Earlier turns have the conversation's metadata, and
    "<id>#1" and so on as ids; empty ones are left out.
    """
    found: list[Example] = []
    for place, (role, content) in enumerate(example.turns):
        if role == "assistant" and content.strip() and place:
            before = Talk(example.turns[:place], content)
            found.append(
                replace(
                    example,
                    id=f"{example.id}#{len(found) + 1}",
                    prompt=before.prompt,
                    response=content,
                    turns=before.kept_turns,
                    choices=(),
                    answer_index=None,
                    gold=Gold(),
                )
            )
    return (*found, example)
