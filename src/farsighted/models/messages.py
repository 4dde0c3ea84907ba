"""An example as the messages that a chat template is given, and the other forms in which a template may want them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from farsighted.core.speakers import KIN_OF
from farsighted.core.values import Example

Message = dict[str, object]
"""Role, content, and whatever else a message may carry."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a template is given."""

    messages: tuple[Message, ...]
    """The answer is the last one."""
    tools: tuple[object, ...] = ()
    """What may be called; empty where nothing may."""
    given: str = ""
    """The beginning of the answer's content that the prompt gives (prefill); empty where it gives none."""


def conversation_of(example: Example) -> Conversation:
    """Return the messages of an example, the answer last.

    A prompt in plain words that ends in the assistant's turn begins the answer; in a whole conversation the messages
    are what they are.
    """
    if not example.conversation:
        turns = (*(example.turns or (("user", example.prompt),)), ("assistant", example.response))
        return _continued(Conversation(tuple({"role": role, "content": content} for role, content in turns)))
    held: dict[str, object] = json.loads(example.conversation)
    messages, tools = held.get("messages"), held.get("tools")
    return Conversation(
        tuple(message for message in messages if isinstance(message, dict)) if isinstance(messages, list) else (),
        tuple(tools) if isinstance(tools, list) else (),
    )


def _continued(talk: Conversation) -> Conversation:
    """Return the last two messages as one where both are the assistant's."""
    begun, answer = talk.messages[-2:] if len(talk.messages) > 1 else ({}, {})
    if not all(str(message.get("role", "")).lower() in KIN_OF["assistant"] for message in (begun, answer)):
        return talk
    given = _joined(begun.get("content"))
    rest = "" if answer.get("content") is None else _joined(answer.get("content"))
    if not given or not isinstance(given, str) or not isinstance(rest, str):
        return talk
    return Conversation((*talk.messages[:-2], begun | answer | {"content": given + rest}), talk.tools, given)


def answered(example: Example, response: str) -> Example:
    """Return an example with another answer, in its conversation too; with its own answer it is as it was."""
    if not example.conversation or response == example.response:
        return replace(example, response=response)
    held: dict[str, object] = json.loads(example.conversation)
    messages = held.get("messages")
    before = messages[:-1] if isinstance(messages, list) else []
    held["messages"] = [*before, {"role": "assistant", "content": response}]
    return replace(example, response=response, conversation=json.dumps(held, ensure_ascii=False))


def renamed(example: Example) -> Example | None:
    """Return an example with other names (`name`) of who speaks in it; None where it has none."""
    talk = conversation_of(example) if '"name"' in example.conversation else Conversation(())
    if not any(isinstance(message.get("name"), str) for message in talk.messages):
        return None
    messages = [
        message | {"name": f"{message['name']}_"} if isinstance(message.get("name"), str) else message
        for message in talk.messages
    ]
    held = {"messages": messages, **({"tools": list(talk.tools)} if talk.tools else {})}
    return replace(example, conversation=json.dumps(held, ensure_ascii=False))


def forms_of(talk: Conversation, known: frozenset[str]) -> Iterator[Conversation]:
    """Yield the messages in the forms that templates want, the usual one first, each form once.

    Usual: roles by their usual names (unless the template has the name given), content as text, arguments of calls as
    objects. Then content in parts, roles by the names that the template has, arguments as text, null for no content.

    Args:
        talk: The messages as they were given.
        known: Every text that stands in the template's source; a role's name among them is one that it knows.
    """
    usual = _each(talk, lambda message: _usual(message, known))
    named = _each(usual, lambda message: message | {"role": _known_role(str(message.get("role", "")), known)})
    met: list[Conversation] = []
    for form in (
        usual,
        _each(usual, _in_parts),
        named,
        _each(named, _in_parts),
        _each(named, _calls_as_text),
        _each(named, _null_for_nothing),
    ):
        if form not in met:
            met.append(form)
            yield form


def _each(talk: Conversation, change: Callable[[Message], Message]) -> Conversation:
    return replace(talk, messages=tuple(change(message) for message in talk.messages))


def _usual(message: Message, known: frozenset[str]) -> Message:
    role, content = str(message.get("role", "")), message.get("content")
    if role not in known:
        role = KIN_OF.get(role.lower(), (role,))[0]
    found = message | {"role": role, "content": "" if content is None else _joined(content)}
    calls = message.get("tool_calls")
    return found | {"tool_calls": [_with_object(call) for call in calls]} if isinstance(calls, list) else found


def _joined(content: object) -> object:
    """Parts of text as one text; anything else stays."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return (
        "".join(text for text in texts if isinstance(text, str)) if all(isinstance(t, str) for t in texts) else content
    )


def _in_parts(message: Message) -> Message:
    content = message.get("content")
    return message | {"content": [{"type": "text", "text": content}]} if isinstance(content, str) else message


def _known_role(role: str, known: frozenset[str]) -> str:
    return role if role in known else next((name for name in KIN_OF.get(role, ()) if name in known), role)


def _with_object(call: object) -> object:
    """Arguments as an object, which is what templates expect; services send them as text."""
    return _with_arguments(call, _parsed)


def _calls_as_text(message: Message) -> Message:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return message | {"tool_calls": [_with_arguments(call, _dumped) for call in calls]}


def _with_arguments(call: object, change: Callable[[object], object]) -> object:
    if not isinstance(call, dict):
        return call
    function = call.get("function")
    if isinstance(function, dict) and "arguments" in function:
        return call | {"function": function | {"arguments": change(function["arguments"])}}
    return call | {"arguments": change(call["arguments"])} if "arguments" in call else call


def _parsed(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        found: object = json.loads(arguments)
    except ValueError:
        return arguments
    return found if isinstance(found, Mapping) else arguments


def _dumped(arguments: object) -> object:
    return json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, Mapping) else arguments


def _null_for_nothing(message: Message) -> Message:
    return message | {"content": None} if message.get("content") == "" else message
