"""Numbers of a running audit on their way to whoever watches it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """One number, with where it was taken.

    `loss` and `grad_norm` have a step of their stage, from 1; a loss that is not finite is told as it is. `score` has
    the set that was scored, normalised as in the report, and the last stage that was finished before (None: the base
    model); so have `probe_neutral` and `probe_own`, with the number of the probe's point as the step. `probe_loss` and
    `probe_grad_norm` are of the neutral probe's own training, with the stage that it was branched off after. Numbers of
    the finished audit bear the name that they have in results.json, and `verdict` is a word.
    """

    what: str
    value: float | str | None
    """None: there is no such number."""
    cell: str
    """Id of the cell; for a number of the finished audit the selector and its group, in words."""
    stage: str | None = None
    step: int | None = None
    set: str | None = None


class Listener(Protocol):
    """Is told how a piece of work goes."""

    def progressed(self, share: float) -> None:
        """So much of the work is done, 0 to 1."""

    def numbers(self, readings: Sequence[Reading]) -> None:
        """These numbers are new, in the order in which they were taken."""


class Unheard:
    """A listener that lets everything pass."""

    def progressed(self, share: float) -> None:
        """Do nothing."""

    def numbers(self, readings: Sequence[Reading]) -> None:
        """Do nothing."""
