"""Conversations to one training example for each of the assistant's turns."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example, Gold
from farsighted.files.beside import BESIDE
from farsighted.files.columns import Columns
from farsighted.files.formats import Examples
from farsighted.files.gold import GOLD_FIELDS
from farsighted.files.messages import Message
from farsighted.files.shapes import SHAPES
from farsighted.files.talk import Talk, messages_of, talk_from

_OF_THE_WHOLE: Final = frozenset(
    {
        *(name for shape in SHAPES for name in (*shape.names, *shape.also)),
        *BESIDE,
        *GOLD_FIELDS,
    }
)
"""Fields that hold a conversation, or say what its last answer is graded against."""


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
    talks = [talk_from(messages[: place + 1], tools) for place in answers]
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


def in_turns(found: Examples) -> Examples:
    """Return examples with each turn as one of its own, at the place of its conversation.

    Raises:
        DataError: A turn has the id of another example.
    """
    turns: list[Example] = []
    places, cut = dict(found.places), set()
    for example in found.examples:
        *earlier, last = every_turn(example)
        for turn in earlier:
            if turn.id in places:
                raise DataError(
                    f"Ids must be distinct, but '{turn.id}' ({places[turn.id]}) is also that of "
                    f"a turn of '{example.id}' ({places[example.id]}). Rename it, or write `data.turns: last`."
                )
            places[turn.id] = places[example.id]
            cut.add(turn.id)
        turns.extend((*earlier, last))
    return replace(found, examples=tuple(turns), places=places, cut=frozenset(cut))


def cut_row(row: Mapping[str, object], example: Example, columns: Columns) -> dict[str, object]:
    """Return a row that ends with an earlier turn, as `every_turn` cut it out: its turns as `messages`.

    The conversation in its old form and what bears on its last answer are left out; all else stays. Calls, tools,
    reasoning and names of a conversation are in its messages.
    """
    left_out = _OF_THE_WHOLE | {given for name, given in columns.items() if name in _OF_THE_WHOLE}
    kept = {name: value for name, value in row.items() if name not in left_out}
    id_field = columns.get("id", "id")
    if kept.get(id_field) is not None:
        kept[id_field] = example.id
    if example.conversation:
        whole: dict[str, object] = json.loads(example.conversation)
        return kept | whole
    turns = (*(example.turns or (("user", example.prompt),)), ("assistant", example.response))
    return kept | {"messages": [{"role": role, "content": content} for role, content in turns]}
