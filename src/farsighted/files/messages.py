"""One message of a conversation: who speaks, the text, and what a chat template may want beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from farsighted.core.speakers import CALLING, REASONING, key_of, role_of
from farsighted.files import marks
from farsighted.files.calls import Call, calls_in, calls_or_none, calls_text, same_calls, unread_in, without_copies
from farsighted.files.fields import UnfitError, as_json, json_in, kind_of, text_of
from farsighted.files.parts import Parts, parts_in

_ROLE: Final = ("role", "from")
_CONTENT: Final = ("content", "value", "text")
_CALLS: Final = ("tool_calls", "function_call")
_NAMES: Final = ("name", "tool_call_id")
MESSAGE_FIELDS: Final = (*_ROLE, *_CONTENT, *_CALLS, *REASONING, *_NAMES, *marks.MARKS)
"""What is read of a message."""
_LEVELS: Final = frozenset({"on", "off", "yes", "no", "true", "false", "none", "low", "medium", "high"})
"""Settings of reasoning, which some files keep under the name of its text."""
_THOUGHT: Final = re.compile(
    r"\s*(?:<(think|thinking|thought|reasoning)>(?P<tagged>.*?)</\1>|\[THINK\](?P<bracketed>.*?)\[/THINK\])", re.DOTALL
)
"""What was thought, at the beginning of a content."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was read."""

    role: str
    content: str
    calls: tuple[Call, ...] = ()
    reasoning: Mapping[str, str] = field(default_factory=dict)
    """What was thought before the answer, under the row's own name for it and under `reasoning_content`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """`name` of who speaks, `tool_call_id` of the call that is answered."""
    forbidden: str = ""
    """The mark by which it is not trained on."""
    unread: frozenset[str] = frozenset()
    """Names in it that nothing reads."""

    @property
    def text(self) -> str:
        """The message in plain words: reasoning between <think> marks, the content, a line for each call."""
        thought = next(iter(self.reasoning.values()), "")
        said = "\n".join(part for part in (self.content, calls_text(self.calls)) if part)
        return f"<think>\n{thought}\n</think>\n\n{said}" if thought else said

    @property
    def is_plain(self) -> bool:
        """Whether role and text say it all."""
        return not (self.calls or self.reasoning or self.names or (self.role == "assistant" and self.forbidden))

    def as_object(self) -> dict[str, object]:
        """Return the message as chat templates read it; a `weight` of 0 says that it is not trained on."""
        calls = {"tool_calls": list(self.calls)} if self.calls else {}
        weight = {"weight": 0} if self.role == "assistant" and self.forbidden else {}
        return {"role": self.role, "content": self.content, **self.reasoning, **calls, **self.names, **weight}


def message_of(found: object) -> Message:
    """Return a message; raises `UnfitError` for what is none.

    The role is under `role` or `from`; the text under `content`, `value` or `text`, whole or in parts; where there are
    calls it may be missing. An object that a tool gave back becomes its JSON.
    """
    if not isinstance(found, dict):
        raise UnfitError(f"has a message of type {kind_of(found)}; every message must be an object")
    # In a table every message has the names of all, those of the others with null.
    there = {name: value for name, value in found.items() if value is not None}
    given = text_of(there, next((name for name in _ROLE if name in there), "role"))
    role = role_of(given)
    calls = _together({name: calls_in(there[name]) for name in _CALLS if there.get(name)})
    parts = _content(there, role, bool(calls))
    calls = _together({"tool_calls": calls, "content": parts.calls})
    content = without_copies(parts.text, calls) if role == "assistant" else parts.text
    reasoning = _thought_once(reasoning_in(there), parts)
    if key_of(given) in CALLING and not calls and (spelled := calls_or_none(content)):
        calls, content = spelled, ""
    names = {name: value for name in _NAMES if isinstance(value := there.get(name), str) and value}
    return Message(role, content, calls, reasoning, names, marks.forbids(there), unread_of(there))


def reasoning_in(there: Mapping[str, object]) -> dict[str, str]:
    """Return the reasoning of a message or a row, {} where there is none; a setting ("on") is no reasoning."""
    for name in REASONING:
        found = there.get(name)
        if isinstance(found, str) and found.strip() and found.strip().lower() not in _LEVELS:
            same = {other: found for other in REASONING if there.get(other) == found}
            return {"reasoning_content": found, **same}
    return {}


def thinking(answer: Message, fields: Mapping[str, object]) -> tuple[Message, frozenset[str]]:
    """Return an answer with the reasoning that stands beside it in a row, and the names of it that are read.

    An answer that has its own keeps that; the row's is then read only where it says the same.
    """
    thought = reasoning_in(fields)
    names = frozenset(thought.keys() & fields.keys())
    own = thought_in(answer.content) if not answer.reasoning else next(iter(answer.reasoning.values())).strip()
    if own is None:
        return (replace(answer, reasoning=thought), names) if thought else (answer, names)
    return answer, names if own in {text.strip() for text in thought.values()} else frozenset()


def system_apart(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return the system turns that lead, and the turns after them."""
    place = next((place for place, turn in enumerate(messages) if turn.role != "system"), len(messages))
    return messages[:place], messages[place:]


