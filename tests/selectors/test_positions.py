"""UDS reads its logits at the positions asked for."""

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import build_selector, rank_checked
from farsighted.testing.selectors import check_selector, synthetic_signals


def test_other_positions_are_other_signals_and_the_same_selector():
    selector = build_selector({"name": "utility_diversity", "positions": "non_pad"})
    assert selector.needs == {"nuclear_norm:non_pad", "logit_sketch:non_pad"}
    check_selector(selector, np.random.default_rng(0))


def test_pads_are_no_positions():
    """How many there are depends on the neighbours in a batch."""
    with pytest.raises(SelectorError, match=r"`positions` .* must be one of 'response', 'non_pad', but is 'all'"):
        build_selector({"name": "utility_diversity", "positions": "all"})


def test_positions_do_not_change_how_scores_are_made():
    rng = np.random.default_rng(1)
    plain = build_selector("utility_diversity")
    signals = synthetic_signals(rng, 6, plain.needs)
    other = build_selector({"name": "utility_diversity", "positions": "non_pad"})
    renamed = type(signals)(
        signals.ids, {f"{name}:non_pad": rows for name, rows in signals.rows.items()}, signals.context
    )
    ours = rank_checked(plain, signals, plain.init(), rng)
    theirs = rank_checked(other, renamed, other.init(), rng)
    assert np.array_equal(ours.score, theirs.score)
