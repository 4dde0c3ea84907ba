"""From a configuration to cells: each is one (selector, seed, order, budget, adaptation), named by a content hash."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from farsighted.config.audit import AuditConfig, SelectorSpec
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget
from farsighted.data.cut import share_of
from farsighted.models.folder import hashed_model
from farsighted.protocol.inputs import AuditInputs
from farsighted.selectors import Selector, build_selector, demands_of, fingerprint_of, parameters_of
from farsighted.signals.definition import definitions_of
from farsighted.signals.table import check_needs, pool_signals_of
from farsighted.store.layout import RESULT_VERSION
from farsighted.store.records import PlannedCell

_DECIDING = ("model", "lora", "peft", "training", "evaluation", "probe", "signals", "quality")
"""Parts of the configuration that decide a cell's result, beside its data, its selector and its place in the grid."""


@dataclass(frozen=True)
class Cell:
    """One cell of the grid."""

    id: str
    label: str
    """What reports call the selector."""
    selector: Selector
    reference: bool
    """Shown, but outside ranks and gap."""
    seed: int
    order: str
    stages: tuple[str, ...]
    budget: Budget
    adaptation: str

    @property
    def title(self) -> str:
        """The cell's name for people."""
        return f"{self.label}, seed {self.seed}, {self.order}, {self.budget}, {self.adaptation}"

    def row(self) -> PlannedCell:
        """Return the cell as an entry of `audit.json`."""
        return {
            "id": self.id,
            "selector": self.label,
            "family": self.selector.family,
            "selector_parameters": parameters_of(self.selector),
            "reference": self.reference,
            "seed": self.seed,
            "order": self.order,
            "stages": list(self.stages),
            "budget": str(self.budget),
            "adaptation": self.adaptation,
        }


_OF_POOL_SIGNALS = ("embedding", "reference", "warm_up")
"""Settings of signals that decide no cell: the model that embeds by its content, the others where a selector reads."""

_NOT_DECIDING = ("allow_code_execution", "tasks_folder")
"""Settings of the evaluation whose effect is in the sets' fingerprints."""


def plan_cells(config: AuditConfig, inputs: AuditInputs) -> tuple[Cell, ...]:
    """Return all cells, seeds outermost, so that whole comparisons finish early.

    Raises `ConfigError` for a budget larger than a pool or a selector that is named twice, and `SelectorError` for one
    that cannot be built.
    """
    for budget in config.budgets:
        for stage in inputs.stages.values():
            share_of(budget, stage.pool)
    specs = [(spec, False) for spec in config.selectors] + [(spec, True) for spec in config.references]
    built = [(spec.label, build_spec(spec), reference) for spec, reference in specs]
    _refuse_misplaced(built)
    _refuse_twins(built)
    shared = deciding(config, inputs)
    # Once for each selector and not for each cell: it reads the source of those that are not this package's own.
    prints = {label: _print(config, selector) for label, selector, _ in built}
    axes = itertools.product(config.seeds, inputs.orders.items(), config.budgets, config.adaptations, built)
    cells = []
    for seed, (order, stages), budget, adaptation, (label, selector, reference) in axes:
        key = {
            "shared": shared,
            "selector": prints[label],
            "seed": seed,
            "stages": list(stages),
            "budget": asdict(budget),
            "adaptation": adaptation,
        }
        if config.learning_rate(adaptation) != config.training.learning_rate:
            key["learning_rate"] = config.learning_rate(adaptation)
        cell_id = fingerprint.of_json(key)[:16]
        cells.append(Cell(cell_id, label, selector, reference, seed, order, stages, budget, adaptation))
    return tuple(cells)


def _print(config: AuditConfig, selector: Selector) -> dict[str, object]:
    """Return what decides what a selector does: itself, and the signals that it reads which are not built in."""
    own = definitions_of(selector.needs)
    return fingerprint_of(selector) | ({"signals": own, **_pool_settings(config, selector)} if own else {})


def _pool_settings(config: AuditConfig, selector: Selector) -> dict[str, object]:
    """Return the settings that decide the signals it reads of a pool; raises `ModelError` where a model is missing."""
    costs, settings = pool_signals_of(selector.needs), config.signals
    found: dict[str, object] = {}
    if "warm_up" in costs:
        found["warm_up"] = settings.warm_up.model_dump(mode="json")
    if "reference" in costs:
        found["reference"] = None if settings.reference is None else hashed_model(settings.reference).content
    return found


def _refuse_misplaced(built: Sequence[tuple[str, Selector, bool]]) -> None:
    for label, selector, reference in built:
        if demands_of(selector).matched_compute and not reference:
            raise ConfigError(
                f"`selectors` must train on the same budget, but '{label}' trains on more, by what scoring costs. Put "
                "it under `references`."
            )


def _refuse_twins(built: Sequence[tuple[str, Selector, bool]]) -> None:
    label_of: dict[str, str] = {}
    for label, selector, _ in built:
        first = label_of.setdefault(fingerprint.of_json(fingerprint_of(selector)), label)
        if first != label:
            raise ConfigError(
                f"`selectors` and `references` must hold each selector once, but '{first}' and '{label}' are the same "
                "one with the same parameters. Remove one of them."
            )


def build_spec(spec: SelectorSpec) -> Selector:
    """Return the selector that the configuration names; raises `SelectorError`, for unknown signals too."""
    selector = build_selector({"name": spec.name, **spec.parameters})
    check_needs(selector.needs)
    return selector


def deciding(config: AuditConfig, inputs: AuditInputs) -> Mapping[str, object]:
    """Return what decides the results of every cell alike."""
    dumped = config.model_dump(mode="json")
    # The model's path does not matter: its hash does.
    model = {key: value for key, value in dumped["model"].items() if key != "path"}
    signals = {key: value for key, value in dumped["signals"].items() if key not in _OF_POOL_SIGNALS}
    evaluation = {key: value for key, value in dumped["evaluation"].items() if key not in _NOT_DECIDING}
    return {
        "version": RESULT_VERSION,
        "config": {part: dumped[part] for part in _DECIDING}
        | {"model": model, "evaluation": evaluation, "signals": signals},
        "model": inputs.model_hash,
        "embedding": inputs.sentence_model[1] if inputs.sentence_model else None,
        "quality_model": inputs.quality_model,
        "data": inputs.fingerprints,
        "template": config.data.template,
        # Sets cut from files are in the fingerprints; the start of k-means is not.
        "data_seed": config.data.seed,
    }
