import pytest

from farsighted.core.errors import ConfigError, SelectorError
from oracles.micro import desk_of, nano_config

GRID = {
    "seeds": [0, 1],
    "orders": ["canonical", "reversed"],
    "budgets": ["25%", "50%"],
    "adaptations": ["lora", "full"],
    "references": ["random_matched"],
}


def cells(folder, **changes):
    return tuple(desk_of(nano_config(folder, **changes), folder / "out").cells.values())


def ids(folder, **changes):
    return [cell.id for cell in cells(folder, **changes)]


def test_the_grid_is_every_combination_once(tmp_path):
    found = cells(tmp_path, **GRID)
    assert len(found) == len({cell.id for cell in found}) == 2 * 2 * 2 * 2 * 3
    assert len({cell.title for cell in found}) == len(found)


def test_seeds_are_outermost_and_selectors_innermost(tmp_path):
    found = cells(tmp_path, **GRID)
    assert [cell.seed for cell in found] == [0] * 24 + [1] * 24
    assert [cell.label for cell in found[:3]] == ["random", "diversity", "random_matched"]


def test_references_are_marked(tmp_path):
    assert {cell.label for cell in cells(tmp_path, **GRID) if cell.reference} == {"random_matched"}


def test_a_title_names_selector_seed_order_budget_and_mode(tmp_path):
    assert cells(tmp_path)[1].title == "diversity, seed 0, canonical, 25%, lora"


def test_a_row_is_the_cell_as_json_says_it(tmp_path):
    assert cells(tmp_path, orders=["reversed"])[0].row() == {
        "id": cells(tmp_path, orders=["reversed"])[0].id,
        "selector": "random",
        "family": "random",
        "selector_parameters": {},
        "reference": False,
        "seed": 0,
        "order": "reversed",
        "stages": ["math", "general"],
        "budget": "25%",
        "adaptation": "lora",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Another"},
        {"statistics": {"resamples": 99}},
        {"long_horizon": {"ood": 0.5}},
        {"seeds": [0, 1, 2]},
        {
            "selectors": ["loss", "diversity", {"name": "random", "label": "chance"}],
            "statistics": {"reference": "loss"},
        },
        {"model": {"path": "tiny"}},
        {"checkpoint": {"seconds": 1}},
        {"full": {"learning_rate_factor": 0.1}},  # no cell is trained in full here
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_change_a_cells_result_does_not_change_its_id(tmp_path, change):
    assert set(ids(tmp_path)) <= set(ids(tmp_path, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"batch_size": 2, "learning_rate": 4.0e-3}},
        {"lora": {"r": 3, "targets": ["q_proj"]}},
        {"model": {"dtype": "bfloat16"}},
        {"model": {"context": 300}},
        {"probe": {"steps": 3, "points": 2, "items": 3}},
        {"evaluation": {"evaluate": "past"}},
        {"signals": {"k": 5}},
        {"data": {"proxy_per_stage": 2, "seed": 1}},
        {"data": {"proxy_per_stage": 3}},
        {"seeds": [7]},
        {"budgets": ["26%"]},
        {"orders": ["reversed"]},
        {"adaptations": ["full"]},
    ],
    ids=str,
)
def test_what_changes_a_cells_result_changes_its_id(tmp_path, change):
    assert not set(ids(tmp_path)) & set(ids(tmp_path, **change))


def test_a_learning_rate_of_full_training_changes_the_ids_of_full_training_alone(tmp_path):
    both = {"adaptations": ["lora", "full"]}
    before, after = ids(tmp_path, **both), ids(tmp_path, **both, full={"learning_rate_factor": 0.1})
    half = len(before) // 2
    assert [one == other for one, other in zip(before, after, strict=True)] == [True] * half + [False] * half


def test_a_changed_example_changes_every_id(tmp_path):
    before = ids(tmp_path)
    config = nano_config(tmp_path)
    path = tmp_path / "math.test.jsonl"
    path.write_text(path.read_text().replace('"response": "', '"response": "1', 1))
    assert not set(before) & set(desk_of(config, tmp_path / "out").cells)


