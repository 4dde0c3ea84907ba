"""What an audit says to the paper's eleven claims: holds, fails or undecided, each with its numbers.

*Reference:* definitions.md#claims-of-the-paper.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.core.numbers import number_or_none
from farsighted.paper import axis_claims, group_claims
from farsighted.paper.evidence import Evidence
from farsighted.paper.findings import Finding, Outcome, all_of, decisive_single
from farsighted.results.groups import Group, Settings
from farsighted.results.lookup import GroupKey
from farsighted.store.records import JsonObject


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What an audit says to one claim."""

    number: int
    statement: str
    outcome: Outcome
    effect: float
    """Of the part that decides, turned so that more supports the claim; NaN if nothing was measured."""
    unit: str
    low: float
    high: float
    sentence: str
    parts: tuple[Finding, ...]

    def as_value(self) -> JsonObject:
        """Return the outcome as JSON can hold it: None for NaN."""
        numbers = {key: number_or_none(getattr(self, key)) for key in ("effect", "low", "high")}
        words = {key: getattr(self, key) for key in ("number", "statement", "outcome", "unit", "sentence")}
        return {**words, **numbers, "parts": [_part_value(part) for part in self.parts]}


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper and the rule that judges it."""

    number: int
    statement: str
    rule: Callable[[Evidence], list[Finding]]


def claims_of(
    groups: Mapping[GroupKey, Group],
    settings: Settings,
    alignment: Mapping[str, float] | None = None,
    theory: Finding | None = None,
) -> tuple[ClaimOutcome, ...]:
    """Return what the groups of one audit say to each of the eleven claims, in their order.

    Args:
        groups: those of a `MeasuredAudit`.
        settings: what its plan says about statistics; its confidence is that of every interval.
        alignment: order to alignment of its neighbouring stages (claim 10), larger = more alike.
        theory: what became of claim 11, which no audit measures.

    Raises:
        ValueError: if there is no group.
    """
    evidence = Evidence(groups, settings.confidence, alignment, theory)
    return tuple(judge(claim, evidence) for claim in CLAIMS)


def judge(claim: Claim, evidence: Evidence) -> ClaimOutcome:
    """Return what the evidence says to one claim."""
    parts = tuple(claim.rule(evidence))
    whole = all_of(claim.statement, parts)
    return ClaimOutcome(
        claim.number,
        claim.statement,
        whole.outcome,
        whole.effect,
        whole.unit,
        whole.low,
        whole.high,
        _sentence(whole),
        parts,
    )


CLAIMS: Final = (
    Claim(
        1,
        "Gradient and loss lead on current; LHAS and utility-diversity follow closely; random is last or nearly so.",
        group_claims.claim_1,
    ),
    Claim(
        2,
        "LHAS leads on future AUC, forgetting, OOD and worst task; gradient is last on all four, loss next to last.",
        group_claims.claim_2,
    ),
    Claim(
        3,
        "Random and diversity beat loss, gradient and quality on future AUC, forgetting, OOD and worst task.",
        group_claims.claim_3,
    ),
    Claim(
        4,
        "Diversity beats loss and quality on OOD and forgetting; utility-diversity improves current over diversity.",
        group_claims.claim_4,
    ),
    Claim(
        5, "Gradient needs more tokens than LHAS to reach the early threshold on the next stage.", group_claims.claim_5
    ),
    Claim(
        6,
        "Entropy is highest for diversity and LHAS, lowest for gradient and loss; difficulty highest for gradient and "
        "loss, lowest for quality; quality highest for quality; concentration highest for gradient and loss, lowest "
        "for LHAS and diversity.",
        group_claims.claim_6,
    ),
    Claim(7, "Lower entropy goes with higher concentration; concentration goes with forgetting.", group_claims.claim_7),
    Claim(
        8,
        "Every selector improves with budget; the order by long-horizon score stays; the family gap is largest at "
        "10 %; at 50 % random and diversity come near utility-diversity while loss and gradient still forget more.",
        axis_claims.claim_8,
    ),
    Claim(9, "Full fine-tuning shrinks the effect but does not remove it.", axis_claims.claim_9),
    Claim(
        10,
        "Across stage orders LHAS stays first; its lead is larger where neighbouring stages are less aligned.",
        axis_claims.claim_10,
    ),
    Claim(11, "Proposition 1 and the corollary of B.2 hold numerically.", axis_claims.claim_11),
)
"""The eleven claims of definitions.md#claims-of-the-paper."""


def claims_page(outcomes: Sequence[ClaimOutcome]) -> str:
    """Return the outcomes as Markdown: a line a claim, and below each its parts."""
    lines = []
    for claim in outcomes:
        lines += [f"{claim.number}. **{claim.outcome}.** {claim.statement} {claim.sentence}", ""]
        lines += [f"   - {part.outcome}: {_told(part)}" for part in claim.parts] + [""]
    return "\n".join(lines)


def _sentence(whole: Finding) -> str:
    """What a claim's outcome rests on: how many comparisons hold or fail, and the one that decides."""
    verb = {"holds": "Holds", "fails": "Fails", "undecided": "Undecided"}[whole.outcome]
    if math.isnan(whole.effect):
        return f"{verb}, {whole.why}."
    single = decisive_single(whole)
    over = f", over {whole.seeds} seed{'' if whole.seeds == 1 else 's'}" if whole.seeds else ""
    note = f" ({whole.why})" if whole.why else ""
    if whole.singles == 1:
        return f"{verb}: {single.text}: {single.number}{over}{note}."
    held, failed = whole.count("holds"), whole.count("fails")
    counts = f"of {whole.singles} comparisons {held} hold and {failed} fail"
    return f"{verb}: {counts}. Decisive: {single.text}: {single.number}{over}{note}."


def _told(part: Finding) -> str:
    single = decisive_single(part)
    decisive = "" if single.text == part.text else f"; {single.text}"
    note = f" ({part.why})" if part.why else ""
    return f"{part.text}{decisive}: {single.number}{note}"


def _part_value(part: Finding) -> JsonObject:
    words = {key: getattr(part, key) for key in ("text", "outcome", "unit", "seeds", "why")}
    numbers = {key: number_or_none(getattr(part, key)) for key in ("effect", "low", "high", "bound")}
    return {**words, **numbers, "parts": [_part_value(inner) for inner in part.parts]}
