"""A configuration to stages: pools, evaluation sets and proxies, held apart from each other."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from farsighted.config.audit import AuditConfig, Order, RandomOrders, order_problem
from farsighted.config.fields import Style
from farsighted.config.stages import StageConfig, SuiteConfig
from farsighted.core.errors import ConfigError, DataError
from farsighted.core.measures import Measure
from farsighted.core.rng import ORDERS, SPLITS, stream
from farsighted.core.values import Example
from farsighted.data.interleave import interleaved
from farsighted.data.leaks import Overlap, Twins, check_disjoint, drop_overlap, overlap_with, refuse_overlap, twins_of
from farsighted.data.looked import Look, Rules, looked_over
from farsighted.data.splits import hold_out, subsample
from farsighted.data.turns import every_turn
from farsighted.data.twins import count_repeats
from farsighted.files.columns import Columns, refuse_unmet
from farsighted.files.formats import Examples, read_examples
from farsighted.files.readers import find_files
from farsighted.files.rows import BadRow
from farsighted.files.sampling import BottomSample
from farsighted.worlds.skills.suite import Mixture, build_suite

"""First positions in the stream "data", apart from each other, from the suite and from the stages of a cell."""

_VALIDATION, _PROXY, _TRAIN, _OOD = range(4)
"""Last positions: what is drawn."""


@dataclass(frozen=True, slots=True)
class StageData:
    """The examples of one stage; no prompt of `train` or `proxy` is in an evaluation set of any stage."""

    name: str
    train: tuple[Example, ...]
    """The pool, in file order."""
    validation: tuple[Example, ...]
    ood: Mapping[str, tuple[Example, ...]]
    """Shifted sets by name; stages may share one."""
    proxy: tuple[Example, ...]
    """Held out of the training files, for selectors that look ahead."""
    measure: Measure
    """Which measure is the stage's score."""
    chance: float | None
    """Raw score of guessing; None = what the measure and its options say."""
    ceiling: float
    """Raw score that counts 100 points."""
    ood_measure: Mapping[str, Measure] = field(default_factory=dict)
    """Measures of shifted sets that differ from the stage's."""
    style: Style = "native"
    few_shot: int = 0
    """Examples of the pool that are put before each evaluation item."""
    tasks: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    """Shifted sets that are tasks of lm-evaluation-harness: name to task and the most items of it."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """All stages in canonical order, and what was left out on the way."""

    stages: tuple[StageData, ...]
    notes: tuple[str, ...] = ()
    """Sentences about fields that nothing reads, bad rows and dropped examples."""
    bad_rows: tuple[BadRow, ...] = ()
    """Rows that were set aside, for the quarantine file."""


def load_sequence(
    config: AuditConfig, fits: Callable[[Example], bool] | None = None, look: Look | None = None
) -> Sequence:
    """Return the stages that a configuration describes; the same configuration and files give the same stages.

    Args:
        config: What is asked for.
        fits: Whether an example fits into the model; what does not is left out before anything is held out or cut to
            size, with a note. None: everything fits. Suites fit by design.
        look: What the model would read wrongly of an example: a fault makes its row a bad one. None: nothing.

    Raises:
        DataError: Files that cannot be read as they are, sets that overlap (under `data.on_overlap: error`), or a
            stage that is left without examples.
    """
    made = _from_files(config, fits, look) if config.suite is None else _from_suite(config.suite, config.data.seed)
    if not config.data.overlap:
        return made
    pools = interleaved([stage.train for stage in made.stages], config.data.overlap, config.data.seed)
    stages = tuple(replace(stage, train=pool) for stage, pool in zip(made.stages, pools, strict=True))
    return replace(made, stages=stages)


def resolve_orders(orders: Rows[Order], stage_names: Rows[str], seed: int) -> dict[str, tuple[str, ...]]:
    """Return label to stage names for every order asked for, in the order asked for.

    Labels: "canonical", "reversed", "random-1" and so on, and "b>a>c" for explicit lists. Random orders differ from
    the canonical one, from each other and from all others asked for, and depend on `seed` and the stage names' number.

    Raises:
        ConfigError: An explicit order that does not hold every stage once, the same order twice, or more random orders
            than there are.
    """
    canonical = tuple(stage_names)
    fixed = [_fixed_order(order, canonical) for order in orders if not isinstance(order, RandomOrders)]
    drawn = iter(_random_orders(orders, canonical, {canonical, *(names for _, names in fixed)}, seed))
    given = iter(fixed)
    resolved: dict[str, tuple[str, ...]] = {}
    for order in orders:
        entries = [next(drawn) for _ in range(order.random)] if isinstance(order, RandomOrders) else [next(given)]
        for label, names in entries:
            if names in resolved.values():
                raise ConfigError(f"`orders` must hold each order once, but holds {'>'.join(names)} twice. Remove one.")
            resolved[label] = names
    return resolved


def _fixed_order(order: Order, canonical: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if order == "canonical":
        return "canonical", canonical
    if order == "reversed":
        return "reversed", canonical[::-1]
    names = tuple(order) if isinstance(order, tuple) else ()
    problem = order_problem(names, canonical)
    if problem:
        raise ConfigError(f"`orders` must hold every stage once, but one of them is {list(names)}. {problem}")
    return ">".join(names), names


def _random_orders(
    orders: Rows[Order], canonical: tuple[str, ...], taken: set[tuple[str, ...]], seed: int
) -> list[tuple[str, tuple[str, ...]]]:
    wanted = sum(order.random for order in orders if isinstance(order, RandomOrders))
    there = math.factorial(len(canonical)) - len(taken)
    if wanted > there:
        raise ConfigError(
            f"`orders` must ask for at most {there} random orders of {len(canonical)} stages beside the others, but "
            f"asks for {wanted}. Lower `random`."
        )
    rng = stream(seed, "data", ORDERS)
    drawn: list[tuple[str, tuple[str, ...]]] = []
    while len(drawn) < wanted:
        names = tuple(canonical[place] for place in rng.permutation(len(canonical)))
        if names not in taken:
            taken.add(names)
            drawn.append((f"random-{len(drawn) + 1}", names))
    return drawn


def _from_suite(suite: SuiteConfig, seed: int) -> Sequence:
    mixture = Mixture(suite.own, suite.repeats, suite.noise)
    made = build_suite(suite.train, suite.validation, suite.ood, suite.proxy, seed, mixture).stages
    evaluation = {f"the validation set of {stage.name}": stage.validation for stage in made}
    evaluation |= {f"the shifted set {name}": examples for stage in made for name, examples in stage.ood.items()}
    for stage in made:
        check_disjoint(f"the pool of {stage.name}", stage.train, evaluation)
        check_disjoint(f"the proxy of {stage.name}", stage.proxy, evaluation)
    stages = [
        StageData(stage.name, stage.train, stage.validation, stage.ood, stage.proxy, "exact_match", 0.0, 1.0)
        for stage in made
    ]
    return Sequence(tuple(stages))


def _from_files(config: AuditConfig, fits: Callable[[Example], bool] | None, look: Look | None) -> Sequence:
    desk = _Desk(config, fits, look)
    drafts = [desk.draft(stage, number) for number, stage in enumerate(config.stages or (), start=1)]
    desk.check_columns()
    kept = desk.apart(drafts)
    twins = twins_of(kept)
    stages = []
    for number, draft in enumerate(drafts, start=1):
        train = desk.without(draft.pool_name, draft.train, overlap_with(draft.train, twins))
        finished = desk.finished(replace(draft, train=train), kept, number)
        stages.append(desk.in_turns(finished, draft.pool_name, twins))
    return Sequence(tuple(stages), (*desk.notes, *desk.bad_row_notes()), tuple(desk.bad_rows.values()))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A stage whose sets are read whole, before overlaps and subsamples."""

    config: StageConfig
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    ood: Mapping[str, tuple[Example, ...]]

    @property
    def pool_name(self) -> str:
        return f"the pool of {self.config.name}"

    @property
    def validation_name(self) -> str:
        return f"the validation set of {self.config.name}"

    def sets(self) -> dict[str, tuple[Example, ...]]:
        """Evaluation sets by the names that messages use."""
        return {self.validation_name: self.validation} | {_ood_name(name): found for name, found in self.ood.items()}


