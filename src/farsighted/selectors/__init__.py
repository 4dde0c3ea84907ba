"""What picks the data: the contract of a selector, the table of selectors, the paper's seven families and more."""

from farsighted.selectors.base import Demands, Scored, Selector, Stateless, by_score, picks_of, rank_checked, with_picks
from farsighted.selectors.baselines import ComputeMatchedRandom, Random
from farsighted.selectors.describe import Description, describe, fingerprint_of, unfollowed
from farsighted.selectors.diversity import Diversity
from farsighted.selectors.facility import FacilityLocation
from farsighted.selectors.gradient import Gradient
from farsighted.selectors.lhas import LHAS
from farsighted.selectors.loss import Loss
from farsighted.selectors.parameters import demands_of, parameters_of, parts_of
from farsighted.selectors.quality import Quality
from farsighted.selectors.table import SelectorSpec, build_selector, register, selector_class, selector_names
from farsighted.selectors.utility_diversity import UtilityDiversity
from farsighted.selectors.wrappers import CoverageFloor, ProxyFloor, Replay

__all__ = [
    "LHAS",
    "ComputeMatchedRandom",
    "CoverageFloor",
    "Demands",
    "Description",
    "Diversity",
    "FacilityLocation",
    "Gradient",
    "Loss",
    "ProxyFloor",
    "Quality",
    "Random",
    "Replay",
    "Scored",
    "Selector",
    "SelectorSpec",
    "Stateless",
    "UtilityDiversity",
    "build_selector",
    "by_score",
    "demands_of",
    "describe",
    "fingerprint_of",
    "parameters_of",
    "parts_of",
    "picks_of",
    "rank_checked",
    "register",
    "selector_class",
    "selector_names",
    "unfollowed",
    "with_picks",
]
