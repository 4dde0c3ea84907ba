"""Records of a phase map with a known rule: what a run would leave, without running anything."""

import numpy as np

from farsighted.phase_map.design import FULL, METRICS, design_points, identity
from farsighted.phase_map.map import JUDGED

DESIGN = identity(0, FULL)


def records(count=64, later=lambda place, rng: 0.0, now=lambda place, rng: 0.0, error=0.001, **measured):
    """Coordinates are the parameters scaled to 0..1 unless told; `later` and `now` map them to a difference."""
    rng = np.random.default_rng(5)
    made = []
    for point in design_points(count, 0):
        place = {
            "alignment": point.alignment,
            "embedding_alignment": point.alignment,
            "redundancy": point.redundancy,
            "noise": point.noise / 6,
            "budget": point.budget / 100,
            "rank": point.rank / 48,
            **measured,
        }
        differences, errors = {}, {}
        for name in JUDGED:
            found = {"long_horizon": later(place, rng), "current": now(place, rng)}
            differences[name] = {key: found.get(key, 0.0) for key in METRICS}
            errors[name] = dict.fromkeys(found, error)
        made.append(
            {
                "point": point.number,
                "parameters": point.parameters,
                "data_seed": point.data_seed,
                "seed": point.seed,
                "world": "",
                "measured": place,
                "random": dict.fromkeys(METRICS, 50.0),
                "differences": differences,
                "standard_errors": errors,
            }
        )
    return made
