from dataclasses import replace

import pytest
import torch

from benchmarks.memory import FULL, measure_memory, peak_bytes
from benchmarks.models import takes_large
from benchmarks.results import BenchSettings

MEGABYTE = 1_000_000
LARGE_CUDA = torch.cuda.is_available() and takes_large("cuda")


def hold(megabytes):
    return torch.empty(megabytes * MEGABYTE, dtype=torch.uint8)


def test_the_peak_is_what_was_alive_at_once():
    def run():
        first = hold(30)
        second = hold(20)
        del first, second
        return hold(10)

    assert peak_bytes(run) / MEGABYTE == pytest.approx(50, abs=1)


def test_what_was_alive_before_does_not_count():
    before = hold(100)
    assert peak_bytes(lambda: hold(5)) / MEGABYTE == pytest.approx(5, abs=1)
    del before


def test_signals_of_a_vocabulary_of_128_thousand_stay_within_half_of_the_trunks_memory():
    # Short responses, for time: what is held at once does not depend on how many chunks of logits there are.
    part = measure_memory(BenchSettings(), replace(FULL, response=32))
    figures = {row.what: row.value for row in part.rows}
    assert figures["peak of all signals ÷ peak of the trunk"] <= 1.5
    assert figures["logits of the responses, which are never whole"] > 2 * figures["peak of all signals"]


@pytest.mark.skipif(not LARGE_CUDA, reason="needs a CUDA device of 40 GB")
def test_the_same_holds_on_a_cuda_device():
    part = measure_memory(BenchSettings(device="cuda"))
    assert part.rows[0].value <= 1.5
    assert peak_bytes(lambda: torch.empty(MEGABYTE, device="cuda"), "cuda") >= 4 * MEGABYTE
