"""Every part is measured at its quick size: what is said, and the figures that do not depend on the machine."""

import sys

import numpy as np
import pytest
import torch

from benchmarks import sets
from benchmarks.parts import MEASURES, device_of, machine, run_parts
from benchmarks.results import PARTS, BenchSettings
from farsighted.core.errors import ConfigError
from farsighted.signals.instrumented import FORWARD_SIGNALS

QUICK = BenchSettings(quick=True, repeats=2, threads=1)


@pytest.fixture(scope="module")
def parts():
    return {part.name: part for part in run_parts([name for name in PARTS if name != "audit"], QUICK)}


def figure(part, what):
    (row,) = (row for row in part.rows if what in row.what)
    return row.value


def test_every_part_has_a_measure():
    assert tuple(MEASURES) == PARTS


@pytest.mark.parametrize("name", [name for name in PARTS if name != "audit"])
def test_a_part_says_what_it_measured_and_keeps_every_time(parts, name):
    part = parts[name]
    assert part.setting
    assert all(row.low <= row.value <= row.high and row.value >= 0 for row in part.rows)
    assert all(taken > 0 for seconds in part.seconds.values() for taken in seconds)
    assert all(len(seconds) == QUICK.repeats for seconds in part.seconds.values())


def test_quick_sizes_meet_no_targets(parts):
    assert {row.verdict for part in parts.values() for row in part.rows} == {""}


def test_nuclear_norms_are_exact(parts):
    assert figure(parts["nuclear"], "relative error against") < 1e-5


def test_gradient_norms_are_exact(parts):
    assert figure(parts["gradients"], "largest relative gap") < 1e-5


def test_every_forward_signal_is_measured(parts):
    assert all(any(row.what == f"{name} ÷ trunk" for row in parts["signals"].rows) for name in FORWARD_SIGNALS)


def test_every_selector_of_a_step_is_measured_against_random_and_full_data(parts):
    said = {row.what for row in parts["steps"].rows}
    for name in (
        "loss",
        "gradient",
        "gradient, two passes",
        "diversity",
        "facility_location",
        "quality",
        "utility_diversity",
        "lhas",
    ):
        assert {f"{name} ÷ random step", f"{name} ÷ full-data step"} <= said


def test_the_lazy_traversal_picks_as_the_loop_does(parts):
    assert figure(parts["sets"], "places of the order") == 0


def test_loops_pick_alike_so_that_they_may_be_compared():
    points = sets.unit_points(300, 8, np.random.default_rng(0)).astype(np.float64)
    ours = sets.farthest_first(points, sets.NO_HISTORY).order.tolist()
    assert sets.running_minimum(points, 300) == ours
    assert sets.library_loop(points, 300) == ours


def test_without_apricot_the_part_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apricot", None)
    part = sets.measure_sets(BenchSettings(quick=True, repeats=1, threads=1))
    assert list(part.notes) == [sets.NO_APRICOT]
    assert not any("apricot" in row.what for row in part.rows)


def test_the_device_is_the_one_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (device_of("auto"), device_of("cpu")) == ("cpu", "cpu")
    with pytest.raises(ConfigError, match=r"no CUDA device here\. Use `--device cpu`"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (device_of("auto"), device_of("cpu"), device_of("cuda")) == ("cuda", "cpu", "cuda")


def test_the_machine_is_named():
    facts = machine(QUICK)
    assert facts["threads"] == "1"
    assert facts["torch"] == torch.__version__
    assert facts["processor"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", PARTS)
def test_every_part_runs_on_a_cuda_device(name):
    (part,) = run_parts([name], BenchSettings(quick=True, repeats=1, device="cuda"))
    assert part.rows
