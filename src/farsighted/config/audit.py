"""The whole configuration of an audit, as one frozen tree; field names are the YAML keys."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from farsighted.config.fields import LIST, Folder, Section, Targets, distinct, listed
from farsighted.config.grid import (
    BudgetField,
    Order,
    OrderField,
    RandomOrders,
    SelectorSpec,
    budget_text,
    order_problem,
    parse_budget,
)
from farsighted.config.learning_rates import Rate, default_rate, quadratic_rate
from farsighted.config.messages import KeyPath, expectation
from farsighted.config.quadratic import QuadraticConfig
from farsighted.config.quality_source import QualityConfig
from farsighted.config.stages import DataConfig, StageConfig, SuiteConfig
from farsighted.config.statistics import LongHorizonConfig, StatisticsConfig, ULongConfig
from farsighted.core.names import FAMILIES
from farsighted.core.schedule import ScheduleName
from farsighted.core.values import Budget
from farsighted.models.folder import TINY
from farsighted.store.records import ConfigRecord

__all__ = ["AuditConfig", "Order", "RandomOrders", "SelectorSpec", "budget_text", "order_problem", "parse_budget"]


class ModelConfig(Section):
    """The model that every cell starts from."""

    path: str = Field(default="tiny", min_length=1)
    """'tiny' (the model that ships with the package), a folder with a Hugging Face model, or a hub name: owner/name."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the weights."""
    device: str = Field(default="auto", min_length=1)
    """Where the model runs: auto (a GPU where there is one), cpu, cuda, cuda:1, mps."""
    context: int | None = Field(default=512, ge=2)
    """The longest example, in tokens; null = as many positions as the model has."""


class LoraConfig(Section):
    """The adapter of adaptation mode lora."""

    r: int = Field(default=16, ge=1)
    """Rank."""
    alpha: float = Field(default=32, gt=0)
    """Scale; updates are multiplied by alpha/r."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapter's input, 0 to below 1."""
    targets: Targets = "all-linear"
    """all-linear, or the names of the modules to adapt."""


class FullConfig(Section):
    """What adaptation mode full has of its own."""

    learning_rate_factor: float | None = Field(default=None, gt=0)
    """Times lora's learning rate is the peak where all parameters are trained; null = 1 where
    `training.learning_rate` is stated, else a default of its own."""


class TrainingConfig(Section):
    """How a stage is trained; the same for every selector."""

    granularity: Literal["batch", "round", "stage"] = "batch"
    """How often candidates are ranked: every batch, some rounds a stage, or once a stage.

    *Reference:* definitions.md#granularity.
    """
    rounds: int = Field(default=4, ge=1)
    """Rankings per stage under granularity round."""
    batch_size: int = Field(default=16, ge=1)
    """Examples trained on per optimizer step; a candidate batch holds batch_size / share."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate; null = by the model and the adaptation (definitions.md#learning-rate)."""
    schedule: ScheduleName = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of a stage's steps over which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    grad_clip: float = Field(default=1.0, gt=0)
    """Largest norm of an update's gradient."""
    micro_batch_tokens: int = Field(default=8192, ge=1)
    """Padded tokens that one forward and backward pass may hold; larger steps are accumulated."""
    single_pass_megabytes: int = Field(default=1024, ge=0)
    """Memory that a candidate batch's gradients may take so that a step needs no second pass; 0 = always two passes."""
    train_head: bool = False
    """Whether the language-model head is trained as well."""
    stage_transition: Literal["continue", "merge_and_reinit", "stack"] = "continue"
    """What becomes of a LoRA adapter between stages: it is trained on; or it goes into the weights and a new one
    starts; or it stays, frozen, and a new one is added. Full training goes on in any case."""
    gradient_checkpointing: bool = False
    """Whether training recomputes layers in the backward pass: less memory, about a third more time."""


class EvaluationConfig(Section):
    """What is evaluated after each stage."""

    evaluate: Literal["all", "past"] = "all"
    """All stages' validation sets, past and future, or only those trained so far."""
    batch_tokens: int = Field(default=16384, ge=1)
    """Padded tokens of an evaluation batch."""
    max_new_tokens: int = Field(default=256, ge=1)
    """The longest answer that a model may write, in tokens, where a measure reads what it writes."""
    allow_code_execution: bool = False
    """Whether programs that a model writes may be run, in a sandbox (pass_at_1)."""
    tasks_folder: Folder = None
    """Folder with task files of one's own for `lm_eval:TASK` sets."""


PROBE_STEPS: Final = 8


class ProbeConfig(Section):
    """The short training on the next stage that measures future adaptation (definitions.md#probes)."""

    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; null = 8, but no more than half of the shortest stage that is probed."""
    points: int = Field(default=4, ge=1)
    """Evaluations spread over the steps, beside the one before any step; at most `steps`."""
    items: int = Field(default=100, ge=1)
    """Validation items that are evaluated at each point."""

    @property
    def step_count(self) -> int:
        """`steps`, or what it is where nothing limits it."""
        return max(PROBE_STEPS, self.points) if self.steps is None else self.steps

    @model_validator(mode="after")
    def _points_fit(self) -> Self:
        if self.steps is not None and self.points > self.steps:
            raise expectation(f"at most `steps` ({self.steps})", self.points, "Lower it or add steps.", ("points",))
        return self


class WarmUpConfig(Section):
    """A short training run from the start model over a stage's pool, before the audit's first stage."""

    epochs: int = Field(default=3, ge=1)
    """Passes over the examples that are trained on; all of the pool is scored after each."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the pool that is trained on."""


