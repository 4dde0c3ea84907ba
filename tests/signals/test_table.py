import subprocess
import sys

import pytest

from farsighted.core.errors import SelectorError
from farsighted.signals.table import CONTEXT_NAMES, at_positions, check_needs


def test_an_unknown_need_is_refused_with_the_nearest_name():
    with pytest.raises(SelectorError, match="Did you mean 'grad_norm'"):
        check_needs({"nll", "gradnorm"})


def test_positions_are_known_for_signals_of_logits_alone():
    assert check_needs({"nuclear_norm:non_pad"}) == {"nuclear_norm:non_pad"}
    with pytest.raises(SelectorError, match="nll:all"):
        check_needs({"nll:all"})


def test_what_belongs_to_the_run_is_known_apart():
    assert {"proxy_sketch", "cluster_count", "vocabulary_size"} == CONTEXT_NAMES
    assert at_positions("logit_sketch:all") == ("logit_sketch", "all")


def test_a_plan_starts_without_torch():
    code = "import sys, farsighted.signals.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
