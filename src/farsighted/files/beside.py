"""What stands beside any shape, and the model reads: system, history, context, options, tools, reasoning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from farsighted.core.speakers import REASONING
from farsighted.files.calls import Tool, tools_in
from farsighted.files.fields import Fields, UnfitError, json_in, kind_of, text_of
from farsighted.files.messages import Message, message_of, system_apart, thinking
from farsighted.files.options import Option, are_in, is_letter, options_in

SYSTEM: Final = ("system", "system_prompt", "system_message")
HISTORY: Final = ("history",)
CONTEXT: Final = ("input", "context")
OPTIONS: Final = ("options", "choices")
TOOLS: Final = ("tools", "functions")
BESIDE: Final = (*SYSTEM, *HISTORY, *CONTEXT, *OPTIONS, *TOOLS, *REASONING)
_ASKED: Final = frozenset({"question", "query", "instruction", "prompt", "input", "user", "human"})
_SAID: Final = frozenset({"answer", "response", "output", "completion", "assistant", "gpt", "bot", "model"})
"""Names that the objects of a history have for a question and for its answer, whichever comes first."""
_LONG: Final = 16
"""Characters from which a context that stands in the question already is no chance, and is not written twice."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a shape's own fields hold."""

    before: tuple[Message, ...]
    answer: Message
    rejected: str = ""
    own: frozenset[str] = frozenset()
    """Fields that are read."""
    is_list: bool = False
    """Whether it is a list of turns: a context then belongs to its first question, not to its last one."""
    repeats: bool = True
    """Whether a context that stands in the question already is written again: Alpaca's and Dolly's rows are, always."""
    left_out: str = ""
    """The mark by which what follows the answer is not trained on."""
    doubt: str = ""
    """What of the answer may be no answer; see `files.repeats`."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A draft with all that stands beside it."""

    messages: tuple[Message, ...]
    """The last one is the answer."""
    tools: tuple[Tool, ...]
    read: frozenset[str]
    """Fields of the row that are in it."""


def with_beside(draft: Draft, row: Fields, taken: frozenset[str] = frozenset()) -> Whole:
    """Return a draft with what stands beside it in the row.

    The system text comes first, unless a system turn leads already; then the history; input and context come after the
    question, each after an empty line, and options after those, a line each; tools and reasoning go to the template.

    Args:
        draft: What the shape's own fields hold.
        row: All fields.
        taken: Fields that a column gives to another of our names.

    Raises:
        UnfitError: A history or a context that cannot be read.
    """
    fields = {name: row[name] for name in BESIDE if name in row and name not in draft.own and name not in taken}
    if {"instruction", "output"} & row.keys() - draft.own:
        # The input of another shape, whose other fields are not read.
        fields.pop("input", None)
    before, answer, read = draft.before, draft.answer, set(fields) & set(HISTORY)
    contexts = [name for name in CONTEXT if name in fields]
    before = _asked_with(before, draft, [_context(fields, name) for name in contexts])
    listed = ((name, options_in(fields[name])) for name in OPTIONS if name in fields)
    where, options = next((found for found in listed if found[1]), ("", ()))
    if options and not (where == "choices" and _are_compared(row, answer.content, options)):
        before = _with_options(before, options, answer.content)
        read.add(where)
    before = _after_history(_history(fields), before)
    system, name = _system(fields, before)
    tools = next(((name, found) for name in TOOLS if (found := tools_in(fields.get(name))) is not None), ("", ()))
    answer, thought = thinking(answer, fields)
    read |= {*contexts, name, tools[0], *thought}
    return Whole((*system, *before, answer), tools[1], draft.own | (read - {""}))


