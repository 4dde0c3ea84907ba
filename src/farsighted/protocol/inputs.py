"""What all cells of an audit share: tokenised pools, evaluation sets, proxy, and the fingerprints of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.core.adaptations import virtual_tokens
from farsighted.core.errors import ConfigError
from farsighted.core.measures import Measure
from farsighted.core.values import Example, Pool, Tokens
from farsighted.data.looked import looker_of
from farsighted.data.sequences import StageData, load_sequence, resolve_orders
from farsighted.data.templates import WIDEN, encode
from farsighted.evaluation.harness import HarnessTask, require_harness
from farsighted.evaluation.items import SetBuilder, SetRules
from farsighted.evaluation.sets import EvaluationSet
from farsighted.files.rows import BadRow
from farsighted.models.folder import context_of, positions_of
from farsighted.models.limits import check_tokens, ids_of
from farsighted.models.tokenizer import tokenizer_for
from farsighted.protocol.input_source import ModelFiles, Source, model_files, source_of
from farsighted.worlds.quadratic import QuadraticWorld, build_world


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

    folder: Path | None
    """The language model's folder; None where there is none."""
    model_hash: str
    sentence_model: tuple[Path, str] | None
    """Folder and content hash of the model that embeds examples; None: the base model does."""
    quality_model: str | None
    """Content hash of the reward model that quality comes from; None where it comes from elsewhere."""
    end_ids: tuple[int, ...]
    """Ids of the tokens that end an answer where the model writes; empty where there is none."""
    decode: Callable[[Sequence[int]], str] = field(compare=False)
    """Token ids to text."""
    stages: Mapping[str, StageInputs]
    orders: Mapping[str, tuple[str, ...]]
    """Label of an order to its stages."""
    proxy: Sequence[Tokens]
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]
    world: QuadraticWorld | None = None
    """The quadratic world, where that is what cells learn."""
    key: str = field(default="", compare=False)
    """Names all that these were read from; empty where nothing was read."""
    stored: Path | None = field(default=None, compare=False)
    """Folder that the texts are mapped from; None where they are in memory."""

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
    if config.quadratic is not None:
        return _world_inputs(config, build_world(config.quadratic, config.data.seed))
    models = model_files(config)
    return read_inputs(config, models, source_of(config, models))


def read_inputs(config: AuditConfig, models: ModelFiles, source: Source) -> AuditInputs:
    """Read, check and tokenise the texts of an audit of a language model; raises as `load_inputs` does."""
    folder, evaluation = models.folder, config.evaluation
    tokenizer, context = tokenizer_for(folder, config.data.template), _context(config, folder)
    builder = SetBuilder(
        tokenizer, context, config.data.on_long, evaluation.max_new_tokens, _widened(config, folder, context)
    )
    is_chat = config.data.template == "chat"
    encoder = _Encoder(builder, evaluation.allow_code_execution, evaluation.tasks_folder, folder, is_chat)
    # Under `skip`, what is too long leaves before sets are cut to size, so that sizes are what they say.
    fits = encoder.fits if config.data.on_long == "skip" else None
    sequence = load_sequence(config, fits, looker_of(tokenizer))
    stages = {stage.name: encoder.stage(stage) for stage in sequence.stages}
    proxy = [tokens for stage in sequence.stages for tokens in encoder.tokens(f"proxy of {stage.name}", stage.proxy)]
    source.refuse_changes()
    unused = check_tokens(folder, tokenizer, [*_named_ids(stages), ("the proxy set", ids_of(proxy))])
    return AuditInputs(
        folder=folder,
        model_hash=models.hash,
        sentence_model=models.sentence_model,
        quality_model=models.quality_model,
        end_ids=tokenizer.end_ids,
        decode=tokenizer.shown,
        stages=stages,
        orders=resolve_orders(config.orders, tuple(stages), config.data.seed),
        proxy=tuple(proxy),
        notes=(*sequence.notes, *encoder.notes, *unused),
        bad_rows=sequence.bad_rows,
        key=source.key,
    )


def _named_ids(stages: Mapping[str, StageInputs]) -> Iterator[tuple[str, Iterable[Sequence[int]]]]:
    """Yield the ids of all that the model reads, with what people call it."""
    for stage in stages.values():
        yield f"the pool of '{stage.name}'", ids_of(stage.pool.tokens)
        for found in (stage.validation, *stage.ood):
            name = f"the evaluation set '{found.name}'"
            yield name, ids_of(found.items)
            yield name, ids_of(text for options in found.options for text in options)
            yield name, found.generation.prompts if found.generation else ()


def _world_inputs(config: AuditConfig, world: QuadraticWorld) -> AuditInputs:
    """Return the sets of the quadratic world, scored by 100 exp(-loss)."""
    stages = {}
    for stage in world.stages:
        sets = [
            EvaluationSet(name, items, ((),) * len(items), "likelihood", 0.0, 1.0)
            for name, items in ((stage.name, stage.validation), (f"{stage.name}_shifted", stage.ood))
            if items
        ]
        parts = [fingerprint.of_examples(text.example for text in texts) for texts in stage[1:]]
        stages[stage.name] = StageInputs(
            stage.name, Pool(stage.name, stage.train), sets[0], tuple(sets[1:]), fingerprint.of_json(parts)
        )
    return AuditInputs(
        folder=None,
        model_hash=world.hash,
        sentence_model=None,
        quality_model=None,
        end_ids=(),
        decode=lambda ids: f"row {ids[0]} of the world",
        stages=stages,
        orders=resolve_orders(config.orders, tuple(stages), config.data.seed),
        proxy=tuple(text for stage in world.stages for text in stage.proxy),
        notes=(),
        bad_rows=(),
        world=world,
    )


