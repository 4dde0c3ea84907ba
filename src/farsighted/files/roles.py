"""Who speaks in a conversation, under the names that files have for it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "system": "system",
        "developer": "system",
        "user": "user",
        "human": "user",
        "prompter": "user",
        "assistant": "assistant",
        "gpt": "assistant",
        "bot": "assistant",
        "chatbot": "assistant",
        "chatgpt": "assistant",
        "model": "assistant",
        "function_call": "assistant",
        "tool_call": "assistant",
        "tool": "tool",
        "function": "tool",
        "function_response": "tool",
        "tool_response": "tool",
        "observation": "tool",
        "ipython": "tool",
    }
)
"""Names of roles in lower case, as ShareGPT, OpenAI, LLaMA-Factory, ms-swift, Axolotl and Llama write them."""
CALLING: Final = frozenset({"function_call", "tool_call"})
"""Roles whose text is a call in JSON."""


def role_of(given: str) -> str:
    """Return system, user, assistant or tool, whatever the case; a role that is none of them stays as it is.

    >>> role_of("Human"), role_of("developer"), role_of("critic")
    ('user', 'system', 'critic')
    """
    return ROLES.get(key_of(given), given)


def key_of(given: str) -> str:
    """Return a role as `ROLES` and `CALLING` spell it."""
    return given.strip().lower().replace("-", "_").replace(" ", "_")