def thought_in(content: str) -> str | None:
    r"""Return what a content begins with as thought before the rest of it, None where it does not.

    >>> thought_in("<think>\nsix\n</think>\n\n42"), thought_in("42")
    ('six', None)
    """
    found = _THOUGHT.match(content)
    return (found["tagged"] or found["bracketed"] or "").strip() if found else None


def _thought_once(named: dict[str, str], parts: Parts) -> dict[str, str]:
    """Return the reasoning of a message, {} where its content begins with it already."""
    said = {*(text.strip() for text in named.values()), parts.reasoning.strip()} - {""}
    if len(said) > 1:
        raise UnfitError(f"has one reasoning under `{next(iter(named))}` and another in its content; keep one of them")
    own = thought_in(parts.text) if said else None
    if own is None:
        return named or reasoning_in({"reasoning_content": parts.reasoning})
    if own in said:
        return {}
    raise UnfitError("has one reasoning in the marks of its content and another one beside it; keep one of them")


def _together(found: Mapping[str, tuple[Call, ...]]) -> tuple[Call, ...]:
    """Return calls that stand in two places once; raises `UnfitError` where they are not the same."""
    (first, calls), *others = [(name, calls) for name, calls in found.items() if calls] or [("", ())]
    for name, more in others:
        if not same_calls(more, calls):
            raise UnfitError(f"has other calls under `{name}` than under `{first}`; keep one of them")
    return calls


def unread_of(message: Mapping[str, object]) -> frozenset[str]:
    """Return the names in a message that nothing reads."""
    there = {name: value for name, value in message.items() if value is not None}
    wrong: set[str] = {name for name in _NAMES if name in there and not isinstance(there[name], str)}
    wrong |= {name for name in REASONING if there.get(name)} - reasoning_in(there).keys()
    wrong |= {name for name in _CONTENT if there.get(name) and there[name] != there[_content_name(there)]}
    wrong |= {f"{name}.{inner}" for name in _CALLS for call in _listed(there.get(name)) for inner in unread_in(call)}
    wrong |= set(marks.MARKS) & there.keys() - marks.are_read(there)
    return frozenset(there.keys() - set(MESSAGE_FIELDS) | wrong)


def _content(there: Mapping[str, object], role: str, calls: bool) -> Parts:
    name = _content_name(there)
    found = there.get(name)
    if found is None and calls:
        return Parts("")
    if role == "tool" and _is_data(found):
        return Parts(as_json(found))
    return parts_in(found) if isinstance(found, list) else Parts(text_of(there, name))


def _content_name(there: Mapping[str, object]) -> str:
    """Return where the text of a message stands: an empty `content` beside a filled `text` is none."""
    filled = [name for name in _CONTENT if _holds(there.get(name))]
    return next(iter(filled), next((name for name in _CONTENT if name in there), "content"))


def _holds(found: object) -> bool:
    return bool(found.strip()) if isinstance(found, str) else found not in (None, [])


def _listed(found: object) -> list[object]:
    given = json_in(found) if isinstance(found, str) else found
    return given if isinstance(given, list) else [given]


def _is_data(found: object) -> bool:
    """Tell whether a tool gave back something other than text or parts of a text."""
    parts = isinstance(found, list) and bool(found) and all(isinstance(part, dict) and "type" in part for part in found)
    return not isinstance(found, (str, type(None))) and not parts
