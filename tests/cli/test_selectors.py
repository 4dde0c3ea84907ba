from farsighted.core.names import FAMILIES
from farsighted.selectors import selector_names
from oracles.cli import run_cli


def test_every_selector_is_listed_with_its_family_and_what_it_reads():
    said = run_cli("selectors")
    assert said.code == 0
    assert set(FAMILIES) <= set(selector_names())
    assert all(f"│ {name} " in said.out for name in selector_names())
    assert "grad_norm" in said.out


def test_one_selector_is_described_with_its_parameters():
    said = run_cli("selectors", "lhas")
    assert said.code == 0
    assert all(name in said.out for name in ("lambda_", "eta", "rho", "0.5"))


def test_an_unknown_selector_is_refused_with_the_nearest_name():
    said = run_cli("selectors", "lahs")
    assert said.code == 2
    assert "'lhas'" in said.err
