"""Signals from the cache: the bits that would be computed, whoever came first, and nothing computed twice."""

import itertools
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from farsighted.candidates import kept_signals as signal_cache
from farsighted.candidates.kept_signals import SignalCache
from farsighted.config.audit import AuditConfig
from farsighted.core.values import Example, Tokens
from farsighted.learners.adapters import Lora
from farsighted.learners.base import EXACT_AT_START
from farsighted.learners.build import build_adaptation
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.loading import load_model
from farsighted.store.cache import ArrayCache
from farsighted.testing.fake_learner import FakeLearner
from oracles.tiny_folder import read_texts, save_tiny

PASS_TOKENS = 64
PLENTY = 10**8
FORWARD = frozenset({"nll", "entropy", "head_sketch", "nuclear_norm", "logit_sketch", "hidden", "embedding"})
ELSEWHERE = frozenset({"nuclear_norm:non_pad", "logit_sketch:non_pad"})
BACKWARD = frozenset({"grad_norm", "grad_sketch"})
ALL = FORWARD | ELSEWHERE | BACKWARD


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of a pass or two, so that a few texts make several."""
    monkeypatch.setattr(signal_cache, "_CHUNK_TOKENS", PASS_TOKENS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def texts(folder):
    """20 texts of 6 to 31 tokens, in no order of length."""
    return read_texts(folder, *[("ab" * (1 + 7 * n % 11), "xyz"[n % 3] * (2 + n % 5)) for n in range(20)])


def language_model(folder, adaptation=None, seed=0, dtype="float32"):
    settings = LearnerSettings(OptimizerSettings(learning_rate=1e-3), batch_tokens=PASS_TOKENS)
    return CausalLM(load_model(folder, dtype), "hash", adaptation or Lora(r=2), settings, seed)


def cache_in(folder, limit=PLENTY, model="model", adapter="adapter"):
    return SignalCache(ArrayCache(folder, limit), model, adapter, PASS_TOKENS)


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


class Counting(FakeLearner):
    """Notes every pass; signals that come with gradients are off by a little, as on some devices."""

    def __init__(self):
        super().__init__()
        self.passes = []

    def signals(self, batch, needs):
        self.passes.append((len(batch), needs))
        found = super().signals(batch, needs)
        return {name: array + 1e-6 if needs & BACKWARD else array for name, array in found.items()}


def test_signals_that_are_found_are_those_computed_and_those_of_one_call_on_everything(folder, texts, tmp_path):
    learner = language_model(folder)
    cold = cache_in(tmp_path / "x").get(learner, texts, ALL)
    warm = cache_in(tmp_path / "x").get(None, texts, ALL)
    off = cache_in(tmp_path / "x", limit=0).get(learner, texts, ALL)
    for found in (cold, warm, off):
        for needs in (FORWARD, ELSEWHERE, BACKWARD):
            assert_same({name: found.rows[name] for name in needs}, dict(sorted(learner.signals(texts, needs).items())))
    assert warm.seconds == cold.seconds > 0


def test_texts_are_scored_in_several_chunks_of_whole_passes(texts):
    chunks = signal_cache._chunks(texts, PASS_TOKENS)
    assert len(chunks) > 3
    assert sorted(np.concatenate(chunks)) == list(range(len(texts)))
    assert all(sum(len(texts[row].ids) for row in chunk) >= PASS_TOKENS for chunk in chunks[:-1])


REQUESTS = (
    frozenset({"nll", "hidden"}),
    frozenset({"nll", "grad_norm"}),
    frozenset({"grad_norm", "nuclear_norm:non_pad"}),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_who_asks_first_changes_nothing(texts, tmp_path, order):
    cache = cache_in(tmp_path)
    found = {number: cache.get(Counting(), texts, REQUESTS[number]).rows for number in order}
    for number, needs in enumerate(REQUESTS):
        assert_same(found[number], cache_in(tmp_path, limit=0).get(Counting(), texts, needs).rows)


def test_only_what_is_missing_is_computed_and_a_kind_of_pass_at_a_time(texts, tmp_path):
    learner, cache = Counting(), cache_in(tmp_path)
    count = len(signal_cache._chunks(texts, PASS_TOKENS))
    for needs, passes in [
        ({"nll"}, [{"nll"}]),
        ({"nll", "hidden"}, [{"hidden"}]),
        ({"grad_norm", "nll", "entropy"}, [{"grad_norm"}, {"entropy"}]),
        ({"nuclear_norm:non_pad", "nuclear_norm", "logit_sketch:non_pad"}, None),
        ({"hidden", "entropy", "grad_norm", "nll"}, []),
    ]:
        learner.passes.clear()
        cache.get(learner, texts, frozenset(needs))
        wanted = [{"nuclear_norm:non_pad", "logit_sketch:non_pad"}, {"nuclear_norm"}] if passes is None else passes
        assert [names for _, names in learner.passes] == [names for names in wanted for _ in range(count)]


def test_other_texts_models_adapters_and_prompt_lengths_are_other_signals(texts, tmp_path):
    """The adapter decides gradients alone: at step 0 it adds nothing to a forward pass."""
    first = texts[0]
    edited = Tokens(first.example, (first.ids[0] + 1, *first.ids[1:]), first.prompt_length)
    shifted = Tokens(first.example, first.ids, first.prompt_length + 1)
    renamed = Tokens(Example("another", "?", "?"), first.ids, first.prompt_length)
    learner, needs = Counting(), frozenset({"nll", "grad_norm"})

    def passes(text, **cache):
        learner.passes.clear()
        cache_in(tmp_path, **cache).get(learner, [text], needs)
        return [sorted(names) for _, names in learner.passes]

    both = [["grad_norm"], ["nll"]]
    assert passes(first) == passes(edited) == passes(shifted) == passes(first, model="other") == both
    assert passes(first, adapter="other") == [["grad_norm"]]
    assert passes(renamed) == passes(first) == []


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_at_step_0_every_adaptation_of_any_seed_gives_the_bits_of_the_same_forward_pass(folder, texts, dtype):
    """This is what the sharing of forward signals between adaptations rests on."""
    modes = [mode for mode in EXACT_AT_START if mode != "qlora"]  # which starts from a model of its own
    assert len(modes) == 2
    config = AuditConfig.model_validate({"suite": {}})
    needs = FORWARD | ELSEWHERE
    found = [
        language_model(folder, build_adaptation(config, mode), seed, dtype).signals(texts, needs)
        for seed, mode in enumerate(modes)
    ]
    for other in found[1:]:
        assert_same(dict(sorted(other.items())), dict(sorted(found[0].items())))


def test_a_damaged_entry_is_computed_anew_and_the_others_are_not(texts, tmp_path, caplog):
    needs = frozenset({"nll"})
    cold = cache_in(tmp_path).get(Counting(), texts, needs)
    entries = sorted(tmp_path.glob("*.arrays"))
    entries[1].write_bytes(entries[1].read_bytes()[:-3])
    learner = Counting()
    assert_same(cache_in(tmp_path).get(learner, texts, needs).rows, cold.rows)
    assert len(learner.passes) == 1
    assert "is damaged" in caplog.text


def test_a_cache_that_is_too_small_for_everything_changes_no_signal(texts, tmp_path):
    needs = frozenset({"nll", "hidden"})
    small = cache_in(tmp_path, limit=2000)
    first, second = (small.get(Counting(), texts, needs).rows for _ in range(2))
    assert_same(first, second)
    assert_same(first, cache_in(tmp_path, limit=0).get(Counting(), texts, needs).rows)


def test_an_interrupt_costs_the_chunk_in_flight(texts, tmp_path):
    class Interrupted(Counting):
        def signals(self, batch, needs):
            if len(self.passes) == 2:
                raise KeyboardInterrupt
            return super().signals(batch, needs)

    first, second = Interrupted(), Counting()
    with pytest.raises(KeyboardInterrupt):
        cache_in(tmp_path).get(first, texts, frozenset({"nll"}))
    cache_in(tmp_path).get(second, texts, frozenset({"nll"}))
    assert len(first.passes) == 2
    assert len(first.passes + second.passes) == len(signal_cache._chunks(texts, PASS_TOKENS))


# Processes of their own: each writes a line to `passes.txt` before a pass, and waits in its pass number `hold` until
# there are `until` lines.
PROCESS = f"""
import json, sys, time
from pathlib import Path
from farsighted.core.values import Example, Tokens
from farsighted.candidates import kept_signals as signal_cache
from farsighted.store.cache import ArrayCache
from farsighted.testing.fake_learner import FakeLearner

