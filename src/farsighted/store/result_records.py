"""What results.json holds, one type a JSON object: its keys are the keys in the file (see `records`)."""

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from farsighted.core.verdicts import Correction, Side, Verdict
from farsighted.store.records import (
    OPEN_RULES,
    RECORD_RULES,
    CellIdentity,
    ConfigRecord,
    GroupRecord,
    Numbers,
    SetRule,
    StageNumbers,
)


class CurveEntry(TypedDict):
    """One probe."""

    after_stage: int
    stage: str
    """The stage that was probed."""
    tokens: list[float]
    scores: list[float | None]
    auc: float | None
    """Area under the curve, 0..1."""


class ProbeEntries(TypedDict):
    """The probes of a cell, in the order of the stages."""

    neutral: list[CurveEntry]
    own: list[CurveEntry]


@with_config(OPEN_RULES)
class RawRow(TypedDict):
    """Raw measures of one set: beside these keys, one for each of `core.measures.MEASURES`, and `nll`."""

    kind: Literal["validation", "ood"]
    set: str
    after_stage: int
    items: int
    choice_items: int
    """Items that have choices."""


class CensoredRecord(TypedDict):
    """Probes that never met the threshold."""

    selector: int
    reference: int
    stages: int
    """Probes in all."""


class CellEntry(CellIdentity):
    """A cell in results.json."""

    family: str
    stages: list[str]
    granularity: str | None
    status: Literal["done", "diverged", "missing"]
    reason: str | None
    example_ids: list[str]
    score_matrix: list[list[float | None]]
    """Row = stages finished, 0 = base model; column = task; 0..100."""
    ood: Numbers
    """Shifted set to score."""
    probes: ProbeEntries
    measures: list[RawRow]
    metrics: Numbers
    diagnostics: Numbers
    missing: dict[str, str]
    """Key of a number that does not exist to the reason."""
    censored: CensoredRecord | None
    variants: Numbers
    cost: Numbers
    stability: dict[str, int | None]
    adapter_hash: str | None
    selection_hash: str | None
    per_stage: list[StageNumbers]


class SummaryNumbers(TypedDict):
    """One number over seeds."""

    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n: int
    """Seeds that have it."""


class DifferenceNumbers(TypedDict):
    """A paired difference to the reference selector, with its interval."""

    mean: float | None
    low: float | None
    high: float | None


class PrecisionNumbers(TypedDict):
    """What the long-horizon score was measured with."""

    items: int
    seeds: int
    se_items: float | None
    se_seeds: float | None


class PowerNumbers(TypedDict):
    """How many items and seeds would resolve the observed difference."""

    items: int | None
    seeds: int | None
    growth: float | None
    resolvable: bool
    measured: PrecisionNumbers


class CorrectedNumbers(TypedDict):
    """A comparison, corrected for how many there are in its family."""

    p: float
    low: float
    high: float
    level: float
    """Two-sided level of the end that faces 0."""
    far_level: float
    """Two-sided level of the other end."""


class ComparisonNumbers(TypedDict):
    """A paired difference to a reference: as it is, corrected, and where the corrected interval lies."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided."""
    corrected: CorrectedNumbers
    side: Side


class VerdictEntry(TypedDict):
    """What a selector is beside one reference."""

    reference: str
    verdict: Verdict
    provisional: bool
    """Whether it rests on fewer than three seeds."""
    why: str
    paired_seeds: list[int]
    """Seeds that both have finished with a current and a long-horizon score."""
    now: ComparisonNumbers | None
    """Of current scores, in points; null where there is no verdict."""
    later: ComparisonNumbers | None
    """Of long-horizon scores, 0..1; null where there is no verdict."""
    power: PowerNumbers | None
    """Of the difference later; null where no seed has both scores."""


class SummaryEntry(GroupRecord):
    """A selector over seeds."""

    selector: str
    family: str
    reference: bool
    """Shown as a reference row: outside ranks, gap and verdicts."""
    seeds: list[int]
    """Seeds that have finished."""
    metrics: dict[str, SummaryNumbers]
    diagnostics: dict[str, SummaryNumbers]
    cost: Numbers
    stability: dict[str, int]
    difference: dict[str, DifferenceNumbers] | None
    """By metric or diagnostic, to the first reference, uncorrected; null for that reference itself."""
    verdicts: list[VerdictEntry]
    """One beside each reference but itself, in the order of `references`; none for a reference row."""


class MyopiaPart(TypedDict):
    """A selector's part in a myopia gap."""

    contribution: float
    signed: float
    """Positive where the rank falls from now to later; it describes ranks and is no verdict."""
    low: float | None
    high: float | None
    rank_immediate: float
    rank_long: float


class MyopiaEntry(GroupRecord):
    """The myopia gap of a group."""

    seeds: list[int]
    family: float
    """The gap of the whole family of selectors."""
    low: float | None
    high: float | None
    selectors: dict[str, MyopiaPart]
    left_out: list[str]
    """Selectors without a finished seed."""


class OverlapEntry(GroupRecord):
    """How much two selectors chose alike."""

    seed: int
    a: str
    b: str
    jaccard: float | None


class StatisticsUsed(TypedDict):
    """How intervals and verdicts were made."""

    resamples: int
    """At least what the configuration says, and what the smallest corrected level needs."""
    confidence: float
    correction: Correction
    smallest_effect: dict[str, float]
    """`now` in points, `later` 0..1: an interval within ± this is small."""


@with_config(RECORD_RULES)
class ResultsRecord(TypedDict):
    """results.json: all numbers of an audit."""

    schema: Literal[2]
    farsighted: str
    """Version that computed them."""
    title: str
    config: ConfigRecord
    command: str | None
    environment: dict[str, str]
    reference: str
    """The first of `references`: that of headline, thresholds and differences."""
    references: list[str]
    """Selectors that the others are compared with."""
    statistics: StatisticsUsed
    sets: dict[str, SetRule]
    cells: list[CellEntry]
    summary: list[SummaryEntry]
    myopia: list[MyopiaEntry]
    overlap: list[OverlapEntry]
    notes: list[str]
