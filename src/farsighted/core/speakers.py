"""Who speaks in a conversation, and what holds their thinking, under the names that files and templates have for it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KIN: Final = (
    ("system", "developer"),
    ("user", "human", "prompter"),
    ("assistant", "model", "gpt", "bot", "chatbot", "chatgpt", "ai"),
    ("tool", "function", "ipython", "observation", "environment", "tool_response", "function_response"),
)
"""Names that mean one speaker, the usual one first. No name stands for another speaker: a tool is no user."""
KIN_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({name: kin for kin in KIN for name in kin})
CALLING: Final = frozenset({"function_call", "tool_call"})
"""Names of the assistant where the text is a call in JSON."""
ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {name: kin[0] for name, kin in KIN_OF.items()} | dict.fromkeys(CALLING, "assistant")
)
"""Names of roles in lower case, as ShareGPT, OpenAI, LLaMA-Factory, ms-swift, Axolotl and Llama write them."""
REASONING: Final = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message, or beside an answer, that hold what was thought before it."""


def role_of(given: str) -> str:
    """Return system, user, assistant or tool, whatever the case; a role that is none of them stays as it is.

    >>> role_of("Human"), role_of("developer"), role_of("critic")
    ('user', 'system', 'critic')
    """
    return ROLES.get(key_of(given), given)


def key_of(given: str) -> str:
    """Return a role as `ROLES` and `CALLING` spell it."""
    return given.strip().lower().replace("-", "_").replace(" ", "_")
