"""What is known of each candidate: a table that anyone can add to, and the one instrumented pass."""

from farsighted.signals import table as table  # the built-in signals come first: others are checked against them
from farsighted.signals.registry import Seen as Seen
from farsighted.signals.registry import register_signal as register_signal
