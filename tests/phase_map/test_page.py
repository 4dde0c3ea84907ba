from farsighted.phase_map.map import JUDGED, map_of_records
from farsighted.phase_map.page import page
from oracles.fabricated_records import DESIGN, records


def written(**rules):
    made = records(40, **rules)
    return page(map_of_records(made, DESIGN), made, "farsighted phase-map --out DIR --points 40")


def test_the_page_has_the_command_every_selector_and_the_number_of_cells():
    text = written()
    assert "farsighted phase-map --out DIR --points 40" in text
    assert all(f"### {name}" in text for name in JUDGED)
    assert "280 cells" in text


def test_a_rule_that_helps_is_said_and_one_that_does_not_is_said_to_be_trivial():
    helped = written(later=lambda place, rng: (-0.1 if place["budget"] <= 0.3 else 0.1) + 0.01 * rng.normal())
    assert "where budget ≤ 0." in helped
    assert "no better than trivial" in written(later=lambda place, rng: rng.normal())


def test_shares_of_verdicts_and_means_stand_in_the_regions():
    text = written(later=lambda place, rng: -0.05, now=lambda place, rng: 1.0)
    assert "| `loss` | 0 % | 0 % | 0 % | 100 % | 0 % | 0 % | 40 |" in text
    assert "| everywhere | 40 | +1.00 ± 0.00 | -0.0500 ± 0.0000 | myopic |" in text