def _context(config: AuditConfig, folder: Path) -> int:
    asked, virtual = config.model.context, most_virtual_tokens(config)
    if asked is None:
        return context_of(folder) - virtual
    positions = positions_of(folder)
    if positions is not None and asked + virtual > positions:
        less = f", less {virtual} virtual tokens" if virtual else ""
        raise ConfigError(
            f"`model.context` must be at most the model's {positions} positions{less}, but is {asked}. Lower it, or "
            "write null for all of them."
        )
    return asked


def _widened(config: AuditConfig, folder: Path, context: int) -> str:
    """Return how examples may have more room than `context`."""
    positions, virtual = positions_of(folder), most_virtual_tokens(config)
    if positions is None or context + virtual < positions:
        return WIDEN
    taken = f", of which virtual tokens take {virtual} (fewer: `num_virtual_tokens` in `peft`)" if virtual else ""
    return f"The model reads {positions} tokens at most{taken}: take one that reads more"


def most_virtual_tokens(config: AuditConfig) -> int:
    """Return how many positions virtual tokens take; all adaptations of an audit read the same texts."""
    return max(virtual_tokens(mode, config.peft) for mode in config.adaptations)


def _most_tokens(example: Example, begin: int) -> int:
    """Return a bound on an example's tokens under the plain template: a token is a byte of text at least.

    On top of the text come the tokenizer's first tokens, a line break, the end, and a mark that some tokenizers put
    before each of the two texts.
    """
    return begin + len(example.prompt.encode()) + len(example.response.encode()) + 4


@dataclass
class _Encoder:
    """Turns examples into tokens and sets and keeps a sentence about each that was left out."""

    sets: SetBuilder
    allow_code_execution: bool
    tasks_folder: Path | None
    folder: Path
    is_chat: bool
    """Whether tasks of lm-evaluation-harness are asked by the chat template."""

    @property
    def notes(self) -> list[str]:
        return self.sets.notes

    def stage(self, stage: StageData) -> StageInputs:
        pool = self.sets.table(stage.name, stage.train)
        if not pool:
            raise ConfigError(f"The pool of stage '{stage.name}' is empty. Give it more `train` examples.")
        rules = SetRules(stage.measure, stage.chance, stage.ceiling, stage.style, stage.train[: stage.few_shot])
        if stage.measure == "pass_at_1" and not self.allow_code_execution:
            raise ConfigError(
                f"Stage '{stage.name}' is measured by running programs that the model writes, which must be allowed. "
                "Give --allow-code-execution (they run in a sandbox), or choose another `measure`."
            )
        validation = self.sets.build(stage.name, stage.validation, rules)
        ood = tuple(
            self.sets.build(name, examples, replace(rules, measure=stage.ood_measure.get(name, stage.measure)))
            for name, examples in stage.ood.items()
            if self._may_run(name, stage.ood_measure.get(name, stage.measure))
        )
        ood += tuple(self._task(name, *named) for name, named in stage.tasks.items())
        parts = [fingerprint.of_examples(tokens.example for tokens in pool)]
        for found in (validation, *ood):
            parts.append(fingerprint.of_examples(item.example for item in found.items))
            parts.append(f"{found.name}|{found.measure}|{found.chance!r}|{found.ceiling!r}|{stage.style}")
            if found.task is not None:
                parts.append(f"{found.task.task}|{found.task.metric}|{found.task.answers}|{found.task.limit}")
            if found.generation is not None:
                parts.append(f"{found.generation.max_new_tokens}|{found.generation.stops}")
        parts.append(fingerprint.of_examples(rules.shots))
        return StageInputs(stage.name, Pool(stage.name, pool), validation, ood, fingerprint.of_json(parts))

    def _task(self, name: str, text: str, limit: int | None) -> EvaluationSet:
        require_harness()
        task = HarnessTask.parse(text, limit, self.tasks_folder, self.folder, self.is_chat)
        return EvaluationSet(name, (), (), "harness", 0.0, 1.0, task=task)

    def fits(self, example: Example) -> bool:
        tokenizer, context = self.sets.tokenizer, self.sets.context
        # Whole files are asked for before they are cut to size: what is short in bytes need not be turned into tokens.
        if tokenizer.chat is None and _most_tokens(example, len(tokenizer.begin_ids)) <= context:
            return True
        return encode(example, tokenizer, context, "skip") is not None

    def tokens(self, what: str, examples: Sequence[Example]) -> tuple[Tokens, ...]:
        return self.sets.tokens(what, examples)

    def _may_run(self, name: str, measure: Measure) -> bool:
        if measure != "pass_at_1" or self.allow_code_execution:
            return True
        self.notes.append(
            f"'{name}' was not run: its score needs programs that the model writes to be run. Give "
            "--allow-code-execution to run them in a sandbox."
        )
        return False
