import numpy as np
import pyarrow as pa
import pytest

from farsighted.core.errors import StorageError
from farsighted.results.items import draw_items, read_items
from oracles.fabricated_cells import STAGES, make_cell, wanted


def items_of(cell):
    return read_items(cell.scores, cell.meta["stages"], cell.meta["id"])


def test_every_score_finds_its_row_and_column():
    items = items_of(make_cell("loss", 0, wanted(gain=40, fall=5), items=2, spread=10))
    assert items.validation["validation/general"].tolist() == [[30, 10], [70, 50], [65, 45], [60, 40]]
    assert items.validation["validation/code"].tolist() == [[30, 10], [30, 10], [30, 10], [70, 50]]
    assert items.ood["ood/shifted"].tolist() == [60, 40]


def test_probe_curves_keep_tokens_stage_and_points_in_order():
    first, second = items_of(make_cell("loss", 0, wanted(), items=2, spread=0)).probes["neutral"]
    assert (first.after_stage, first.stage, second.after_stage, second.stage) == (1, "math", 2, "code")
    assert first.tokens_P.tolist() == [0, 100, 200]
    assert first.scores_PI.tolist() == [[20, 20], [40, 40], [60, 60]]


def test_a_curve_of_the_first_stage_is_no_probe():
    cell = make_cell("loss", 0, wanted())
    row = {**cell.scores.slice(len(cell.scores) - 1).to_pylist()[0], "after_stage": 0, "set": "general"}
    scores = pa.concat_tables([cell.scores, pa.Table.from_pylist([row], cell.scores.schema)])
    own = read_items(scores, cell.meta["stages"], "a").probes["own"]
    assert [curve.after_stage for curve in own] == [1, 2]


def test_the_order_of_rows_on_disk_does_not_matter():
    cell = make_cell("loss", 0, wanted())
    shuffled = cell.scores.take(pa.array(np.random.default_rng(0).permutation(len(cell.scores))))
    a, b = items_of(cell), read_items(shuffled, cell.meta["stages"], "b")
    assert a.ids == b.ids
    assert all((a.validation[name] == b.validation[name]).all() for name in a.validation)


def test_what_was_not_evaluated_is_nan():
    scores = wanted()
    scores.matrix[1][2] = None
    rows_SI = items_of(make_cell("loss", 0, scores)).validation["validation/code"]
    assert np.isnan(rows_SI).all(axis=1).tolist() == [False, True, False, False]


def test_a_set_that_changes_its_items_is_refused():
    cell = make_cell("loss", 0, wanted())
    with pytest.raises(StorageError, match=r"must have the same items, but cell loss-0"):
        read_items(cell.scores.slice(1), cell.meta["stages"], cell.meta["id"])


def test_two_cells_with_other_items_are_not_compared():
    a, b = items_of(make_cell("loss", 0, wanted())), items_of(make_cell("random", 0, wanted(), items=6))
    with pytest.raises(StorageError, match="cell b has other items"):
        draw_items([("a", a), ("b", b)], np.random.default_rng(0), 5)


def test_a_probe_shares_the_draw_of_its_validation_items():
    draw = draw_items([("a", items_of(make_cell("loss", 0, wanted(), items=6)))], np.random.default_rng(0), 50)
    assert (draw.weights["probe_neutral/math"] == draw.weights["validation/math"]).all()
    assert not (draw.weights["validation/general"] == draw.weights["validation/math"]).all()


def test_a_smaller_probe_takes_its_part_of_the_draw():
    cell = make_cell("loss", 0, wanted(), items=6)
    kept = [
        not row["kind"].startswith("probe") or row["item"] in {"math-000", "math-001", "code-000"}
        for row in cell.scores.to_pylist()
    ]
    items = read_items(cell.scores.filter(pa.array(kept)), cell.meta["stages"], "a")
    draw = draw_items([("a", items)], np.random.default_rng(0), 500)
    part_BI, whole_BI = draw.weights["probe_own/math"], draw.weights["validation/math"][:, :2]
    drawn = whole_BI.sum(axis=1) > 0
    assert not drawn.all()  # six draws miss two of six items in (4/6)^6, about 9 % of cases
    np.testing.assert_allclose(part_BI[drawn], whole_BI[drawn] / whole_BI[drawn].sum(axis=1, keepdims=True))
    assert (part_BI[~drawn] == 0.5).all()


def test_a_cell_without_scores_has_no_sets():
    empty = read_items(make_cell("loss", 0, wanted()).scores.slice(0, 0), STAGES, "a")
    assert empty.ids == {}
    assert all(np.isnan(rows).all() for rows in empty.validation.values())
