"""A conversation in the two forms that are kept: plain words, and what a chat template is given."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from farsighted.files.calls import Tool, tools_text
from farsighted.files.fields import SetAsideError, UnfitError, as_json
from farsighted.files.messages import Message, message_of

Turn = tuple[str, str]
"""Role and content."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What a row holds to train on."""

    turns: tuple[Turn, ...]
    """Everything before the answer."""
    response: str
    rejected: str = ""
    """A worse answer, where the row has one."""
    thought: str = ""
    """The name under which the row has what is learned before the answer: "reasoning"."""
    conversation: str = ""
    """All of it as JSON, where turns and response do not say it all; see `core.values.Example.conversation`."""

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


def talk_from(messages: Sequence[Message], tools: Sequence[Tool] = (), *, are_apart: bool = False) -> Talk:
    """Return the talk of messages, the last of which is the answer.

    In plain words tools stand at the end of the system turn, which is made where there is none. `are_apart`: an
    assistant's message before the answer is one of its own, and not the answer's beginning.
    """
    *before, answer = [(message.role, message.text) for message in messages]
    if tools:
        system = before.pop(0)[1] if before and before[0][0] == "system" else ""
        before = [("system", "\n\n".join(part for part in (system, tools_text(tools)) if part)), *before]
    apart = are_apart and [role for role, _ in before[-1:]] == ["assistant"]
    whole = apart or bool(tools) or not all(message.is_plain for message in messages)
    thought = next(reversed([*messages[-1].reasoning]), "")
    return Talk(tuple(before), answer[1], "", thought, _spelled(messages, tools) if whole else "")


def messages_of(conversation: str) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    """Return the messages and tools of a conversation that `talk_from` has spelled."""
    found = json.loads(conversation)
    messages = tuple(message_of(entry) for entry in found["messages"])
    return messages, tuple(found.get("tools", ()))


def up_to_answer(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages up to the last one of the assistant that may be trained on.

    Raises:
        UnfitError: The last one is not the assistant's, or no answer may be trained on (then a `SetAsideError`).
    """
    if messages[-1].role != "assistant":
        raise UnfitError(f"ends with a turn of '{messages[-1].role}'; the last message must be the assistant's")
    open_ones = [
        place for place, message in enumerate(messages) if message.role == "assistant" and not message.forbidden
    ]
    if not open_ones:
        raise SetAsideError(f"{messages[-1].forbidden} on every answer")
    return tuple(messages[: open_ones[-1] + 1])


def _spelled(messages: Sequence[Message], tools: Sequence[Tool]) -> str:
    found: dict[str, object] = {"messages": [message.as_object() for message in messages]}
    return as_json(found | {"tools": list(tools)} if tools else found)
