"""Claims 1 to 7 of the paper, each one function of the evidence: the inequalities that must hold for it.

They are about one group of cells. "X leads", "last", "highest for" mean paired differences to every rival, one by one,
and not to the best of them: the best of several noisy numbers is better than any of them, and would fail a true claim.

*Reference:* definitions.md#claims-of-the-paper.
"""

import math
from typing import Final

import numpy as np

from farsighted.core.names import FAMILIES
from farsighted.metrics.correlation import spearman
from farsighted.paper.comparisons import Direction, all_but, compare
from farsighted.paper.evidence import Evidence, Reading
from farsighted.paper.findings import Finding, Outcome, above, all_of
from farsighted.paper.published import TOKENS_RATIO
from farsighted.results.estimates import combine, combine_rows, mean_of
from farsighted.results.groups import THRESHOLD_TOKENS

LONG_TERM: Final = ("future_auc", "forgetting", "ood", "worst_task")
"""The metrics that claims 2 and 3 are about."""


def claim_1(evidence: Evidence) -> list[Finding]:
    """Current score: gradient and loss lead, LHAS and utility-diversity follow closely, random is last or nearly so.

    - Lead: the mean of gradient and loss lies above each other selector (in Table 1 loss alone is below
      utility-diversity).
    - x follows closely: |x - random| > |x - mean of gradient and loss|, it is nearer to the leaders than to random.
    - Last or nearly so: at most one lies below random, so the second lowest of the others minus random > 0.
    """
    lead = [_ahead_on_average(evidence, name) for name in all_but("gradient", "loss")]
    near = [_nearer_to_the_leaders(evidence, name) for name in ("lhas", "utility_diversity")]
    return [
        all_of("gradient and loss, on average, ahead of each other on current", lead),
        *near,
        _random_last(evidence),
    ]


def _ahead_on_average(evidence: Evidence, name: str) -> Finding:
    gradient, loss, other = evidence.of("current", "gradient", "loss", name)
    text = f"gradient and loss, on average, ahead of {name} on current"
    return above(text, mean_of([gradient, loss]) - other, "points", evidence.confidence)


def _nearer_to_the_leaders(evidence: Evidence, name: str) -> Finding:
    gradient, loss, random, own = evidence.of("current", "gradient", "loss", "random", name)
    text = f"{name} nearer to gradient and loss than to random on current"
    nearer = abs(own - random) - abs(own - mean_of([gradient, loss]))
    return above(text, nearer, "points", evidence.confidence)


def _random_last(evidence: Evidence) -> Finding:
    random, *others = evidence.of("current", "random", *all_but("random"))
    second_lowest = combine_rows(lambda scores_xK: np.sort(scores_xK, axis=-1)[..., 1], others)
    text = "random behind all others, or all but one, on current"
    return above(text, second_lowest - random, "points", evidence.confidence)


def claim_2(evidence: Evidence) -> list[Finding]:
    """Future AUC, forgetting, OOD, worst task: LHAS ahead of all, gradient behind all, loss behind all but gradient."""
    parts = []
    for key in LONG_TERM:
        parts.append(compare(evidence, key, ("lhas", "ahead of"), all_but("lhas")))
        parts.append(compare(evidence, key, ("gradient", "behind"), all_but("gradient")))
        parts.append(compare(evidence, key, ("loss", "behind"), all_but("loss", "gradient")))
    return parts


def claim_3(evidence: Evidence) -> list[Finding]:
    """Future AUC, forgetting, OOD, worst task: random and diversity each ahead of loss, gradient and quality."""
    return [
        compare(evidence, key, (name, "ahead of"), ("loss", "gradient", "quality"))
        for key in LONG_TERM
        for name in ("random", "diversity")
    ]


def claim_4(evidence: Evidence) -> list[Finding]:
    """OOD and forgetting: diversity ahead of loss and quality; current: utility-diversity ahead of diversity."""
    return [
        compare(evidence, "ood", ("diversity", "ahead of"), ("loss", "quality")),
        compare(evidence, "forgetting", ("diversity", "ahead of"), ("loss", "quality")),
        compare(evidence, "current", ("utility_diversity", "ahead of"), ("diversity",)),
    ]


def claim_5(evidence: Evidence) -> list[Finding]:
    """Gradient needs more probe tokens than LHAS to the common threshold: ratio of the means over seeds > 1.

    Quantiles are those of atan2(gradient, LHAS), which rises with the ratio and is finite where LHAS needs no tokens;
    where neither needs any, they are equal. Where gradient missed the threshold the ratio is a lower bound, and cannot
    show that the claim fails; where LHAS missed it, an upper bound, and cannot show that it holds.
    """
    text = f"tokens of gradient over those of lhas to the threshold of the next stage (paper: about {TOKENS_RATIO})"
    readings = [Reading(evidence.main, family, THRESHOLD_TOKENS) for family in ("gradient", "lhas")]
    angle = combine(_angle, evidence.read(readings))
    found = above(text, angle, "×", evidence.confidence, bound=math.pi / 4)
    effect, low, high = (_ratio(part) for part in (found.effect, found.low, found.high))
    seeds = evidence.seeds(readings)
    missed = [family for family in ("gradient", "lhas") if evidence.censored(family, seeds)]
    blocked = ("lhas" in missed and found.outcome == "holds") or ("gradient" in missed and found.outcome == "fails")
    why = f"{' and '.join(missed)} missed the threshold in some stage" if missed else found.why
    outcome: Outcome = "undecided" if blocked else found.outcome
    return [Finding(text, outcome, effect, low, high, "×", 1.0, found.seeds, why)]


def _angle(wanted: np.ndarray, spent: np.ndarray) -> np.ndarray:
    return np.where((wanted == 0) & (spent == 0), np.pi / 4, np.arctan2(wanted, spent))


def _ratio(angle: float) -> float:
    return math.inf if math.isclose(angle, math.pi / 2) else math.tan(angle)


def claim_6(evidence: Evidence) -> list[Finding]:
    """The order of the selected sets (Table 2): those named lie above, or below, each of those that are not."""
    ends: list[tuple[str, Direction, tuple[str, ...]]] = [
        ("capability_entropy", "above", ("diversity", "lhas")),
        ("capability_entropy", "below", ("gradient", "loss")),
        ("mean_difficulty", "above", ("gradient", "loss")),
        ("mean_difficulty", "below", ("quality",)),
        ("mean_quality", "above", ("quality",)),
        ("update_concentration", "above", ("gradient", "loss")),
        ("update_concentration", "below", ("lhas", "diversity")),
    ]
    return [
        compare(evidence, key, (name, direction), all_but(*named)) for key, direction, named in ends for name in named
    ]


def claim_7(evidence: Evidence) -> list[Finding]:
    """Over the seven selectors: -Spearman(entropy, concentration) > 0 and Spearman(concentration, forgetting) > 0."""
    keys = ("capability_entropy", "update_concentration", "forgetting")
    readings = [Reading(evidence.main, family, key) for key in keys for family in FAMILIES]
    found, size = evidence.read(readings), len(FAMILIES)
    entropy, concentration, forgetting = (found[start : start + size] for start in range(0, 3 * size, size))
    narrow = combine_rows(spearman, entropy, concentration) * -1
    forgets = combine_rows(spearman, concentration, forgetting)
    return [
        above("lower entropy goes with higher concentration", narrow, "Spearman", evidence.confidence),
        above("concentration goes with forgetting", forgets, "Spearman", evidence.confidence),
    ]
