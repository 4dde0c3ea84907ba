"""What a selection from files is asked for: `farsighted select`, and `farsighted.select` from Python."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypedDict

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from farsighted.config.fields import Paths, PathsOrNone, Section
from farsighted.config.grid import BudgetField, SelectorSpec
from farsighted.config.messages import sentences
from farsighted.config.quality_source import QualityConfig
from farsighted.config.stages import Column, refuse_parting_rendered
from farsighted.core.errors import ConfigError
from farsighted.files.apart import Inputs
from farsighted.files.columns import Columns
from farsighted.store.layout import user_cache

PathLike = str | Path
Files = PathLike | Sequence[PathLike]


def _as_text(value: object) -> object:
    """Let a path stand for its text, alone or in a list."""
    if isinstance(value, (list, tuple)):
        return [_as_text(entry) for entry in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class SelectConfig(Section):
    """What to select from what, and with what; keys that an audit has too mean the same there."""

    data: Annotated[Paths, BeforeValidator(_as_text)]
    """Files, globs or folders to select from."""
    selector: SelectorSpec
    """A selector's name, package.module:Name, or a mapping of `name` and parameters."""
    budget: BudgetField
    """How much to select: "25%", 0.25, "25% examples", "5000 tokens", "200 examples"."""
    model: Annotated[str, BeforeValidator(_as_text), Field(min_length=1)] = "tiny"
    """'tiny' (the model that ships with the package), a folder with a Hugging Face model, or a hub name: owner/name."""
    history: Annotated[PathsOrNone, BeforeValidator(_as_text)] = ()
    """Files of what the model was trained on before, in order, for selectors that look back."""
    proxy: Annotated[PathsOrNone, BeforeValidator(_as_text)] = ()
    """Files of the capabilities to keep, for selectors that look ahead; none = some examples of `data`."""
    quality: QualityConfig = QualityConfig()
    """Where the quality of examples comes from."""
    embedding: Annotated[Annotated[str, Field(min_length=1)] | None, BeforeValidator(_as_text)] = None
    """Folder or hub name of a sentence-transformers model; null = the model's own hidden states."""
    k: int = Field(default=8, ge=2)
    """Clusters of k-means, where an example has no cluster of its own."""
    columns: dict[Column, str] = Field(default_factory=dict)
    """Our field to the name that the files have for it: {prompt: ask, cluster: topic, quality: score}."""
    ids: Literal["field", "row"] = "field"
    """Where ids come from: the field `id` where a row has one, or always the file's name and the row's number."""
    template: Literal["plain", "chat", "rendered"] = "plain"
    """How an example is written: prompt, line break, response; by the tokenizer's chat template; or it is rendered
    already: the marks in it are tokens, and none is added."""
    turns: Literal["last", "each"] = "last"
    """Turns of the assistant that are examples: the last of a conversation, or each as one of its own."""
    max_examples: int | None = Field(default=None, ge=1)
    """The most examples that are kept of `data`, `history` and `proxy` each: a uniform sample; null = all."""
    on_long: Literal["error", "skip", "truncate_prompt"] = "error"
    """What to do with an example longer than the model's context; a response is never cut."""
    on_bad_row: Literal["error", "skip"] = "error"
    """What to do with a malformed row: stop, or set it aside in a quarantine file."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Under skip: the largest share of bad rows that is tolerated, 0 to 1."""
    dedup: Literal["exact", "near", "none"] = "exact"
    """Which repeats of `data` are left out before anything is ranked: rows with the same turns and response, rows with
    nearly the same, or none."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything random."""
    cache: Path | None = Field(default=None, strict=False)
    """Folder where scores are kept for the next selection; null = $FARSIGHTED_CACHE, or ~/.cache/farsighted."""
    cache_megabytes: int = Field(default=2048, ge=0)
    """Largest size of what is kept there; the least recently used are deleted; 0 = nothing."""

    @model_validator(mode="after")
    def _rendered_is_not_cut(self) -> Self:
        refuse_parting_rendered(self.template, self.on_long, self.turns)
        return self

    @property
    def names(self) -> Columns:
        """The columns, for what reads files."""
        return {str(ours): given for ours, given in self.columns.items()}

    @property
    def inputs(self) -> Inputs:
        """All that is read: the selection must not be written there."""
        data = {"the data": self.data, "the history": self.history, "the proxy": self.proxy}
        models = {
            "the model": self.model,
            "the embedding": self.embedding,
            "the reward model": self.quality.reward_model,
        }
        named = {what: Path(path).expanduser() for what, path in models.items() if path}
        return Inputs(Path.cwd(), data, {what: folder for what, folder in named.items() if folder.is_dir()})

    @property
    def kept_in(self) -> Path:
        """Folder of scores that are kept; raises `StorageError` for a user without a home who names none."""
        return self.cache.expanduser() if self.cache else user_cache()


class SelectOptions(TypedDict, total=False):
    """What may be given to `farsighted.select` beside data, selector and budget; see `SelectConfig` for each."""

    model: PathLike
    history: Files
    proxy: Files
    quality: QualityConfig | Mapping[str, object]
    embedding: PathLike | None
    k: int
    columns: Mapping[str, str]
    ids: Literal["field", "row"]
    template: Literal["plain", "chat", "rendered"]
    turns: Literal["last", "each"]
    max_examples: int | None
    on_long: Literal["error", "skip", "truncate_prompt"]
    on_bad_row: Literal["error", "skip"]
    max_bad_share: float
    dedup: Literal["exact", "near", "none"]
    seed: int
    cache: PathLike | None
    cache_megabytes: int


def select_config(settings: Mapping[str, object], place: str) -> SelectConfig:
    """Return the checked settings of a selection.

    Args:
        settings: Keys of `SelectConfig`.
        place: Where they were given, for messages: "on the command line".

    Raises:
        ConfigError: Anything that keeps them from being carried out, with the key, the nearest known name, and what to
            do.
    """
    try:
        return SelectConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise ConfigError(sentences(error.errors(), SelectConfig, lambda _: place)) from None
