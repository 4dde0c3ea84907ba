import subprocess
import sys

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.signals.registry import POSITIONS, SIGNALS, Seen
from farsighted.signals.table import CONTEXT_NAMES, check_needs, pass_of, readings_of
from farsighted.signals.token_names import TOKEN_READINGS
from oracles import own_signals  # noqa: F401 — it registers its signals


def test_an_unknown_need_is_refused_with_the_nearest_name():
    with pytest.raises(SelectorError, match="Did you mean 'grad_norm'"):
        check_needs({"nll", "gradnorm"})


def test_positions_are_known_for_signals_of_logits_alone():
    assert check_needs({"nuclear_norm:non_pad"}) == {"nuclear_norm:non_pad"}
    with pytest.raises(SelectorError, match="nll:all"):
        check_needs({"nll:all"})
    at = {name for name in SIGNALS if ":" in name}
    assert at == {f"{name}:{where}" for name in ("nuclear_norm", "logit_sketch") for where in POSITIONS[1:]}


def test_a_signal_of_ones_own_may_be_needed_and_its_tokens_may_not():
    assert check_needs({"surprise"}) == {"surprise"}
    with pytest.raises(SelectorError, match="token_nll"):
        check_needs({"token_nll"})


def test_what_belongs_to_the_run_is_known_apart():
    assert {"proxy_sketch", "cluster_count", "vocabulary_size"} == CONTEXT_NAMES


def test_every_built_in_signal_is_left_under_its_own_name():
    built_in = [row for row in SIGNALS.values() if not row.is_own]
    assert len(built_in) == 24
    for row in built_in:
        array = np.zeros(3)
        assert row.needs == {row.name}
        assert row.provider(Seen((), {row.name: array})) is array
        assert row.summary.endswith((".", ")."))


def test_readings_are_what_the_providers_of_all_signals_read():
    assert readings_of({"surprise", "pull", "hidden"}) == {"token_nll", "grad_norm", "nll", "hidden"}
    assert readings_of(()) == frozenset()


def test_a_signal_comes_from_the_pass_that_its_provider_needs():
    assert [pass_of(name) for name in ("pull", "surprise", "nll", "embedding")] == [
        "backward",
        "response",
        "response",
        "response",
    ]
    assert pass_of("logit_sketch:non_pad") == "non_pad"


def test_every_mean_over_tokens_can_be_had_token_by_token():
    assert {name.removeprefix("token_") for name in TOKEN_READINGS} <= SIGNALS.keys()


def test_a_plan_starts_without_torch():
    code = "import sys, farsighted.signals.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
