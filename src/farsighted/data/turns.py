"""Conversations to one training example for each of the assistant's turns."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example, Gold
from farsighted.files.columns import Columns
from farsighted.files.formats import Examples
from farsighted.files.shapes import Talk

_OF_THE_WHOLE: Final = frozenset(
    {
        *("prompt", "response", "completion", "chosen", "rejected", "messages", "conversations"),
        *("instruction", "input", "output", "history", "system", "context"),
        *("choices", "answer_index", "answer", "answers", "correct_answers", "incorrect_answers", "best_answer"),
        *("tests", "test_list", "test", "test_setup_code", "entry_point"),
    }
)
"""Fields that hold a conversation, or say what its last answer is graded against."""


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

    The conversation in its old form and what bears on its last answer are left out; all else stays.
    """
    left_out = _OF_THE_WHOLE | {given for name, given in columns.items() if name in _OF_THE_WHOLE}
    kept = {name: value for name, value in row.items() if name not in left_out}
    id_field = columns.get("id", "id")
    if kept.get(id_field) is not None:
        kept[id_field] = example.id
    turns = (*(example.turns or (("user", example.prompt),)), ("assistant", example.response))
    return kept | {"messages": [{"role": role, "content": content} for role, content in turns]}