class SignalsConfig(Section):
    """What selectors look at."""

    clusters: Literal["auto", "metadata", "kmeans"] = "auto"
    """Where capability clusters come from; auto = metadata where every example has it, else k-means."""
    k: int = Field(default=8, ge=2)
    """Clusters of k-means."""
    embedding: str | None = Field(default=None, min_length=1)
    """Folder or hub name of a sentence-transformers model; null = mean hidden states of the base model."""
    proxy_refresh: int = Field(default=10, ge=1)
    """Optimizer steps between two refreshes of the proxy gradient."""
    reference: str | None = Field(default=None, min_length=1)
    """Folder or hub name of the language model that signals of cost `reference` come from; null = the start model."""
    warm_up: WarmUpConfig = WarmUpConfig()
    """The training run that signals of cost `warm_up` come from; made only where a selector reads one."""


class CacheConfig(Section):
    """What cells keep on disk to share; no part of a result."""

    megabytes: int = Field(default=2048, ge=0)
    """Largest size of the signals that cells share; the least recently used are deleted; 0 = none are kept."""


class CheckpointConfig(Section):
    """When cells write down how far they are; no part of a result."""

    seconds: float = Field(default=5, ge=0)
    """A stage's end is written down if this much time has passed since the last one was, or since the cell began."""


_DEFAULT_SELECTORS: Final = tuple(SelectorSpec.model_validate(name) for name in FAMILIES)
_DEFAULT_REFERENCES: Final = (SelectorSpec.model_validate("random_matched"),)


