"""The script beside the published results reads what an audit writes."""

import subprocess
import sys
from pathlib import Path

from farsighted.results.build import to_json
from oracles.fabricated_cells import make_audit, make_cell, results_of, wanted

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "results" / "claims.py"


def test_selectors_stand_in_the_order_of_each_measure_and_references_are_left_out(tmp_path):
    gains = {"random": 20, "loss": 45, "gradient": 30}
    cells = [make_cell(name, seed, wanted(gain=gain)) for name, gain in gains.items() for seed in (0, 1)]
    cells += [make_cell("random_matched", seed, wanted(gain=60), reference=True) for seed in (0, 1)]
    path = tmp_path / "results.json"
    path.write_text(to_json(results_of(cells, make_audit(cells))))
    said = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, check=True).stdout
    assert "canonical, 25%, lora\n  current: loss 65, gradient 50, random 40\n" in said
    assert "loss to random, long-horizon: " in said
    assert "family gap, canonical, 25%, lora: " in said
    assert "random_matched" not in said
