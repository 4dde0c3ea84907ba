"""Names of the signals that are means over response tokens, and of their terms."""

from typing import Final

TOKEN_SIGNALS: Final = frozenset({"nll", "entropy", "margin", "el2n", "correctness"})
"""The signals that are means over response tokens of something that the token's logits tell."""
TOKEN_PREFIX: Final = "token_"
"""Before the name of such a signal: its value for each response token. A provider may need it, a selector may not."""
TOKEN_READINGS: Final = frozenset(f"{TOKEN_PREFIX}{name}" for name in TOKEN_SIGNALS)
"""What a forward pass leaves of every response token."""
