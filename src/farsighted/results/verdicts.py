"""What each selector is beside each reference: two paired differences, corrected together, a word and its sentence.

A family of comparisons is that of one group and one reference: now and later of every selector that can be judged.
Shape letters: B resamples, M comparisons.

*Reference:* definitions.md#verdict.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.core.verdicts import Side
from farsighted.metrics import intervals
from farsighted.metrics.intervals import Precision
from farsighted.metrics.multiplicity import correct
from farsighted.metrics.verdicts import side_of, verdict_of
from farsighted.results.groups import Group, Sample, Settings
from farsighted.results.reasons import why_not_judged
from farsighted.results.wording import sentence
from farsighted.store.result_records import ComparisonNumbers, PowerNumbers, VerdictEntry

NOW: Final = "current"
LATER: Final = "long_horizon"
ENOUGH_SEEDS: Final = 3
"""Below it a verdict is provisional."""


class Pair(NamedTuple):
    """One number of a selector and of a reference over the same seeds."""

    own: Sample
    reference: Sample

    @property
    def mean(self) -> float:
        """Selector minus reference."""
        return float(self.own.values_Z.mean() - self.reference.values_Z.mean())

    @property
    def replicates(self) -> np.ndarray:
        """The same of every resample, (B,)."""
        return np.asarray(self.own.replicates_B - self.reference.replicates_B)


class _Evidence(NamedTuple):
    """What there is to judge a selector by beside a reference."""

    seeds: list[int]
    why_not: str
    """Why there is no verdict; empty where there is one."""
    now: Pair | None
    later: Pair | None


def verdicts_of(
    group: Group, selectors: Sequence[str], references: Sequence[str], settings: Settings
) -> dict[str, list[VerdictEntry]]:
    """Return the verdicts on each selector, one beside each reference that is not the selector itself.

    `selectors`: those that are judged; `references`: those that were planned, in order.
    """
    found: dict[str, list[VerdictEntry]] = {name: [] for name in selectors}
    for reference in references:
        judged = [name for name in selectors if name != reference]
        evidence = {name: _evidence(group, name, reference, settings) for name in judged}
        compared = _compared({name: one for name, one in evidence.items() if not one.why_not}, settings)
        for name, one in evidence.items():
            found[name].append(_entry(group, name, reference, one, compared.get(name), settings))
    return found


def pair_of(group: Group, selector: str, key: str, reference: str) -> Pair | None:
    """Return a number of a selector and a reference over the seeds that both have; None where there is none."""
    seeds = _shared_seeds(group, selector, reference, [key])
    return _pair(group, selector, reference, key, seeds) if seeds else None


class _Compared(NamedTuple):
    now: ComparisonNumbers
    later: ComparisonNumbers


def _shared_seeds(group: Group, selector: str, reference: str, keys: Sequence[str]) -> list[int]:
    seeds = [{*group.finished_seeds(name, key)} for name in (selector, reference) for key in keys]
    return sorted(set.intersection(*seeds))


def _pair(group: Group, selector: str, reference: str, key: str, seeds: Sequence[int]) -> Pair:
    return Pair(group.sample(selector, key, seeds), group.sample(reference, key, seeds))


def _evidence(group: Group, selector: str, reference: str, settings: Settings) -> _Evidence:
    seeds = _shared_seeds(group, selector, reference, (NOW, LATER))
    why_not = why_not_judged(group, (selector, reference), seeds, (NOW, LATER), settings.weights)
    if not seeds:
        return _Evidence(seeds, why_not, None, None)
    pairs = (_pair(group, selector, reference, key, seeds) for key in (NOW, LATER))
    return _Evidence(seeds, why_not, *pairs)


def _compared(evidence: Mapping[str, _Evidence], settings: Settings) -> dict[str, _Compared]:
    """Correct the comparisons of a family together, two for each selector."""
    pairs = [pair for one in evidence.values() for pair in (one.now, one.later) if pair is not None]
    limits = [settings.smallest.now, settings.smallest.later] * len(evidence)
    replicates = [pair.replicates for pair in pairs]
    p_M = np.array([intervals.two_sided_p(one_B) for one_B in replicates])
    corrected = correct(p_M, settings.alpha, settings.correction)
    rows = map(_Row, pairs, replicates, p_M.tolist(), *(column_M.tolist() for column_M in corrected), limits)
    numbers = iter([_comparison(row, settings.alpha) for row in rows])
    return {name: _Compared(next(numbers), next(numbers)) for name in evidence}


class _Row(NamedTuple):
    """One comparison of a family."""

    pair: Pair
    replicates_B: np.ndarray
    p: float
    corrected_p: float
    near: float
    far: float
    smallest: float


def _comparison(row: _Row, alpha: float) -> ComparisonNumbers:
    plain = intervals.ends_at(row.replicates_B, alpha, alpha)
    # The end that faces 0 is the lower one of a difference above 0.
    above = float(np.median(row.replicates_B)) > 0
    ends = intervals.ends_at(row.replicates_B, *((row.near, row.far) if above else (row.far, row.near)))
    return {
        "mean": row.pair.mean,
        "low": plain.low,
        "high": plain.high,
        "p": row.p,
        "corrected": {
            "p": row.corrected_p,
            "low": ends.low,
            "high": ends.high,
            "level": row.near,
            "far_level": row.far,
        },
        "side": side_of(ends.low, ends.high, row.smallest),
    }


def _entry(
    group: Group, selector: str, reference: str, evidence: _Evidence, compared: _Compared | None, settings: Settings
) -> VerdictEntry:
    power = _power(group, selector, reference, evidence) if evidence.seeds else None
    if compared is None:
        return {
            "reference": reference,
            "verdict": "no verdict",
            "provisional": False,
            "why": evidence.why_not,
            "paired_seeds": evidence.seeds,
            "now": None,
            "later": None,
            "power": power,
        }
    sides: tuple[Side, Side] = (compared.later["side"], compared.now["side"])
    return {
        "reference": reference,
        "verdict": verdict_of(*sides),
        "provisional": len(evidence.seeds) < ENOUGH_SEEDS,
        "why": sentence(reference, compared.later, compared.now, settings.smallest, evidence.seeds),
        "paired_seeds": evidence.seeds,
        "now": compared.now,
        "later": compared.later,
        "power": power,
    }


def _power(group: Group, selector: str, reference: str, evidence: _Evidence) -> PowerNumbers:
    """How many items and seeds would resolve the observed difference of the long-horizon score, and what there is."""
    seeds = evidence.seeds
    mean = math.nan if evidence.later is None else evidence.later.mean
    items, chance = group.spreads(selector, reference, LATER, seeds)
    precision = Precision(group.items, len(seeds), items, chance if len(seeds) > 1 else math.nan)
    power = intervals.power(mean, precision)
    return {
        "items": power.items,
        "seeds": power.seeds,
        "growth": number_or_none(power.growth),
        "resolvable": power.resolvable,
        "measured": {
            "items": precision.items,
            "seeds": precision.seeds,
            "se_items": number_or_none(precision.se_items),
            "se_seeds": number_or_none(precision.se_seeds),
        },
    }
