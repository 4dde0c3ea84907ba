from farsighted.signals.registry import SIGNALS
from oracles.cli import run_cli


def test_every_signal_is_listed_with_its_shape_and_its_cost_in_passes():
    said = run_cli("signals")
    assert said.code == 0
    assert all(f"│ {name} " in said.out for name, row in SIGNALS.items() if not row.is_own)
    assert "1 forward + 1 backward" in said.out
    assert "once per pool" in said.out
    assert "(N, 1024)" in said.out


def test_one_signal_is_described():
    said = run_cli("signals", "grad_norm")
    assert said.code == 0
    assert "1 forward + 1 backward" in said.out
    assert "trained parameters" in said.out


def test_a_signal_of_ones_own_is_described_with_what_it_needs_and_where_it_is_written():
    said = run_cli("signals", "oracles.own_signals:prompt_share")
    assert said.code == 0
    assert "Share of an example's characters that are its prompt's." in said.out
    assert "The sum is never 0" in said.out
    assert "Needs: the examples alone." in said.out
    assert "oracles.own_signals:prompt_share, version 1" in said.out


def test_an_unknown_signal_is_refused_with_the_nearest_name():
    said = run_cli("signals", "nuclear_nrm")
    assert said.code == 2
    assert "'nuclear_norm'" in said.err
