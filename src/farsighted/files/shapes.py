"""The shapes that rows come in: what was said before the answer, the answer, and the one that was rejected."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from farsighted.files import marks
from farsighted.files.beside import OPTIONS, SYSTEM, Draft, with_beside
from farsighted.files.calls import calls_in
from farsighted.files.fields import Fields, SetAsideError, UnfitError, UnknownShapeError, json_in, kind_of, text_of
from farsighted.files.messages import Message, message_of, unread_of
from farsighted.files.repeats import (
    after_prompt,
    answer_turns,
    doubt_of,
    is_telling,
    messages_in,
    prompt_text,
    together,
)
from farsighted.files.talk import Talk, talk_from, up_to_answer
from farsighted.files.transcripts import is_transcript

_LISTS: Final = ("messages", "conversations", "conversation", "dialogue", "dialog")
_PAIRED: Final = (("instruction", "output"), ("input", "output"), ("prompt", "response"), ("user", "assistant"))
"""What the objects of a list may hold instead of a role: a question and its answer."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields by which a shape is known, and how it is read."""

    names: tuple[str, ...]
    """All of them must be there."""
    read: Callable[[Fields], Draft]
    also: tuple[str, ...] = ()
    """Fields of its own that may be there."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a row holds to train on, and what of the row is in it."""

    talk: Talk
    read: frozenset[str]
    """Fields of the row that were read."""
    unread: frozenset[str] = frozenset()
    """Names inside its messages that were not: "messages.time"."""
    left_out: str = ""
    """The mark by which the last answer is not trained on, where the talk ends with an earlier one."""
    doubt: str = ""
    """What of the answer may be no answer, though it is trained on."""


def said_in(fields: Fields, taken: frozenset[str] = frozenset()) -> Said:
    """Return what a row of any known shape holds, and which of its fields are in it.

    Shapes are found by their fields, in the order of `SHAPES`; what may stand beside any of them is in `files.beside`.

    Args:
        fields: The row's fields under our names, without nulls.
        taken: Fields that a column gives to another of our names, which are not read under their own.

    Raises:
        UnfitError: A row of no known shape, or one that cannot be read; `SetAsideError` where a mark forbids training.
    """
    mark = marks.forbids(fields)
    if mark:
        raise SetAsideError(mark)
    shape = next((shape for shape in SHAPES if all(name in fields for name in shape.names)), None)
    if shape is None:
        raise UnknownShapeError(_unknown(fields))
    draft = shape.read(fields)
    if shape.names == ("text",):
        return Said(talk_from((*draft.before, draft.answer)), draft.own)
    whole = with_beside(draft, fields, taken)
    messages = up_to_answer(whole.messages) if draft.is_list else _answered(whole.messages)
    ended = draft.left_out or whole.messages[-1].forbidden
    # What is worse than an answer says nothing of an earlier one.
    talk = replace(talk_from(messages, whole.tools, are_apart=draft.is_list), rejected="" if ended else draft.rejected)
    return Said(talk, whole.read | marks.are_read(fields), _unread_inside(fields, draft.own), ended, draft.doubt)


