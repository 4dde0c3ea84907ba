"""Files whose conversations are one example a turn, and the rows that stand for such a turn."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.turns import every_turn
from farsighted.files.beside import BESIDE
from farsighted.files.columns import Columns
from farsighted.files.formats import Examples
from farsighted.files.gold import GOLD_FIELDS
from farsighted.files.shapes import SHAPES

_OF_THE_WHOLE: Final = frozenset(
    {
        *(name for shape in SHAPES for name in (*shape.names, *shape.also)),
        *BESIDE,
        *GOLD_FIELDS,
    }
)
"""Fields that hold a conversation, or say what its last answer is graded against."""


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