def test_a_parameter_of_a_selector_changes_its_id_alone(tmp_path):
    plain = ids(tmp_path, selectors=["random", "lhas"])
    tuned = ids(tmp_path, selectors=["random", {"name": "lhas", "rho": 0.25}])
    assert plain[0] == tuned[0]
    assert plain[1] != tuned[1]


def test_a_default_written_out_is_the_same_cell(tmp_path):
    assert ids(tmp_path, selectors=["random", "lhas"]) == ids(
        tmp_path, selectors=["random", {"name": "lhas", "rho": 0.5, "label": "ours"}]
    )


@pytest.mark.parametrize("budget", ["100000 tokens", "25 examples"])
def test_a_budget_larger_than_a_pool_is_refused_with_the_pools_size(tmp_path, budget):
    """26 training examples, 2 of which are held out as proxy."""
    with pytest.raises(ConfigError, match=f"{budget.split()[0]} .* larger than the pool of stage 'general', which has"):
        cells(tmp_path, budgets=[budget])


def test_the_same_selector_under_two_labels_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'random' and 'chance' are the same one"):
        cells(tmp_path, selectors=["random", {"name": "random", "label": "chance"}])


def test_a_selector_that_trains_on_more_than_the_budget_is_refused_among_those_that_are_ranked(tmp_path):
    with pytest.raises(ConfigError, match=r"'random_matched' trains on more.*under `references`"):
        cells(tmp_path, selectors=["random", "random_matched"])


def test_an_unknown_selector_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(SelectorError, match=r"There is no selector 'divresity'. Did you mean 'diversity'"):
        cells(tmp_path, selectors=["random", "divresity"])


def test_an_explicit_order_gives_the_cells_of_the_order_that_it_spells_out(tmp_path):
    assert ids(tmp_path, orders=["reversed"]) == ids(tmp_path, orders=[["math", "general"]])


def test_a_file_that_only_moved_gives_the_same_cells(tmp_path):
    before = ids(tmp_path)
    config = nano_config(tmp_path)
    (tmp_path / "math.train.jsonl").rename(tmp_path / "moved.jsonl")
    config["stages"][1]["train"] = "moved.jsonl"
    assert list(desk_of(config, tmp_path / "out").cells) == before


def test_the_order_of_lines_is_part_of_the_data(tmp_path):
    before = ids(tmp_path)
    config = nano_config(tmp_path)
    path = tmp_path / "math.test.jsonl"
    path.write_text("\n".join(reversed(path.read_text().splitlines())))
    assert not set(before) & set(desk_of(config, tmp_path / "out").cells)


RULE = """
from dataclasses import dataclass
from farsighted import Scored
import near_{name}

@dataclass(frozen=True)
class Rule(Scored):
    needs = frozenset({{"tokens"}})
    def score(self, signals, state):
        return near_{name}.signed(signals["tokens"])
"""


def test_an_edit_two_imports_away_from_a_rule_gives_its_cells_other_ids_and_no_other_cell(tmp_path, monkeypatch):
    name = tmp_path.name
    (tmp_path / f"rule_{name}.py").write_text(RULE.format(name=name))
    (tmp_path / f"near_{name}.py").write_text(f"from far_{name} import SIGN\ndef signed(x): return SIGN * x")
    far, other = tmp_path / f"far_{name}.py", tmp_path / f"other_{name}.py"
    far.write_text("SIGN = 1")
    other.write_text("NOTHING = 1")
    monkeypatch.syspath_prepend(tmp_path)
    selectors = ["random", f"rule_{name}:Rule", {"name": "replay", "selector": f"rule_{name}:Rule"}]
    before = ids(tmp_path, selectors=selectors)
    other.write_text("NOTHING = 2")
    assert ids(tmp_path, selectors=selectors) == before
    far.write_text("SIGN = -1")
    after = ids(tmp_path, selectors=selectors)
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, False, False]
