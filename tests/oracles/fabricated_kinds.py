"""Fabricated results of every kind that a verdict can be of."""

from oracles.fabricated_cells import make_cell, wanted

KINDS = {
    "gains": "far-sighted",
    "pays": "far-sighted",
    "equals": "harmless",
    "wastes": "costly",
    "falls": "myopic",
    "loses": "worse",
    "wavers": "undecided",
    "young": "no verdict",
}
"""Selector to what it is beside `random`."""

_SCORES = {
    "gains": {"gain": 44, "ood": 60},
    "pays": {"gain": 36, "fall": 1, "ood": 60, "rise": 60},
    "equals": {},
    "wastes": {"gain": 36, "ood": 54},
    "falls": {"gain": 44, "fall": 10, "ood": 40, "rise": 20},
    "loses": {"gain": 30, "ood": 30},
}


def every_kind(seeds=(0, 1, 2), **kwargs):
    """Cells of `random`, a reference row, and one selector of each kind."""
    cells = []
    for seed in seeds:
        cells += [
            make_cell("random", seed, wanted(), **kwargs),
            make_cell("random_matched", seed, wanted(ood=52), reference=True, **kwargs),
            *(make_cell(name, seed, wanted(**scores), **kwargs) for name, scores in _SCORES.items()),
            make_cell("wavers", seed, wanted(ood=50 + (-1) ** seed * (8 + seed)), **kwargs),
        ]
    return [*cells, make_cell("young", seeds[0], wanted(gain=50), **kwargs)]
