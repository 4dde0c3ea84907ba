"""What an audit's plan, cells and checkpoints hold as JSON, one type an object: its keys are the keys in the file.

`result_records` does the same for results.json, and `record_text` writes and reads them all. A key that no type names
is left alone, so that others may add to these files; a key whose meaning changes raises `layout.SCHEMA`. `NotRequired`
keys are there only where their text says so. A number that does not exist is null; NaN is in no file.
"""

from typing import Final, Literal, NotRequired

from pydantic import ConfigDict, JsonValue, with_config
from typing_extensions import TypedDict

from farsighted.core.verdicts import Correction

JsonObject = dict[str, JsonValue]
"""A JSON object whose keys are not this package's to fix."""

Numbers = dict[str, float | None]
"""Numbers under the keys of a table of columns (`results.columns`), or of sets."""

RECORD_RULES: Final = ConfigDict(strict=True, allow_inf_nan=False)
"""Text is no number, a number no text, and NaN nothing at all."""
OPEN_RULES: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")
"""The same for an object whose further keys are kept: a configuration, a row of measures."""


@with_config(RECORD_RULES)
class MarkerRecord(TypedDict):
    """DONE.json: vouches for a finished folder."""

    schema: Literal[1]
    files: dict[str, str]
    """File name to SHA-256."""


class StatisticsRecord(TypedDict):
    """`statistics` of a configuration."""

    reference: str | list[str]
    """Label of the selector that the others are compared with, or of several, the headline's first."""
    resamples: int
    confidence: float
    correction: NotRequired[Correction]
    """Of verdicts, for how many there are; older plans lack it, which means holm."""
    smallest_effect: NotRequired[dict[str, float]]
    """`now` in points and `later`, 0..1: the smallest differences that matter; older plans lack it."""


class LoraRecord(TypedDict):
    """`lora` of a configuration, as far as reports look at it."""

    r: int
    """Rank."""


class SignalsRecord(TypedDict):
    """`signals` of a configuration, as far as reports look at it."""

    embedding: str | None
    """The sentence encoder that embedded the examples; null for the base model."""


class QualityRecord(TypedDict):
    """`quality` of a configuration, as far as reports look at it."""

    source: str


@with_config(OPEN_RULES)
class ConfigRecord(TypedDict):
    """The resolved configuration: the parts that reports look at are typed, and all others are kept."""

    statistics: StatisticsRecord
    long_horizon: dict[str, float]
    """Weights of the parts of the long-horizon score."""
    u_long: dict[str, float]
    """Weights of the parts of U_long."""
    lora: LoraRecord
    peft: dict[str, JsonObject]
    """Settings of further adapters, by name."""
    signals: SignalsRecord
    quality: QualityRecord


CellStatus = Literal["done", "diverged"]
"""How a cell ended that has run."""


class GroupRecord(TypedDict):
    """What the cells of a group have in common."""

    order: str
    """Name of the order of stages."""
    budget: str
    adaptation: str


class CellIdentity(GroupRecord):
    """What a cell is known by."""

    id: str
    """Content hash of all that decides its result."""
    selector: str
    """Label of its selector."""
    seed: int
    reference: bool
    """Shown, but outside ranks, gap and verdicts."""


def identity_of(cell: CellIdentity) -> CellIdentity:
    """Return a cell's identity alone."""
    return {
        "id": cell["id"],
        "selector": cell["selector"],
        "seed": cell["seed"],
        "order": cell["order"],
        "budget": cell["budget"],
        "adaptation": cell["adaptation"],
        "reference": cell["reference"],
    }


class PlannedCell(CellIdentity):
    """A cell of the plan."""

    family: str
    """Registered name of its selector."""
    selector_parameters: JsonObject
    stages: list[str]
    """In the order of training."""


class PlannedRecord(TypedDict):
    """What is known of an audit before it has run."""

    config: ConfigRecord
    notes: list[str]
    """What a reader must know before reading a number, a sentence each."""
    cells: list[PlannedCell]


@with_config(RECORD_RULES)
class PlanRecord(PlannedRecord):
    """audit.json: the plan, written before the first cell starts and after the last one has ended."""

    schema: Literal[1]
    farsighted: str
    """Version that planned it."""
    title: str
    command: str | None
    """The command line; null for an audit from Python."""
    environment: dict[str, str]
    """Versions of Python, of libraries, and the machine."""
    fingerprints: dict[str, str]
    """Stage, or "(proxy)", to the content hash of its data."""
    model_hash: str
    failures: dict[str, str]
    """Id of a cell that was given up to the sentence that says why."""


