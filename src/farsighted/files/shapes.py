"""The shapes that rows come in: what was said before the answer, the answer, and the one that was rejected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Turn = tuple[str, str]
"""Role and content."""
Fields = Mapping[str, object]

ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "human": "user",
        "gpt": "assistant",
        "bot": "assistant",
        "chatgpt": "assistant",
        "model": "assistant",
        "function_call": "assistant",
        "observation": "tool",
    }
)
"""Other names of roles, as ShareGPT, LLaMA-Factory and Axolotl write them."""

_CONTENT: Final = ("content", "value", "text")
_ROLE: Final = ("role", "from")


class UnfitError(Exception):
    """A row of the wrong shape; the message is to be read after "file:line"."""


class UnknownShapeError(UnfitError):
    """A row without the fields of any shape."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What a row holds to train on."""

    turns: tuple[Turn, ...]
    """Everything before the answer."""
    response: str
    rejected: str = ""
    """A worse answer, where the row has one."""

    @property
    def prompt(self) -> str:
        """The turns as one text: a single user turn unchanged, several as "role: content" lines."""
        if len(self.turns) == 1 and self.turns[0][0] == "user":
            return self.turns[0][1]
        return "\n".join(f"{role}: {content}" for role, content in self.turns)

    @property
    def kept_turns(self) -> tuple[Turn, ...]:
        """The turns, or () where the prompt says it all: one turn of the user."""
        return () if len(self.turns) == 1 and self.turns[0][0] == "user" else self.turns


def talk_of(fields: Fields) -> Talk:
    """Return what a row of any known shape holds; raises `UnfitError` for other rows.

    Shapes, found by their fields in this order: prompt + chosen (+ rejected), prompt + response, prompt + completion
    (each a text or a list of messages), `messages`, ShareGPT's `conversations`, Alpaca's instruction + output (+ input,
    system, history), Dolly's instruction + response (+ context), query + response, question + answer, lists of messages
    chosen + rejected, and `text` alone, all of which is trained on.
    """
    for names, read in _SHAPES:
        if all(name in fields for name in names):
            return read(fields)
    found = ", ".join(sorted(fields)[:8]) or "none"
    if "input_ids" in fields:
        advice = "give the text, not its token ids"
    else:
        advice = "rename the fields, or name them under `data.columns`"
    raise UnknownShapeError(f"has the fields {found}, but must have {_KNOWN}; {advice}")


def text_of(fields: Fields, name: str) -> str:
    """Return a field that must be text."""
    found = fields.get(name)
    if not isinstance(found, str):
        raise UnfitError(f"has a `{name}` of type {kind_of(found)}; it must be text")
    return found


def kind_of(value: object) -> str:
    """Return the name of a value's type as JSON has it."""
    return {dict: "object", list: "list", bool: "boolean", type(None): "null"}.get(type(value), type(value).__name__)


def _pair(prompt: str, response: str) -> Callable[[Fields], Talk]:
    def read(row: Fields) -> Talk:
        turns = _turns(row, prompt) if isinstance(row[prompt], list) else (("user", text_of(row, prompt)),)
        return Talk(turns, _answer(row, response), _answer(row, "rejected") if "rejected" in row else "")

    return read


def _answer(row: Fields, name: str) -> str:
    """A text, or the last message of a list."""
    return _last(row, name)[1] if isinstance(row[name], list) else text_of(row, name)


def _from_messages(row: Fields) -> Talk:
    return _talk(row, "messages")


def _from_conversations(row: Fields) -> Talk:
    found = _talk(row, "conversations")
    return Talk((*_system(row), *found.turns), found.response)


def _from_preference(row: Fields) -> Talk:
    """The prompt is what both conversations begin with."""
    found = _talk(row, "chosen")
    return Talk(found.turns, found.response, _talk(row, "rejected").response)


def _from_dolly(row: Fields) -> Talk:
    return Talk((("user", _asked(row, "context")),), text_of(row, "response"))


def _asked(row: Fields, beside: str) -> str:
    instruction, context = text_of(row, "instruction"), text_of(row, beside) if beside in row else ""
    return f"{instruction}\n\n{context}" if context.strip() else instruction


def _from_instruction(row: Fields) -> Talk:
    history = row.get("history", [])
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise UnfitError("has a `history` that is no list of pairs; write [[instruction, answer], ...]")
    before = tuple(
        (role, str(text)) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)
    )
    return Talk((*_system(row), *before, ("user", _asked(row, "input"))), text_of(row, "output"))


def _from_text(row: Fields) -> Talk:
    return Talk((("user", ""),), text_of(row, "text"))


def _system(row: Fields) -> tuple[Turn, ...]:
    return (("system", text_of(row, "system")),) if row.get("system") else ()


def _talk(row: Fields, name: str) -> Talk:
    role, response = _last(row, name)
    if role != "assistant":
        raise UnfitError(f"ends with a turn of '{role}'; the last message must be the assistant's")
    return Talk(_turns(row, name)[:-1], response)


def _last(row: Fields, name: str) -> Turn:
    return _turns(row, name)[-1]


def _turns(row: Fields, name: str) -> tuple[Turn, ...]:
    messages = row[name]
    if not isinstance(messages, list) or not messages:
        raise UnfitError(f"has `{name}` that are no list of turns; write [{{role, content}}, ...]")
    return tuple(_turn(message) for message in messages)


def _turn(message: object) -> Turn:
    if not isinstance(message, dict):
        raise UnfitError(f"has a message of type {kind_of(message)}; every message must be an object")
    # In a table every message has the names of all, those of the others with null.
    role = text_of(message, next((name for name in _ROLE if message.get(name) is not None), "role"))
    name = next((name for name in _CONTENT if message.get(name) is not None), "content")
    content = _joined(message[name]) if isinstance(message.get(name), list) else text_of(message, name)
    return ROLES.get(role, role), content


def _joined(parts: list[object]) -> str:
    """Return the text of a content in parts, [{type: text, text: ...}, ...], without anything between them."""
    if not parts:
        raise UnfitError("has a message whose content is an empty list; it must be text, or parts of type text")
    return "".join(_text_of_part(part) for part in parts)


def _text_of_part(part: object) -> str:
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    if not isinstance(part, dict) or kind != "text":
        raise UnfitError(f"has a message with a part of type {kind!r}; only parts of type 'text' can be trained on")
    return text_of(part, "text")


_SHAPES: Final[tuple[tuple[tuple[str, ...], Callable[[Fields], Talk]], ...]] = (
    (("prompt", "chosen"), _pair("prompt", "chosen")),
    (("prompt", "response"), _pair("prompt", "response")),
    (("prompt", "completion"), _pair("prompt", "completion")),
    (("messages",), _from_messages),
    (("conversations",), _from_conversations),
    (("instruction", "output"), _from_instruction),
    (("instruction", "response"), _from_dolly),
    (("query", "response"), _pair("query", "response")),
    (("question", "answer"), _pair("question", "answer")),
    (("chosen", "rejected"), _from_preference),
    (("text",), _from_text),
)
_KNOWN: Final = (
    "prompt + response, prompt + completion, messages, conversations, instruction + output (+ input), "
    "question + answer, or text"
)