class AuditConfig(Section):
    """An audit: data, model, and the grid of selectors, seeds, orders, budgets and adaptation modes."""

    title: str = Field(default="Audit", min_length=1)
    """Heading of the report."""
    model: ModelConfig = ModelConfig()
    """The model that every cell starts from."""
    suite: SuiteConfig | None = None
    """A controlled suite; exactly one of `suite`, `stages` and `quadratic` is given."""
    stages: Annotated[tuple[StageConfig, ...], LIST] | None = None
    """Stages from files, in canonical order; exactly one of `suite`, `stages` and `quadratic` is given."""
    quadratic: QuadraticConfig | None = None
    """The quadratic world, without a language model; exactly one of `suite`, `stages` and `quadratic` is given."""
    data_root: Folder = None
    """Folder that relative paths start from; null = the folder of the configuration file. No part of a result."""
    data: DataConfig = DataConfig()
    """How files are read."""
    orders: Annotated[tuple[OrderField, ...], BeforeValidator(listed), LIST] = ("canonical",)
    """Stage orders: canonical, reversed, {random: 2}, or explicit lists of stage names."""
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(listed), LIST, AfterValidator(distinct)
    ] = (0, 1, 2)
    """Seeds of the cells, whole numbers from 0."""
    budgets: Annotated[tuple[BudgetField, ...], BeforeValidator(listed), LIST, AfterValidator(distinct)] = (
        Budget(0.25),
    )
    """Budgets: "25%", 0.25, "25% examples", "5000 tokens", "200 examples"."""
    selectors: Annotated[tuple[SelectorSpec, ...], BeforeValidator(listed), LIST] = _DEFAULT_SELECTORS
    """Selectors to compare; one of each of the paper's seven families unless told otherwise."""
    references: Annotated[tuple[SelectorSpec, ...], BeforeValidator(listed), Field(strict=False)] = _DEFAULT_REFERENCES
    """Selectors that are run to be compared with: others are judged beside them; they are left out of ranks and gap."""
    adaptations: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...],
        BeforeValidator(listed),
        LIST,
        AfterValidator(distinct),
    ] = ("lora",)
    """Adaptation modes: lora, full, qlora, dora, rslora, pissa, bottleneck, prefix_tuning, prompt_tuning, p_tuning,
    p_tuning_v2, a name under `peft`, or a type of PEFT (ia3, ...)."""
    lora: LoraConfig = LoraConfig()
    """The adapter of adaptation mode lora."""
    full: FullConfig = FullConfig()
    """What adaptation mode full has of its own."""
    peft: Mapping[str, Mapping[str, object]] = Field(default_factory=dict)
    """Settings of adaptations beside lora and full: a name, and the fields of its PEFT configuration, or those of
    bottleneck adapters, with `peft_type`."""
    training: TrainingConfig = TrainingConfig()
    """How a stage is trained."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is evaluated after each stage."""
    probe: ProbeConfig = ProbeConfig()
    """The short training that measures future adaptation."""
    quality: QualityConfig = QualityConfig()
    """Where the quality of training examples comes from."""
    signals: SignalsConfig = SignalsConfig()
    """What selectors look at."""
    cache: CacheConfig = CacheConfig()
    """What cells keep on disk to share; no part of a result."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When cells write down how far they are; no part of a result."""
    long_horizon: LongHorizonConfig = LongHorizonConfig()
    """Weights of the long-horizon score."""
    u_long: ULongConfig = ULongConfig()
    """Weights of Eq. 2."""
    statistics: StatisticsConfig = StatisticsConfig()
    """How uncertain the numbers are."""

    def record(self) -> ConfigRecord:
        """Return the configuration as an audit's files have it: a JSON value, defaults filled in."""
        return cast("ConfigRecord", self.model_dump(mode="json"))

    def learning_rate(self, mode: str) -> float:
        """Return the peak learning rate of an adaptation mode."""
        return self.peak_rate(mode).value

    def peak_rate(self, mode: str) -> Rate:
        """Return the peak learning rate of an adaptation mode, and where it comes from."""
        stated, factor = self.training.learning_rate, self.full.learning_rate_factor
        if mode == "full" and factor is not None:
            rate = self.peak_rate("lora")
            return Rate(rate.value * factor, f"{factor:g} (`full.learning_rate_factor`) times {rate.origin}")
        if stated is not None:
            return Rate(stated, "`training.learning_rate`")
        if self.quadratic is not None:
            return quadratic_rate(self.quadratic.dimensions if mode == "full" else self.lora.r)
        return default_rate(mode, self.peft, shipped=self.model.path == TINY)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("suite", "stages", "quadratic") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"`{name}`" for name in given) or "none of them"
            advice = "Keep `suite` for the controlled suite, `stages` for files, or `quadratic`."
            raise expectation("exactly one of `suite`, `stages` and `quadratic`", found, advice)
        return self

    @model_validator(mode="after")
    def _quadratic_fits(self) -> Self:
        if self.quadratic is None:
            return self
        for mode in self.adaptations:
            if mode not in {"lora", "full"}:
                raise expectation("lora or full in the quadratic world", mode, "Remove it.", ("adaptations",))
        refused: Mapping[KeyPath, tuple[object, object]] = {
            ("training", "stage_transition"): (self.training.stage_transition, "continue"),
            ("training", "train_head"): (self.training.train_head, False),
            ("lora", "dropout"): (self.lora.dropout, 0),
            ("signals", "embedding"): (self.signals.embedding, None),
            ("signals", "reference"): (self.signals.reference, None),
            ("data", "overlap"): (self.data.overlap, 0),
        }
        for key, (found, only) in refused.items():
            if found != only:
                raise expectation(f"{only!r} in the quadratic world", found, "Leave it out.", key)
        if self.quality.source not in {"auto", "metadata"}:
            must = "auto or metadata in the quadratic world, whose examples carry their quality"
            raise expectation(must, self.quality.source, "Leave it out.", ("quality", "source"))
        self._check_orders(list(self.quadratic.stages))
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        labels = [spec.label for spec in (*self.selectors, *self.references)]
        repeated = [label for label in labels if labels.count(label) > 1]
        if repeated:
            raise expectation(
                "a list of distinct labels", repeated[0], "Give one of them another `label`.", ("selectors",)
            )
        compared, key = [spec.label for spec in self.selectors], ("statistics", "reference")
        first, *further = self.statistics.reference
        if first not in compared:
            advice = f"Add it to `selectors`, or choose one of: {', '.join(compared)}."
            raise expectation("the label of one of `selectors`", first, advice, key)
        for number, label in enumerate(further, start=1):
            if label not in labels:
                advice = f"Add it to one of them, or choose one of: {', '.join(labels)}."
                raise expectation("a label under `selectors` or `references`", label, advice, (*key, number))
        return self

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        names = [stage.name for stage in self.stages or ()]
        sets: dict[str, tuple[object, ...]] = {}
        for number, stage in enumerate(self.stages or ()):
            if names.index(stage.name) != number:
                advice = "Give each stage its own name."
                raise expectation("distinct", stage.name, advice, ("stages", number, "name"))
            for name, paths in stage.ood.items():
                measure = stage.ood_measure.get(name, stage.measure)
                meant = (paths, stage.max_ood, measure, stage.style, stage.few_shot, stage.chance, stage.ceiling)
                _check_set(name, number, sets.setdefault(name, meant) == meant, names)
        if names:
            self._check_orders(names)
        return self

    def _check_orders(self, names: list[str]) -> None:
        for number, order in enumerate(self.orders):
            problem = order_problem(order, names) if isinstance(order, tuple) else None
            if problem:
                raise expectation("every stage once", list(order), problem, ("orders", number))


def _check_set(name: str, stage_number: int, same_files: bool, stage_names: list[str]) -> None:
    """Refuse a name of a shifted set that stands for two things."""
    key: KeyPath = ("stages", stage_number, "ood", name)
    if name in stage_names:
        raise expectation("named unlike every stage", name, "Rename the set.", key)
    if not same_files:
        must = "the same files, `max_ood` and measure in every stage that names the set"
        raise expectation(must, name, "Rename the set, or make them equal.", key)