class SetRule(TypedDict):
    """How the items of a set are scored."""

    measure: str
    chance: float
    """The measure's value that becomes score 0."""
    ceiling: float
    """The measure's value that becomes score 100."""
    items: int


class StageCosts(TypedDict):
    """What the training loop counts in one stage."""

    trained_tokens: int
    """Response tokens."""
    scored_tokens: int
    """Response tokens of candidates that were scored."""
    scoring_seconds: float
    training_seconds: float


class TrainedNumbers(StageCosts):
    """What the training loop keeps while a stage runs; a step that is not finite ends the cell before it is kept."""

    losses: list[float]
    grad_norms: list[float]


class RunNumbers(TypedDict):
    """Diagnostics over what was chosen, in a stage or in the whole run; null where nothing was."""

    capability_entropy: float | None
    update_concentration: float | None
    mean_difficulty: float | None
    mean_quality: float | None


class ChosenNumbers(RunNumbers):
    """The same of one stage."""

    concentration_sample: int
    """Sketches that update concentration was computed from."""


class ReplayedNumbers(TypedDict, total=False):
    """How much of what was trained on comes from earlier stages; only where the selector replays."""

    replayed_examples: int
    replayed_tokens: int


class WarmUpNumbers(TypedDict, total=False):
    """What a warm-up run took; only where the selector reads a signal of one."""

    warm_up_tokens: int
    """Response tokens trained on, beside what the budget allows."""


class StageNumbers(StageCosts, ReplayedNumbers, WarmUpNumbers, ChosenNumbers):
    """One stage of a cell."""

    losses: list[float | None]
    """Mean training loss of each optimizer step; null where not finite."""
    grad_norms: list[float | None]
    stage: str
    trained_examples: int
    rounds: int
    steps: int
    """Optimizer steps."""
    longest_response: int
    """Tokens of the longest response in the pool."""
    adapter_drift: float | None
    difficulty_sum: float
    quality_sum: float
    clusters: list[int]
    """Chosen examples in each cluster."""


class MeasuredCell(PlannedCell):
    """What a cell's stages left, whichever way it ended."""

    schema: Literal[1]
    granularity: str
    """How often the selector ranks: batch, round or stage."""
    evaluation: dict[str, SetRule]
    pool_hashes: dict[str, str]
    """Stage to the content hash of its data."""
    selection_hash: str
    """SHA-256 of all chosen ids, in order."""
    per_stage: list[StageNumbers]
    run: RunNumbers
    missing: dict[str, str]
    """Key of a number that does not exist to the sentence that says why."""
    evaluation_seconds: float
    probe_seconds: float
    probe_tokens: int
    uninterrupted: bool


@with_config(RECORD_RULES)
class CellRecord(MeasuredCell):
    """cell.json: a cell that has run."""

    status: CellStatus
    reason: str | None
    """Why it diverged."""
    example_ids: list[str]
    """The examples that it diverged on."""
    adapter_hash: str
    """Content hash of the parameters that it started from."""
    backward_cost: float
    """A backward pass, in forward passes."""
    learning_rate: NotRequired[float]
    """Peak learning rate, stated or by default; cells of earlier versions do not say."""
    probe_steps: NotRequired[int]
    """Optimizer steps of the neutral probe, stated or by default."""


class RunningStage(TypedDict):
    """The stage in progress."""

    round: int
    spent: float
    replayed: float
    steps: int
    round_steps: int
    record: TrainedNumbers


class ProgressRecord(TypedDict):
    """What a cell has counted so far."""

    per_stage: list[StageNumbers]
    evaluation_seconds: float
    probe_seconds: float
    probe_tokens: int
    interruptions: int
    stage: NotRequired[RunningStage]
    """Only between two stage boundaries."""


@with_config(RECORD_RULES)
class CheckpointRecord(TypedDict):
    """meta.json of a checkpoint."""

    schema: Literal[1]
    stage: int
    """Stages finished."""
    round: int
    """Rounds finished in the stage that follows."""
    meta: ProgressRecord
