"""Files to what one model reads of them, without splits and without stages."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from farsighted.config.select import SelectConfig
from farsighted.core.errors import ConfigError
from farsighted.core.values import Example, Tokens
from farsighted.data.cut_rows import in_turns
from farsighted.data.long_rows import encode_all
from farsighted.data.looked import Rules, looked_over, looker_of
from farsighted.data.templates import Encoded, Tokenizer, cut_note, encode_pool
from farsighted.data.twins import Dedup, Dropped, find_twins
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
    dropped: tuple[Dropped, ...] = ()
    """Examples that repeat another one, in file order."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files for one model, by the rules of a selection."""

    options: SelectConfig
    tokenizer: Tokenizer
    context: int
    """The most tokens that an example may have."""

    def read(self, paths: Sequence[str], turns: Literal["last", "each"], dedup: Dedup = "none") -> Reading:
        """Return the examples of files; those of no path are none.

        Args:
            paths: Paths, globs or folders, relative to the current folder.
            turns: Which turns of the assistant are examples.
            dedup: Which repeats are left out.

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
        found, dropped = _without_repeats(found, dedup)
        if dropped:
            notes.append(_repeats_note(len(dropped), len(found.examples), dedup))
        encoded = self._encoded(found)
        if encoded.skipped:
            notes.append(f"{len(encoded.skipped)} examples do not fit into {self.context} tokens: left out.")
        if encoded.cut:
            note = cut_note(encoded.cut, len(found.examples), self.context)
            notes.append(note[0].upper() + note[1:])
        if not encoded.tokens:
            raise ConfigError(f"No example of {', '.join(paths)} fits into {self.context} tokens. Take shorter ones.")
        return Reading(files, found, encoded.tokens, tuple(notes), dropped)

    def _encoded(self, found: Examples) -> Encoded:
        """Return the examples as tokens; raises `DataError` under error, with the number of those that are too long."""
        if self.options.on_long != "error":
            return encode_pool(found.examples, self.tokenizer, self.context, self.options.on_long)
        return encode_all(found, self.tokenizer, self.context)


def _without_repeats(found: Examples, dedup: Dedup) -> tuple[Examples, tuple[Dropped, ...]]:
    """Return what is left, and what repeats it."""
    examples, places = found.examples, found.places
    twins = find_twins(examples, dedup)
    rows = {twin.row for twin in twins}
    pairs = [(examples[twin.row].id, examples[twin.of].id, twin.similarity) for twin in twins]
    dropped = tuple(Dropped(name, places[name], of, places[of], likeness) for name, of, likeness in pairs)
    kept = tuple(example for row, example in enumerate(examples) if row not in rows)
    return (replace(found, examples=kept) if rows else found), dropped


def _repeats_note(dropped: int, left: int, dedup: Dedup) -> str:
    how = "repeat" if dedup == "exact" else "repeat or nearly repeat"
    return (
        f"{dropped:,} of {dropped + left:,} examples {how} another one and were left out; the budget is of the "
        f"{left:,} that remain. `--dedup none` keeps all."
    )


def reader_of(folder: Path, options: SelectConfig) -> Reader:
    """Return the reader for the model in a folder; raises `ModelError` where its tokenizer cannot be used."""
    return Reader(options, tokenizer_for(folder, options.template), context_of(folder))
