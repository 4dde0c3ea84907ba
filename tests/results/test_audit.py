import pytest

from farsighted.core.errors import StorageError
from farsighted.results.audit import measure_audit, read_audit
from farsighted.results.groups import THRESHOLD_TOKENS
from farsighted.results.lookup import GroupKey
from oracles.fabricated_cells import make_audit, make_cell, save_audit, three_selectors, wanted

KEY = GroupKey("canonical", "25%", "lora")


def test_a_folder_is_read_by_group_in_the_order_of_the_plan(tmp_path):
    small, large = make_cell("random", 0, wanted(), budget="10%"), three_selectors()
    save_audit(tmp_path, [*large, small], make_audit([small, *large], resamples=5000))
    audit = read_audit(tmp_path)
    groups = audit.groups
    assert list(groups) == [KEY._replace(budget="10%"), KEY]
    assert set(groups[KEY].cells) == {(cell.meta["selector"], cell.meta["seed"]) for cell in large}
    assert audit.settings.resamples == groups[KEY].resamples == 5000


def test_a_planned_group_without_a_finished_cell_is_empty(tmp_path):
    save_audit(tmp_path, [], make_audit(three_selectors()))
    assert {key: dict(group.cells) for key, group in read_audit(tmp_path).groups.items()} == {KEY: {}}


def test_cells_bear_the_names_that_the_plan_has_for_them_and_strangers_are_left_out():
    cells = three_selectors()
    audit = make_audit(cells[1:])
    audit["cells"][0] = {**audit["cells"][0], "selector": "hard", "order": "mine"}
    found = measure_audit(cells, audit)
    assert list(found.cells) == [cell.meta["id"] for cell in cells[1:]]
    assert found.strangers == (cells[0].meta["id"],)
    renamed = found.cells[cells[1].meta["id"]].meta
    assert (renamed["selector"], renamed["order"], renamed["family"]) == ("hard", "mine", "loss")


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(StorageError, match="name the folder that an audit wrote"):
        read_audit(tmp_path)


def test_a_group_holds_the_tokens_behind_the_ratio(tmp_path):
    cells = [make_cell(name, 0, wanted(rise=rise)) for name, rise in {"random": 40, "loss": 20, "lhas": 60}.items()]
    cells.append(make_cell("random_matched", 0, wanted(), reference=True))
    save_audit(tmp_path, cells, make_audit(cells, resamples=3000))
    group = read_audit(tmp_path).groups[KEY]
    # From 20; the threshold is 50: reached at 150, never (200), and 100 of 200 tokens, in two stages.
    for name, tokens in {"random": 150, "loss": 200, "lhas": 100}.items():
        assert group.cells[name, 0].values[THRESHOLD_TOKENS] == pytest.approx(2 * tokens)
        assert group.cells[name, 0].replicates[THRESHOLD_TOKENS].shape == (3000,)
    assert group.finished_seeds("random_matched", THRESHOLD_TOKENS) == []


def test_a_report_takes_as_many_resamples_as_its_smallest_level_needs():
    # Three selectors, now and later: 10 resamples beyond 0.05 / 6 / 2.
    cells = three_selectors()
    assert measure_audit(cells, make_audit(cells, resamples=20)).settings.resamples == 2400


def test_a_plan_from_before_verdicts_were_corrected_gets_what_is_now_the_default():
    cells = three_selectors()
    plan = make_audit(cells)
    plan["config"]["statistics"] = {"resamples": 1000, "confidence": 0.95, "reference": "random"}
    settings = measure_audit(cells, plan).settings
    assert (settings.resamples, settings.correction, settings.references) == (
        10_000,
        "holm",
        ("random", "random_matched"),
    )
    assert (settings.smallest.now, settings.smallest.later) == (0.5, 0.005)
