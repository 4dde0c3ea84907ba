"""UDS reads its logits at the positions asked for."""

import numpy as np
import pytest

from farsighted.selectors import build_selector, rank_checked
from farsighted.testing.selectors import check_selector, synthetic_signals


@pytest.mark.parametrize("positions", ["non_pad", "all"])
def test_other_positions_are_other_signals_and_the_same_selector(positions):
    selector = build_selector({"name": "utility_diversity", "positions": positions})
    assert selector.needs == {f"nuclear_norm:{positions}", f"logit_sketch:{positions}"}
    check_selector(selector, np.random.default_rng(0))


def test_positions_do_not_change_how_scores_are_made():
    rng = np.random.default_rng(1)
    plain = build_selector("utility_diversity")
    signals = synthetic_signals(rng, 6, plain.needs)
    other = build_selector({"name": "utility_diversity", "positions": "all"})
    renamed = type(signals)(signals.ids, {f"{name}:all": rows for name, rows in signals.rows.items()}, signals.context)
    ours = rank_checked(plain, signals, plain.init(), rng)
    theirs = rank_checked(other, renamed, other.init(), rng)
    assert np.array_equal(ours.score, theirs.score)