def _answered(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if messages[-1].forbidden:
        raise SetAsideError(f"{messages[-1].forbidden} on every answer")
    return messages


def _unread_inside(fields: Fields, names: frozenset[str]) -> frozenset[str]:
    """Return the names that nothing reads in the messages of some fields."""
    found = set()
    for name in names:
        listed = fields[name] if isinstance(fields.get(name), list) else [fields.get(name)]
        for entry in listed if isinstance(listed, list) else []:
            found |= {f"{name}.{inner}" for inner in _unread_in(entry)}
    return frozenset(found)


def _unread_in(entry: object) -> frozenset[str]:
    if not isinstance(entry, dict):
        return frozenset()
    pair = next((pair for pair in _PAIRED if _holds(entry, pair)), None)
    if pair is not None:
        return frozenset(name for name in entry if entry[name] is not None) - _read_of_pair(entry, pair)
    return unread_of(entry) if {"role", "from"} & entry.keys() else frozenset()


def _unknown(fields: Fields) -> str:
    found = ", ".join(sorted(fields)[:8]) or "none"
    advice = "rename the fields, or name them under `data.columns`"
    if "input_ids" in fields:
        advice = "give the text, not its token ids"
    return f"has the fields {found}, but must have {_KNOWN}; {advice}"


def _pair(prompt: str, response: str) -> Callable[[Fields], Draft]:
    """Read a question and an answer, each a text or a list of messages; the last of a list is the answer."""

    def read(row: Fields) -> Draft:
        asked = _asked(row, prompt)
        if response == "chosen":
            row = _without_prompt(row, asked)
        said, rejected = _answers(row, response, asked), _rejected(row, asked)
        said, left_out = _up_to_open(said)
        return Draft(
            before=together(asked, said[:-1]),
            answer=said[-1],
            rejected=rejected,
            own=frozenset({prompt, response, *(["rejected"] if rejected else [])}),
            repeats=prompt == "instruction",
            left_out=left_out,
            doubt=doubt_of(asked, said),
        )

    return read


def _asked(row: Fields, name: str) -> tuple[Message, ...]:
    """Return the question: a text, one message, or a list of them."""
    found = row[name]
    if not isinstance(found, list):
        return (Message("user", text_of(row, name)),)
    if len(found) > 1 and _are_texts(found):
        raise UnfitError(f"has {len(found)} texts as its `{name}`; write one text, or [{{role, content}}, ...]")
    return turns_in(row, name)


def _answers(row: Fields, name: str, asked: tuple[Message, ...] = ()) -> tuple[Message, ...]:
    """Return the messages that end with the answer: a text, one message, a list of them, or accepted texts."""
    found = row[name]
    if isinstance(found, dict) and {"role", "from"} & found.keys():
        return (message_of(found),)
    if isinstance(found, list) and _are_texts(found):
        return (Message("assistant", _trained(row, name, found)),)
    if isinstance(found, list):
        return _ended(turns_in(row, name))
    if name == "answer" and "choices" in row and not isinstance(found, str):
        raise UnfitError(f"has an `answer` of type {kind_of(found)}; it must be text, that of the right choice")
    return _ended(answer_turns(asked, text_of(row, name)))


def _are_texts(found: list[object]) -> bool:
    return bool(found) and all(isinstance(text, str) for text in found)


def _trained(row: Fields, name: str, texts: list[object]) -> str:
    """Return the text to train on of several: the first `answer`, as grading accepts all of them."""
    if len(texts) > 1 and (name != "answer" or set(OPTIONS) & row.keys()):
        raise UnfitError(
            f"has {len(texts)} texts as its `{name}`; give the one to train on as text, and all that are accepted "
            "under `answers`"
        )
    return str(texts[0])


def _ended(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    if turns[-1].role != "assistant":
        raise UnfitError(f"ends with a turn of '{turns[-1].role}'; the last message must be the assistant's")
    return turns


def _up_to_open(said: tuple[Message, ...]) -> tuple[tuple[Message, ...], str]:
    """Return what was answered up to the last answer that may be trained on, and the mark that forbids what follows."""
    if not said[-1].forbidden or all(turn.forbidden for turn in said if turn.role == "assistant"):
        return said, ""
    return up_to_answer(said), said[-1].forbidden


def _rejected(row: Fields, asked: tuple[Message, ...] = ()) -> str:
    """Return the worse answer, "" where there is none that can be read: only some measures ask for it."""
    try:
        return _answers(row, "rejected", asked)[-1].text if "rejected" in row else ""
    except UnfitError:
        return ""


def _without_prompt(row: Fields, asked: tuple[Message, ...]) -> Fields:
    """Return a row whose chosen and rejected texts are without the prompt, where both begin with it."""
    prompt = prompt_text(asked)
    if not is_telling(prompt) or is_transcript(prompt):
        return row
    rests = {
        name: after_prompt(prompt, found) if isinstance(found := row[name], str) else None
        for name in ("chosen", "rejected")
        if name in row
    }
    return row if None in rests.values() else {**row, **rests}


def _talk(name: str) -> Callable[[Fields], Draft]:
    def read(row: Fields) -> Draft:
        turns = turns_in(row, name)
        if turns[-1].role != "assistant" and "chosen" in row:
            answers = _answers(row, "chosen")
            before = together(turns, answers[:-1])
            rejected = _rejected(row)
            own = {name, "chosen", *({"rejected"} if rejected else ())}
            return Draft(before, answers[-1], rejected, frozenset(own), is_list=True)
        return Draft(turns[:-1], turns[-1], own=frozenset({name}), is_list=True)

    return read


def _preference(*names: str) -> Callable[[Fields], Draft]:
    """Read two conversations, the better one first; the prompt is what comes before the answer of the better one."""

    def read(row: Fields) -> Draft:
        asked = next((name for name in ASKED if isinstance(row.get(name), str)), "")
        if asked and names[0] == "chosen" and _is_answer(row["chosen"]):
            return _pair(asked, "chosen")(row)
        chosen, rejected = (_whole(row, name) for name in names)
        return Draft(chosen[:-1], chosen[-1], rejected[-1].text, frozenset(names), is_list=True)

    return read


def _is_answer(found: object) -> bool:
    """Tell whether a preferred text is an answer alone, not a whole conversation."""
    one = isinstance(found, dict) and bool({"role", "from"} & found.keys())
    return one or (isinstance(found, str) and not is_transcript(found))


def _whole(row: Fields, name: str) -> tuple[Message, ...]:
    found = row[name]
    return _ended(messages_in(found, name) if isinstance(found, str) else turns_in(row, name))


def _chat(row: Fields) -> Draft:
    found = row["chat"]
    turns = messages_in(found, "chat") if isinstance(found, str) else turns_in(row, "chat")
    system = row.get("system")
    own = {"chat"}
    if isinstance(system, str) and is_transcript(system):
        turns = (*messages_in(system, "system"), *turns)
        own.add("system")
    return Draft(turns[:-1], turns[-1], own=frozenset(own), is_list=True)


def _called(row: Fields) -> Draft:
    """A question that is answered by calls, in a list or in JSON text."""
    calls = calls_in(row["answers"])
    return Draft(
        (Message("user", text_of(row, "query")),), Message("assistant", "", calls), own=frozenset({"query", "answers"})
    )


def _text(row: Fields) -> Draft:
    if "role" in row and {"parent_id", "message_id"} & row.keys():
        raise UnfitError("is one message of a tree (`parent_id`); write each conversation as one row with `messages`")
    return Draft((Message("user", ""),), Message("assistant", text_of(row, "text")), own=frozenset({"text"}))


def turns_in(row: Fields, name: str) -> tuple[Message, ...]:
    """Return the messages of a field: objects with a role, objects with a question and an answer, or texts in turn."""
    found = row[name]
    if isinstance(found, str) and json_in(found) is not None:
        raise UnfitError(
            f"has `{name}` as text that holds JSON; write the list itself, one object a line in a .jsonl file"
        )
    if not isinstance(found, list) or not found:
        raise UnfitError(f"has `{name}` that are no list of turns; write [{{role, content}}, ...]")
    if all(isinstance(entry, int) for entry in found):
        raise UnfitError(f"has token ids under `{name}`; give the text, not its token ids")
    if len(found) > 1 and len(found) % 2 == 0 and all(isinstance(entry, str) for entry in found):
        roles = ("user", "assistant") * (len(found) // 2)
        return tuple(Message(role, str(text)) for role, text in zip(roles, found, strict=True))
    turns: list[Message] = []
    for entry in found:
        turns.extend(_messages(entry, next((turn.content for turn in reversed(turns) if turn.role == "system"), "")))
    return tuple(turns)


def _messages(entry: object, system: str) -> tuple[Message, ...]:
    """Return the messages of an object; a system text that is said already is not said again by a pair."""
    pair = next((pair for pair in _PAIRED if isinstance(entry, dict) and _holds(entry, pair)), None)
    if pair is None or not isinstance(entry, dict):
        return (message_of(entry),)
    asked, answer = text_of(entry, pair[0]), text_of(entry, pair[1])
    read = _read_of_pair(entry, pair)
    texts = [text for name in SYSTEM if name in read and (text := text_of(entry, name)).strip()]
    more = text_of(entry, "input") if "input" in read - set(pair) else ""
    return (
        *(Message("system", text) for text in texts[:1] if text != system),
        Message("user", f"{asked}\n\n{more}" if more.strip() else asked),
        Message("assistant", answer, forbidden=marks.forbids(entry)),
    )


def _read_of_pair(entry: Fields, pair: tuple[str, str]) -> frozenset[str]:
    """Return the names that are read in an object with a question and its answer."""
    beside = [name for name in SYSTEM if isinstance(entry.get(name), str)][:1]
    if pair[0] == "instruction" and isinstance(entry.get("input"), str):
        beside.append("input")
    return frozenset({*pair, *beside}) | marks.are_read(entry)


def _holds(entry: Fields, pair: tuple[str, str]) -> bool:
    return set(pair) <= entry.keys() and not {"role", "from"} & {name for name in entry if entry[name] is not None}


ASKED: Final = ("prompt", "instruction", "query", "question", "problem", "inputs", "input")
ANSWERED: Final = ("response", "completion", "output", "solution", "targets", "answer")
_FIRST: Final = (
    Shape(("prompt", "chosen"), _pair("prompt", "chosen"), ("rejected",)),
    Shape(("prompt", "response"), _pair("prompt", "response"), ("rejected",)),
    Shape(("prompt", "completion"), _pair("prompt", "completion"), ("rejected",)),
    Shape(("messages",), _talk("messages"), ("chosen", "rejected")),
    Shape(("conversations",), _talk("conversations"), ("chosen", "rejected")),
    Shape(("instruction", "output"), _pair("instruction", "output"), ("rejected",)),
    Shape(("instruction", "response"), _pair("instruction", "response"), ("rejected",)),
    Shape(("query", "response"), _pair("query", "response"), ("rejected",)),
    Shape(("question", "answer"), _pair("question", "answer"), ("rejected",)),
    Shape(("chosen", "rejected"), _preference("chosen", "rejected"), ASKED),
    Shape(("chosen_messages", "rejected_messages"), _preference("chosen_messages", "rejected_messages")),
    *(Shape((name,), _talk(name), ("chosen", "rejected")) for name in _LISTS[2:]),
    Shape(("chat",), _chat, ("system",)),
    Shape(("query", "answers", "tools"), _called),
)
"""What comes first where a row has the fields of several."""
_KNOWN_PAIRS: Final = {shape.names for shape in _FIRST}
SHAPES: Final[tuple[Shape, ...]] = (
    *_FIRST,
    *(
        Shape((asked, answer), _pair(asked, answer), ("rejected",))
        for asked in ASKED
        for answer in ANSWERED
        if (asked, answer) not in _KNOWN_PAIRS
    ),
    Shape(("text",), _text),
)
_KNOWN: Final = (
    "prompt + response, prompt + completion, messages, conversations, instruction + output (+ input), "
    "input + output, problem + solution, question + answer, chosen + rejected, or text"
)
