"""Files to what one model reads of them, without splits and without stages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from farsighted.config.select import SelectConfig
from farsighted.core.errors import ConfigError
from farsighted.core.values import Example, Tokens
from farsighted.data.looked import Rules, looked_over, looker_of
from farsighted.data.templates import Tokenizer, encode_pool
from farsighted.data.turns import in_turns
from farsighted.files.formats import Examples, read_examples
from farsighted.files.readers import find_files
from farsighted.files.sampling import BottomSample
from farsighted.models.folder import context_of
from farsighted.models.tokenizer import tokenizer_for


@dataclass(frozen=True, slots=True)
class Reading:
    """What some files held, and what the model reads of it."""

    files: tuple[Path, ...] = ()
    """In the order read, absolute."""
    examples: Examples = field(default_factory=lambda: Examples((), {}))
    tokens: tuple[Tokens, ...] = ()
    """What fits, in file order."""
    notes: tuple[str, ...] = ()
    """A sentence about each kind of example that was left out, and about fields that nothing reads."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files for one model, by the rules of a selection."""

    options: SelectConfig
    tokenizer: Tokenizer
    context: int
    """The most tokens that an example may have."""

    def read(self, paths: Sequence[str], turns: Literal["last", "each"]) -> Reading:
        """Return the examples of files; those of no path are none.

        Args:
            paths: Paths, globs or folders, relative to the current folder.
            turns: Which turns of the assistant are examples.

        Raises:
            DataError: Files that cannot be read as they are, or an example that is too long, under error.
            ConfigError: No example fits into the model's context.
        """
        if not paths:
            return Reading()
        options = self.options
        notes: list[str] = []
        most = options.max_examples
        sample: BottomSample[Example] | None = None if most is None else BottomSample(most, options.seed)
        files = find_files(paths, Path.cwd())
        found = read_examples(files, options.on_bad_row, options.max_bad_share, options.names, sample, options.ids)
        notes.extend(found.notes)
        if sample is not None and sample.seen > len(found.examples):
            notes.append(f"{len(found.examples):,} of {sample.seen:,} examples were kept: a uniform sample.")
        found, told = looked_over(
            found, looker_of(self.tokenizer), Rules(options.on_bad_row, options.max_bad_share, turns)
        )
        notes.extend(told)
        found = in_turns(found) if turns == "each" else found
        encoded = encode_pool(found.examples, self.tokenizer, self.context, options.on_long)
        if encoded.skipped:
            notes.append(f"{len(encoded.skipped)} examples do not fit into {self.context} tokens: left out.")
        if not encoded.tokens:
            raise ConfigError(f"No example of {', '.join(paths)} fits into {self.context} tokens. Take shorter ones.")
        return Reading(files, found, encoded.tokens, tuple(notes))


def reader_of(folder: Path, options: SelectConfig) -> Reader:
    """Return the reader for the model in a folder; raises `ModelError` where its tokenizer cannot be used."""
    return Reader(options, tokenizer_for(folder, options.template), context_of(folder))