def _ood_name(name: str) -> str:
    return f"the shifted set {name}"


@dataclass
class _Desk:
    """What is kept while stages are read: files already read, places of examples, what was left out."""

    config: AuditConfig
    fits: Callable[[Example], bool] | None = None
    look: Look | None = None
    notes: list[str] = field(default_factory=list)
    bad_rows: dict[tuple[str, int], BadRow] = field(default_factory=dict)
    _read: dict[tuple[Path, ...], Examples] = field(default_factory=dict)
    _places: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def draft(self, stage: StageConfig, number: int) -> _Draft:
        """Return a stage with its sets read whole and a held-out validation set taken from its pool."""
        pool = self._examples(stage.train, f"the pool of {stage.name}")
        ood = {name: self._examples(paths, _ood_name(name)).examples for name, paths in stage.ood_files.items()}
        repeats = count_repeats(pool.examples)
        if repeats:
            self.notes.append(
                f"{repeats:,} of the {len(pool.examples):,} examples in the files of the pool of {stage.name} repeat "
                "another one of it, turns and response alike, and can be selected as often. `farsighted select` leaves "
                "such repeats out."
            )
        what = f"the validation set of {stage.name}"
        if not isinstance(stage.validation, int):
            return _Draft(stage, pool.examples, self._examples(stage.validation, what).examples, ood)
        split = hold_out(pool.examples, stage.validation, self._rng(number, _VALIDATION), what)
        self._places[what] = pool.places
        self._note_repeats(stage.name, split.repeats, "the held-out validation set")
        return _Draft(stage, split.rest, split.held, ood)

    def check_columns(self) -> None:
        """Raise if no row of any file has a declared column. Some files may lack it."""
        refuse_unmet(self._columns, {name for found in self._read.values() for name in found.names})

    def apart(self, drafts: Rows[_Draft]) -> dict[str, tuple[Example, ...]]:
        """Return all evaluation sets, none holding an example of another (the earlier one keeps it)."""
        sets = {name: examples for draft in drafts for name, examples in draft.sets().items()}
        # Validation sets come first: they carry the score matrix.
        ranked = sorted(sets, key=lambda name: name not in {draft.validation_name for draft in drafts})
        twins: dict[str, tuple[str, str]] = {}
        kept = {}
        for name in ranked:
            kept[name] = self.without(name, sets[name], overlap_with(sets[name], twins))
            twins = twins_of({name: kept[name]}) | twins
        return {name: kept[name] for name in sets}

    def without(self, name: str, examples: tuple[Example, ...], overlaps: Rows[Overlap]) -> tuple[Example, ...]:
        """Return a set without what overlaps, or raise, as `data.on_overlap` says."""
        if not overlaps:
            return examples
        if self.config.data.on_overlap == "error":
            refuse_overlap(name, overlaps, self._places)
        kept = drop_overlap(examples, overlaps)
        self.notes.append(
            f"{len(overlaps)} of {len(examples)} examples of {name} also stand in another set that is measured on, and "
            "were dropped."
        )
        if not kept:
            raise DataError(
                f"{name} must hold at least one example, but all {len(examples)} of it also stand in another set that "
                "is measured on. Give it other files."
            )
        return kept

    def finished(self, draft: _Draft, kept: Mapping[str, tuple[Example, ...]], number: int) -> StageData:
        """Return a stage with its proxy held out and its sets cut to size."""
        stage = draft.config
        what = f"The proxy of {stage.name} (`data.proxy_per_stage`)"
        split = hold_out(draft.train, self.config.data.proxy_per_stage, self._rng(number, _PROXY), what)
        self._note_repeats(stage.name, split.repeats, "the proxy")
        validation = kept[draft.validation_name]
        return StageData(
            name=stage.name,
            train=subsample(split.rest, stage.max_train, self._rng(number, _TRAIN)),
            validation=subsample(validation, stage.max_validation, self._rng(number, _VALIDATION, 1)),
            ood={name: self._cut_ood(name, kept[_ood_name(name)], stage.max_ood) for name in draft.ood},
            proxy=split.held,
            measure=stage.measure,
            chance=stage.chance,
            ceiling=stage.ceiling,
            ood_measure=stage.ood_measure,
            style=stage.style,
            few_shot=stage.few_shot,
            tasks=stage.ood_tasks,
        )

    def in_turns(self, stage: StageData, name: str, twins: Twins) -> StageData:
        """Return a stage with its conversations split into turns where `data.turns: each` asks for it.

        A first turn may stand in an evaluation set where the whole conversation does not.
        """
        if self.config.data.turns == "last":
            return stage
        turns = tuple(turn for example in stage.train for turn in every_turn(example))
        return replace(stage, train=self.without(name, turns, overlap_with(turns, twins)))

    def bad_row_notes(self) -> list[str]:
        """Return a sentence about rows that were set aside, if there are any."""
        return [f"{len(self.bad_rows)} bad rows were set aside."] if self.bad_rows else []

    @property
    def _columns(self) -> Columns:
        return {str(name): given for name, given in self.config.data.columns.items()}

    def _examples(self, paths: Rows[str], what: str) -> Examples:
        files = find_files(paths, self.config.data_root or Path.cwd())
        if files not in self._read:
            data = self.config.data
            most = data.max_examples
            sample: BottomSample[Example] | None = None if most is None else BottomSample(most, data.seed)
            read = read_examples(files, data.on_bad_row, data.max_bad_share, self._columns, sample, data.ids)
            # A file may be in several sets: what is said of it is said once.
            self.notes.extend(note for note in read.notes if note not in self.notes)
            if sample is not None and sample.seen > len(read.examples):
                self.notes.append(
                    f"{len(read.examples):,} of the {sample.seen:,} examples in the files of {what} were kept: a "
                    "uniform sample (`data.max_examples`)."
                )
            self._read[files] = self._fitting(self._looked_over(read, what), what)
        found = self._read[files]
        self._places[what] = found.places
        self.bad_rows.update({(row.file, row.line): row for row in found.bad_rows})
        return found

    def _looked_over(self, found: Examples, what: str) -> Examples:
        if self.look is None:
            return found
        data = self.config.data
        found, told = looked_over(found, self.look, Rules(data.on_bad_row, data.max_bad_share, data.turns))
        self.notes.extend(f"In the files of {what}, {sentence}" for sentence in told)
        return found

    def _fitting(self, found: Examples, what: str) -> Examples:
        if self.fits is None:
            return found
        kept = tuple(example for example in found.examples if self.fits(example))
        left_out = len(found.examples) - len(kept)
        if left_out:
            self.notes.append(
                f"{left_out} of the {len(found.examples)} examples in the files of {what} are longer than the model's "
                "context, and were left out."
            )
        if not kept:
            raise DataError(f"No example of {what} fits into the model's context. Raise `model.context`.")
        return replace(found, examples=kept)

    def _cut_ood(self, name: str, examples: tuple[Example, ...], most: int | None) -> tuple[Example, ...]:
        # Drawn by name, so that stages that share a set see the same subsample.
        return subsample(examples, most, self._rng(0, _OOD, *name.encode()))

    def _note_repeats(self, stage_name: str, repeats: int, what: str) -> None:
        if repeats:
            self.notes.append(f"{repeats} examples of the pool of {stage_name} repeat {what}, and were dropped.")

    def _rng(self, *position: int) -> np.random.Generator:
        return stream(self.config.data.seed, "data", SPLITS, *position)
