import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from farsighted.core.errors import ModelError
from farsighted.core.values import Example, Tokens
from farsighted.learners.batching import PassSize, in_batches, in_batches_or_again

LENGTHS = [5, 9, 3, 7, 4, 8, 6, 2]
TEXTS = [Tokens(Example(f"e{row}", "p", "r"), tuple(range(length)), 1) for row, length in enumerate(LENGTHS)]


def test_virtual_tokens_take_their_room_in_a_pass():
    """Two texts of 9 and 8 tokens are 18 padded ones, and 26 with four virtual tokens before each."""
    texts = [TEXTS[1], TEXTS[5]]
    assert [len(rows) for rows in PassSize(18).batches(texts)] == [2]
    assert [len(rows) for rows in PassSize(25, virtual=4).batches(texts)] == [1, 1]
    assert [len(rows) for rows in PassSize(26, virtual=4).batches(texts)] == [2]


def padded(batch):
    return len(batch) * max(len(tokens.ids) for tokens in batch)


def lengths_of(batch):
    return {"length": np.array([len(tokens.ids) for tokens in batch])}


class Memory:
    """Runs batches up to a size, and says of larger ones what torch says; keeps what it was shown."""

    def __init__(self, room, error=None):
        self.room, self.error, self.seen = room, error or MemoryError(), []

    def run(self, batch):
        self.seen.append([tokens.example.id for tokens in batch])
        if padded(batch) > self.room:
            raise self.error
        return lengths_of(batch)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "python", "cpu"])
@pytest.mark.parametrize("room", [9, 20, 40, 1000])
def test_halving_loses_no_row_and_keeps_the_order(room, error, caplog):
    memory = Memory(room, error)
    found = in_batches(TEXTS, PassSize(1000), memory.run)
    assert found["length"].tolist() == LENGTHS
    assert bool(caplog.records) == (room < 1000)


def test_a_batch_that_is_done_is_not_run_again():
    memory = Memory(20)
    in_batches(TEXTS, PassSize(1000), memory.run)
    done = [name for batch in memory.seen for name in batch if padded([TEXTS[int(i[1:])] for i in batch]) <= 20]
    assert sorted(done) == sorted(tokens.example.id for tokens in TEXTS)


def test_what_did_not_fit_once_is_not_tried_again(caplog):
    memory, size = Memory(20), PassSize(1000)
    in_batches(TEXTS, size, memory.run)
    tried = len(memory.seen)
    in_batches(TEXTS, size, memory.run)
    assert size.tokens <= 36
    assert len(memory.seen) - tried < tried
    assert "did not fit into memory: passes now hold at most" in caplog.text


def test_effects_that_add_up_begin_anew_after_a_failure():
    total, memory = {"sum": 0}, Memory(20)

    def begin():
        total["sum"] = 0

    def run(batch, rows):
        assert [TEXTS[row] for row in rows] == batch
        total["sum"] += sum(len(tokens.ids) for tokens in batch)  # in place before the failure, as gradients are
        return memory.run(batch)

    found = in_batches_or_again(TEXTS, PassSize(1000), begin, run)
    assert total["sum"] == sum(LENGTHS)
    assert found["length"].tolist() == LENGTHS


@pytest.mark.parametrize(
    "runner", [in_batches, lambda t, s, run: in_batches_or_again(t, s, lambda: None, lambda batch, rows: run(batch))]
)
def test_a_single_example_that_does_not_fit_is_named(runner):
    with pytest.raises(ModelError, match=r"'e1' with 9 tokens does not\. Lower `model\.context`"):
        runner(TEXTS, PassSize(1000), Memory(8).run)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        in_batches(TEXTS, PassSize(1000), Memory(8, RuntimeError("shapes cannot be multiplied")).run)


def test_a_real_lack_of_memory_is_met_by_halving():
    code = """
    import resource, sys
    import torch
    sys.path[:0] = ["tests"]
    from learners.test_batching import TEXTS, LENGTHS, lengths_of
    from farsighted.learners.batching import PassSize, in_batches
    torch.set_num_threads(1)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    def run(batch):
        torch.zeros(len(batch), 2**27)  # 512 MiB an example: two of the eight do not fit
        return lengths_of(batch)
    size = PassSize(1000)
    assert in_batches(TEXTS, size, run)["length"].tolist() == LENGTHS
    assert size.tokens < 1000
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did not fit into memory" in done.stderr
