"""What all cells of an audit share: tokenised pools, evaluation sets, proxy, and the fingerprints of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError
from farsighted.core.values import Example, Pool, Tokens
from farsighted.data.model_folder import (
    TextTokenizer,
    context_of,
    load_tokenizer,
    model_folder,
    model_hash,
    positions_of,
)
from farsighted.data.readers import BadRow
from farsighted.data.sequences import StageData, load_sequence, resolve_orders
from farsighted.data.templates import OnLong, encode, encode_pool
from farsighted.evaluation.sets import EvaluationSet, chance_of


@dataclass(frozen=True)
class StageInputs:
    """One stage, ready for the model."""

    name: str
    pool: Pool
    validation: EvaluationSet
    ood: tuple[EvaluationSet, ...]
    fingerprint: str
    """Content hash of pool and evaluation sets, normalisation included."""


@dataclass(frozen=True)
class AuditInputs:
    """Everything that is read from disk before the first cell starts."""

    folder: Path
    """The model's folder."""
    model_hash: str
    stages: Mapping[str, StageInputs]
    orders: Mapping[str, tuple[str, ...]]
    """Label of an order to its stages."""
    proxy: tuple[Tokens, ...]
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Content hashes of the stages and the proxy."""
        proxy = fingerprint.of_examples(tokens.example for tokens in self.proxy)
        return {name: stage.fingerprint for name, stage in self.stages.items()} | {"(proxy)": proxy}

    @property
    def ood_sets(self) -> tuple[EvaluationSet, ...]:
        """The shifted sets of all stages, each once."""
        return tuple({found.name: found for stage in self.stages.values() for found in stage.ood}.values())


def load_inputs(config: AuditConfig) -> AuditInputs:
    """Read, check and tokenise everything; raises `DataError`, `ModelError` or `ConfigError`."""
    folder = model_folder(config.model.path)
    encoder = _Encoder(load_tokenizer(folder), _context(config, folder), config.data.on_long)
    # Under `skip`, what is too long leaves before sets are cut to size, so that sizes are what they say.
    sequence = load_sequence(config, encoder.fits if config.data.on_long == "skip" else None)
    stages = {stage.name: encoder.stage(stage) for stage in sequence.stages}
    proxy = [tokens for stage in sequence.stages for tokens in encoder.tokens(f"proxy of {stage.name}", stage.proxy)]
    return AuditInputs(
        folder=folder,
        model_hash=model_hash(folder),
        stages=stages,
        orders=resolve_orders(config.orders, tuple(stages), config.data.seed),
        proxy=tuple(proxy),
        notes=(*sequence.notes, *encoder.notes),
        bad_rows=sequence.bad_rows,
    )


def _context(config: AuditConfig, folder: Path) -> int:
    asked = config.model.context
    if asked is None:
        return context_of(folder)
    positions = positions_of(folder)
    if positions is not None and asked > positions:
        raise ConfigError(
            f"`model.context` must be at most the model's {positions} positions, but is {asked}. Lower it, or write "
            "null for all of them."
        )
    return asked


@dataclass
class _Encoder:
    """Turns examples into tokens and keeps a sentence about each that was left out."""

    tokenizer: TextTokenizer
    context: int
    on_long: OnLong
    notes: list[str] = field(default_factory=list)

    def stage(self, stage: StageData) -> StageInputs:
        pool = self.tokens(stage.name, stage.train)
        if not pool:
            raise ConfigError(f"The pool of stage '{stage.name}' is empty. Give it more `train` examples.")
        validation = self._evaluation_set(stage, stage.name, stage.validation)
        ood = tuple(self._evaluation_set(stage, name, examples) for name, examples in stage.ood.items())
        parts = [fingerprint.of_examples(tokens.example for tokens in pool)]
        for found in (validation, *ood):
            parts.append(fingerprint.of_examples(item.example for item in found.items))
            parts.append(f"{found.name}|{found.measure}|{found.chance!r}|{found.ceiling!r}")
        return StageInputs(stage.name, Pool(stage.name, pool), validation, ood, fingerprint.of_json(parts))

    def fits(self, example: Example) -> bool:
        return encode(example, self.tokenizer, self.context, "skip") is not None

    def tokens(self, what: str, examples: Sequence[Example]) -> tuple[Tokens, ...]:
        encoded = encode_pool(examples, self.tokenizer, self.context, self.on_long)
        if encoded.skipped:
            self.notes.append(
                f"'{what}': {len(encoded.skipped)} of {len(examples)} examples were left out, because they do not fit "
                f"into {self.context} tokens."
            )
        return encoded.tokens

    def _evaluation_set(self, stage: StageData, name: str, examples: Sequence[Example]) -> EvaluationSet:
        items = self.tokens(f"evaluation set {name}", examples)
        options = [self._options(item) for item in items]
        if stage.measure == "choice_accuracy":
            scored = [row for row, texts in enumerate(options) if texts]
            if len(scored) < len(items):
                self.notes.append(
                    f"'{name}': {len(items) - len(scored)} items are not multiple choice and were left out."
                )
            items, options = tuple(items[row] for row in scored), [options[row] for row in scored]
        if not items:
            raise ConfigError(
                f"The evaluation set '{name}' has no item that `{stage.measure}` can score. Give it other files, or "
                "change the stage's `measure`."
            )
        chance = stage.chance if stage.chance is not None else chance_of(items, stage.measure)
        if chance >= stage.ceiling:
            raise ConfigError(f"`ceiling` must be above chance, but in '{name}' chance is {chance:g}. Raise `ceiling`.")
        return EvaluationSet(name, items, tuple(options), stage.measure, chance, stage.ceiling)

    def _options(self, item: Tokens) -> tuple[Tokens, ...]:
        example = item.example
        texts = [
            Example(f"{example.id}#{number}", example.prompt, choice) for number, choice in enumerate(example.choices)
        ]
        on_long: OnLong = "truncate_prompt" if self.on_long == "truncate_prompt" else "skip"
        found = [encode(text, self.tokenizer, self.context, on_long) for text in texts]
        # One option that does not fit leaves nothing to compare.
        return tuple(tokens for tokens in found if tokens is not None) if all(found) else ()
