import subprocess
import sys

import pytest

from farsighted.core.errors import SelectorError
from farsighted.signals.plan import SIGNALS, check_needs, needs_of_cost, union_of_needs


def test_an_unknown_need_is_refused_with_the_nearest_name():
    with pytest.raises(SelectorError, match="Did you mean 'grad_norm'"):
        check_needs({"nll", "gradnorm"})


def test_the_union_names_each_need_once():
    assert union_of_needs([{"nll", "tokens"}, {"nll"}, set()]) == {"nll", "tokens"}


def test_costs_part_the_rows_of_all_signals():
    costs = ["metadata", "forward", "backward", "frozen"]
    rows = [name for cost in costs for name in needs_of_cost(SIGNALS, cost)]
    assert sorted(rows) == sorted(name for name, kind in SIGNALS.items() if not kind.context)


def test_what_belongs_to_the_run_is_asked_for_apart():
    needs = {"proxy_sketch", "head_sketch", "grad_norm"}
    assert needs_of_cost(needs, "forward") == {"head_sketch"}
    assert needs_of_cost(needs, "forward", context=True) == {"proxy_sketch"}


def test_a_plan_starts_without_torch():
    code = "import sys, farsighted.signals.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