def _system(fields: Fields, before: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """Return the system turn to put first, and the field that it is read from."""
    name = next((name for name in SYSTEM if fields.get(name)), "")
    if not name:
        return (), next((name for name in SYSTEM if name in fields), "")
    text = text_of(fields, name)
    if before and before[0].role == "system":
        return (), name if before[0].content.strip() == text.strip() else ""
    return ((Message("system", text),) if text.strip() else ()), name


def _history(fields: Fields) -> tuple[Message, ...]:
    """Return what was said before: pairs of question and answer, or messages."""
    found = fields.get("history")
    if found in (None, "", []):
        return ()
    if isinstance(found, str):
        spelled = "; it is text that holds JSON, so write the list itself" if json_in(found) else ""
        raise UnfitError(f"has a `history` that is no list of pairs; write [[instruction, answer], ...]{spelled}")
    if not isinstance(found, list):
        raise UnfitError("has a `history` that is no list of pairs; write [[instruction, answer], ...]")
    if all(isinstance(entry, dict) and {"role", "from"} & entry.keys() for entry in found):
        return tuple(message_of(entry) for entry in found)
    return tuple(message for number, entry in enumerate(found, start=1) for message in _pair(entry, number))


def _after_history(history: tuple[Message, ...], before: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return what was said before with a history in front of it; system turns that lead either lead the whole."""
    (first, earlier), (own, later) = (system_apart(turns) for turns in (history, before))
    said = {turn.content.strip() for turn in first}
    return (*first, *(turn for turn in own if turn.content.strip() not in said), *earlier, *later)


def _pair(entry: object, number: int) -> tuple[Message, Message]:
    parts = _by_name(entry) if isinstance(entry, dict) else entry
    if not isinstance(parts, list) or len(parts) != 2:
        raise UnfitError("has a `history` that is no list of pairs; write [[instruction, answer], ...]")
    for part, what in zip(parts, ("question", "answer"), strict=True):
        if isinstance(part, bool) or not isinstance(part, (str, int, float)):
            raise UnfitError(
                f"has a `history` whose pair {number} has {kind_of(part)} for its {what}; write text, or leave the "
                "pair out"
            )
    return Message("user", str(parts[0])), Message("assistant", str(parts[1]))


def _by_name(entry: Mapping[str, object]) -> list[object] | None:
    """Return question and answer of an object of two; None where its names do not say which is which."""
    asked = [name for name in entry if name.lower() in _ASKED]
    said = [name for name in entry if name.lower() in _SAID]
    return [entry[asked[0]], entry[said[0]]] if len(asked) == len(said) == 1 and len(entry) == 2 else None


def _context(fields: Fields, name: str) -> str:
    """Return a text, or texts with an empty line between them."""
    found = fields[name]
    if isinstance(found, list) and all(isinstance(part, str) for part in found):
        return "\n\n".join(part for part in found if part.strip())
    if not isinstance(found, str):
        raise UnfitError(
            f"has a `{name}` of type {kind_of(found)}; it must be text or a list of texts, because it is read as part "
            "of the prompt"
        )
    return found


def _asked_with(before: tuple[Message, ...], draft: Draft, contexts: Sequence[str]) -> tuple[Message, ...]:
    said = "\n".join(message.content for message in before)
    there = [text for text in contexts if text.strip() and (draft.repeats or not _stands_in(text, said))]
    if not there:
        return before
    places = [place for place, message in enumerate(before) if message.role == "user"]
    if not places:
        return (*before, Message("user", "\n\n".join(there)))
    place = places[0] if draft.is_list else places[-1]
    return _added(before, place, "\n\n", there)


def _stands_in(text: str, said: str) -> bool:
    return len(text.strip()) >= _LONG and text.strip() in said


def _added(before: tuple[Message, ...], place: int, between: str, texts: Sequence[str]) -> tuple[Message, ...]:
    asked = before[place]
    longer = replace(asked, content=between.join((asked.content, *texts)))
    return (*before[:place], longer, *before[place + 1 :])


def _with_options(before: tuple[Message, ...], options: Sequence[Option], answer: str) -> tuple[Message, ...]:
    said = "\n".join(message.content for message in before)
    places = [place for place, message in enumerate(before) if message.role == "user"]
    if not places or are_in(said, options, answer):
        return before
    return _added(before, places[-1], "\n", [option.line for option in options])


def _are_compared(row: Fields, answer: str, options: Sequence[Option]) -> bool:
    """Tell whether choices are there to be compared with the answer; a letter says nothing without them."""
    meta = row.get("meta")
    index = "answer_index" in row or (isinstance(meta, Mapping) and meta.get("answer_index") is not None)
    return index and not is_letter(answer, options)
