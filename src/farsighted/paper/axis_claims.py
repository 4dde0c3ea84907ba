"""Claims 8 to 11 of the paper: over budgets, adaptations and stage orders, and its theory.

*Reference:* definitions.md#claims-of-the-paper.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from farsighted.core.names import FAMILIES
from farsighted.metrics.correlation import spearman
from farsighted.paper.comparisons import all_but, compare
from farsighted.paper.evidence import FULL, Evidence, Reading
from farsighted.paper.findings import Finding, above, all_of, not_run
from farsighted.paper.published import TABLE_3
from farsighted.results.estimates import Estimate, combine_rows, mean_of
from farsighted.results.lookup import GroupKey

ORDER_STAYS: Final = 0.714
"""Spearman above which the order of seven selectors "stays": unrelated orders exceed it once in twenty times."""


def claim_8(evidence: Evidence) -> list[Finding]:
    """Budgets of 10, 25 and 50 %.

    - Every selector's long-horizon score rises from 10 to 25 and from 25 to 50 %.
    - The order by long-horizon score stays: Spearman of neighbouring budgets above `ORDER_STAYS`.
    - The family gap (Eq. 3) at 10 % is larger than at 25 and at 50 %.
    - At 50 % random and diversity (x) come near utility-diversity: |x - mean of gradient and loss| >
      |x - utility-diversity| in long-horizon score. The paper's own distances do not shrink with the budget (Table 3),
      so that "near" is read across selectors. And gradient and loss forget more than these three.
    """
    small, middle, large = (evidence.at_budget(share) for share in TABLE_3)
    steps = ((small, middle), (middle, large))
    forgets = [
        compare(evidence, "forgetting", (name, "behind"), ("random", "diversity", "utility_diversity"), large)
        for name in ("gradient", "loss")
    ]
    near = [_near_utility_diversity(evidence, name, large) for name in ("random", "diversity")]
    stays = [_order_stays(evidence, *step) for step in steps]
    return [*_rises(evidence, steps), *stays, *_gap_is_largest(evidence, small, (middle, large)), *near, *forgets]


Step = tuple[GroupKey, GroupKey]


def _rises(evidence: Evidence, steps: Sequence[Step]) -> list[Finding]:
    rises = []
    for name in FAMILIES:
        singles = []
        for less, more in steps:
            before, after = evidence.read([Reading(group, name, "long_horizon") for group in (less, more)])
            text = f"{name} rises from {less.budget} to {more.budget} in long-horizon score"
            singles.append(above(text, after - before, "score", evidence.confidence))
        rises.append(all_of(f"{name} rises with the budget in long-horizon score", singles))
    return rises


def _order_stays(evidence: Evidence, less: GroupKey, more: GroupKey) -> Finding:
    found = evidence.read([Reading(group, name, "long_horizon") for group in (less, more) for name in FAMILIES])
    rho = combine_rows(spearman, found[: len(FAMILIES)], found[len(FAMILIES) :])
    text = f"order by long-horizon score at {less.budget} and at {more.budget} (stays: above {ORDER_STAYS})"
    return above(text, rho, "Spearman", evidence.confidence, ORDER_STAYS)


def _gap_is_largest(evidence: Evidence, small: GroupKey, others: Sequence[GroupKey]) -> list[Finding]:
    largest = []
    for group in others:
        own, other = evidence.family_gap([small, group])
        text = f"the family gap is larger at {small.budget} than at {group.budget}"
        largest.append(above(text, own - other, "gap", evidence.confidence))
    return largest


def _near_utility_diversity(evidence: Evidence, name: str, group: GroupKey) -> Finding:
    names = (name, "utility_diversity", "gradient", "loss")
    own, near, gradient, loss = evidence.of("long_horizon", *names, group=group)
    nearer = abs(own - mean_of([gradient, loss])) - abs(own - near)
    text = f"{name} nearer to utility_diversity than to gradient and loss in long-horizon score at {group.budget}"
    return above(text, nearer, "score", evidence.confidence)


def claim_9(evidence: Evidence) -> list[Finding]:
    """Full fine-tuning shrinks the effect and leaves some of it.

    The effect: how far gradient and loss, on average, lie below random in long-horizon score. It is larger with
    adapters than with full fine-tuning, and above 0 with full fine-tuning.
    """
    adapters = evidence.main
    if adapters.adaptation == FULL:
        return [not_run("full fine-tuning against adapters", "adapters beside full fine-tuning")]
    groups = (adapters, adapters._replace(adaptation=FULL))
    names = ("random", "gradient", "loss")
    found = evidence.read([Reading(group, name, "long_horizon") for group in groups for name in names])
    with_adapters, with_full = (found[start] - mean_of(found[start + 1 : start + 3]) for start in (0, 3))
    return [
        above(
            "full fine-tuning shrinks what gradient and loss lose to random",
            with_adapters - with_full,
            "score",
            evidence.confidence,
        ),
        above("gradient and loss behind random under full fine-tuning", with_full, "score", evidence.confidence),
    ]


def claim_10(evidence: Evidence) -> list[Finding]:
    """Over the orders of stages, at least two.

    - LHAS is ahead of all others in long-horizon score in each order.
    - Its lead, LHAS minus the mean of the other six, is larger where neighbouring stages are less aligned: minus the
      least-squares slope of lead on alignment, -sum_o (a_o - mean a) lead_o / sum_o (a_o - mean a)^2 > 0.
    """
    orders = evidence.orders
    if len(orders) < 2:
        return [not_run("lhas stays first over stage orders", "stage orders beside the canonical one")]
    first = [compare(evidence, "long_horizon", ("lhas", "ahead of"), all_but("lhas"), group) for group in orders]
    return [*first, _larger_where_less_aligned(evidence, orders)]


def _larger_where_less_aligned(evidence: Evidence, orders: Sequence[GroupKey]) -> Finding:
    text = "the lead of lhas in long-horizon score is larger where neighbouring stages are less aligned"
    if evidence.alignment is None:
        return not_run(text, "alignment of neighbouring stages")
    unknown = [group.order for group in orders if group.order not in evidence.alignment]
    if unknown:
        return not_run(text, f"alignment of neighbouring stages in order {', '.join(unknown)}")
    alignment_O = np.array([evidence.alignment[group.order] for group in orders])
    centred_O = alignment_O - alignment_O.mean()
    if not centred_O.any():
        return not_run(text, "orders that differ in the alignment of neighbouring stages")
    size = len(FAMILIES)
    found = evidence.read([Reading(group, name, "long_horizon") for group in orders for name in FAMILIES])
    leads = [_lead(found[start : start + size]) for start in range(0, len(found), size)]
    weight_O = -centred_O / (centred_O**2).sum()
    slope = combine_rows(lambda leads_xO: leads_xO @ weight_O, leads)
    return above(text, slope, "score a unit of alignment", evidence.confidence)


def _lead(scores: Sequence[Estimate]) -> Estimate:
    """LHAS minus the mean of the others; scores in the order of `FAMILIES`."""
    named = dict(zip(FAMILIES, scores, strict=True))
    return named.pop("lhas") - mean_of(list(named.values()))


def claim_11(evidence: Evidence) -> list[Finding]:
    """Proposition 1 and the corollary of B.2 hold numerically; computed elsewhere and only handed on."""
    return [evidence.theory or not_run("Proposition 1 and the corollary of B.2", "the theory")]
