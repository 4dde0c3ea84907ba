import numpy as np

from farsighted.phase_map import map as atlas
from farsighted.phase_map.figures import binned, figures
from farsighted.phase_map.map import map_of_records
from oracles.fabricated_records import DESIGN, records


def test_a_bin_holds_the_mean_of_its_points_and_a_mark_where_it_exceeds_two_errors():
    split = lambda place, rng: 0.1 if place["budget"] > 0.325 else 0.05 * rng.normal()  # noqa: E731
    part = binned(map_of_records(records(256, later=split), DESIGN), "loss", "alignment", "budget")
    assert np.allclose(part.mean_BB[2:], 0.1)
    assert part.marked[2:].all()
    assert not part.marked[:2].all()


def test_a_bin_without_points_has_no_mean():
    few = [one for one in records(64) if one["parameters"]["noise"] > 1.5]
    part = binned(map_of_records(few, DESIGN), "loss", "noise", "rank")
    assert np.isnan(part.mean_BB[:, 0]).all()
    assert not part.marked[:, 0].any()


def test_every_selector_has_a_sheet_and_the_same_map_the_same_bytes(monkeypatch):
    monkeypatch.setattr(atlas, "JUDGED", ("utility_diversity",))
    found = map_of_records(records(32), DESIGN)
    first = figures(found)
    assert set(first) == {f"figures/map_utility-diversity.{kind}" for kind in ("svg", "png")}
    svg = "figures/map_utility-diversity.svg"
    assert figures(found)[svg] == first[svg]