folder, hold, until = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
signal_cache._CHUNK_TOKENS = {PASS_TOKENS}
texts = [Tokens(Example(str(n), "p", "r"), tuple(ids), prompt) for n, (ids, prompt) in enumerate(json.load(sys.stdin))]

class Slow(FakeLearner):
    made = 0

    def signals(self, batch, needs):
        with (folder / "passes.txt").open("a") as file:
            file.write(f"{{len(batch)}}\\n")
        self.made += 1
        while self.made == hold and len((folder / "passes.txt").read_text().splitlines()) < until:
            time.sleep(0.001)
        return super().signals(batch, needs)

cache = signal_cache.SignalCache(ArrayCache(folder / "cache", {PLENTY}), "model", "adapter", {PASS_TOKENS})
print(cache.get(Slow(), texts, frozenset({{"nll"}})).rows["nll"].tobytes().hex())
"""


def start(folder, texts, hold, until):
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), str(hold), str(until)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps([[text.ids, text.prompt_length] for text in texts]))
    process.stdin.close()
    process.stdin = None
    return process


def passes_in(folder):
    path = folder / "passes.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_two_processes_at_once_share_the_work_and_compute_nothing_twice(texts, tmp_path):
    """Each waits in its first pass until the other begins one: none waits for a chunk while others are left."""
    both = [start(tmp_path, texts, hold=1, until=2) for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    wanted = cache_in(tmp_path, limit=0).get(FakeLearner(), texts, frozenset({"nll"})).rows["nll"]
    assert first == second == wanted.tobytes().hex() + "\n"
    assert passes_in(tmp_path) == len(signal_cache._chunks(texts, PASS_TOKENS))


def test_a_killed_process_costs_the_chunk_in_flight(texts, tmp_path):
    process = start(tmp_path, texts, hold=3, until=10**6)
    while passes_in(tmp_path) < 3:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    learner, needs = Counting(), frozenset({"nll"})
    found = cache_in(tmp_path / "cache").get(learner, texts, needs)
    assert len(learner.passes) == len(signal_cache._chunks(texts, PASS_TOKENS)) - 2
    assert_same(found.rows, cache_in(tmp_path, limit=0).get(FakeLearner(), texts, needs).rows)
