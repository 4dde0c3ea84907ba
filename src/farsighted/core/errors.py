"""The tree of errors that a user can meet; every message says what is wrong, where, and what to do."""

from collections.abc import Sequence


class FarsightedError(Exception):
    """Anything that the user can mend; the command line prints its message without a traceback."""

    exit_code = 2


class ConfigError(FarsightedError):
    """A configuration that cannot be carried out: unknown key, value out of range, impossible budget."""


class DataError(FarsightedError):
    """A data file that cannot be read as it is: malformed line, missing field, duplicate id, overlap."""


class ModelError(FarsightedError):
    """A model that cannot be loaded, or whose signals fail the start-up self-test."""


class SelectorError(FarsightedError):
    """A selector that breaks its contract: unknown name, ranking that is no permutation, missing signal."""


class StorageError(FarsightedError):
    """Artifacts that cannot be written or read: no permission, disk full, damaged cell."""

    exit_code = 3


class DivergedError(FarsightedError):
    """A non-finite loss, gradient or score; the cell stops and names the examples, the grid goes on."""

    def __init__(self, message: str, example_ids: Sequence[str]) -> None:
        super().__init__(message)
        self.example_ids = tuple(example_ids)

    @classmethod
    def naming(cls, what: str, example_ids: Sequence[str]) -> "DivergedError":
        """Return the error that says `what` happened, and with which examples."""
        more = f" and {len(example_ids) - 5} more" if len(example_ids) > 5 else ""
        listed = ", ".join(example_ids[:5]) + more
        return cls(f"{what} for {listed}. Lower `training.learning_rate`, or look at these examples.", example_ids)


class InterruptedRunError(FarsightedError):
    """The user asked to stop; what was done is on disk and the same command goes on from there."""

    exit_code = 130
