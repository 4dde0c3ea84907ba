import numpy as np
import pytest
import torch

from farsighted.core.errors import ModelError
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.generate import generated
from farsighted.learners.optim import OptimizerSettings
from oracles.signal_autograd import tiny_llama

END = 2
PROMPTS = [list(np.random.default_rng(length).integers(3, 40, length)) for length in (5, 1, 9, 5, 3)]


def never(ids):
    return False


def plain_greedy(lm, prompt, count):
    """One token at a time, no cache, no padding."""
    ids = list(prompt)
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(lm(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == END:
            break
    return [token for token in ids[len(prompt) :] if token != END]


def test_batches_give_what_one_token_at_a_time_gives():
    lm = tiny_llama().eval()
    found = generated(lm, PROMPTS, 7, [END], never, 10_000)
    assert found == [plain_greedy(lm, prompt, 7) for prompt in PROMPTS]
    assert found == generated(lm, PROMPTS, 7, [END], never, 1)


def test_generation_settings_that_a_model_brings_along_change_nothing():
    lm = tiny_llama().eval()
    settings = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "suppress_tokens": list(range(3, 30))}
    lm.generation_config.update(**settings)
    assert generated(lm, PROMPTS, 7, [END], never, 10_000) == [plain_greedy(lm, prompt, 7) for prompt in PROMPTS]
    assert lm.generation_config.repetition_penalty == 5.0


def test_a_continuation_ends_before_the_end_token():
    lm = tiny_llama().eval()
    first, second = plain_greedy(lm, PROMPTS[0], 2)
    assert generated(lm, PROMPTS[:1], 7, [first], never, 100) == [[]]
    if first != second:
        assert generated(lm, PROMPTS[:1], 7, [second], never, 100) == [[first]]


def test_a_continuation_ends_before_whichever_of_the_ends_comes_first():
    lm = tiny_llama().eval()
    plain = [plain_greedy(lm, prompt, 7) for prompt in PROMPTS]
    ends = [END, plain[0][2], plain[1][4]]
    found = generated(lm, PROMPTS, 7, ends, never, 10_000)
    for new, whole in zip(found, plain, strict=True):
        places = [place for place, token in enumerate(whole) if token in ends]
        assert new == whole[: min(places, default=len(whole))]
    assert generated(lm, PROMPTS, 7, ends[::-1], never, 1) == found


def test_a_continuation_ends_where_it_is_told_to_and_others_go_on():
    lm = tiny_llama().eval()
    found = generated(lm, [PROMPTS[0], PROMPTS[3]], 6, [END], lambda ids: len(ids) >= 2, 10_000)
    assert [len(ids) for ids in found] == [2, 2]
    told = plain_greedy(lm, PROMPTS[0], 1)
    found = generated(lm, [PROMPTS[0], PROMPTS[3]], 6, [END], lambda ids: list(ids) == told, 10_000)
    assert found[0] == told
    if plain_greedy(lm, PROMPTS[3], 1) != told:
        assert found[1] == plain_greedy(lm, PROMPTS[3], 6)


def learner(end_ids):
    settings = LearnerSettings(OptimizerSettings(5e-3), end_ids=end_ids)
    return CausalLM(tiny_llama(), "hash", Lora(4, 8.0), settings, 0)


def test_a_learner_writes_and_stays_as_it_was():
    found = learner((END,))
    before = torch.random.get_rng_state()
    assert found.generate(PROMPTS, 4, never) == found.generate(PROMPTS, 4, never)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_learner_without_an_end_token_does_not_write():
    with pytest.raises(ModelError, match="needs the ids of end tokens"):
        learner(()).generate(PROMPTS, 4, never)
