"""Which models may answer prompts in batches, measured on random models of real architectures."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BambaConfig,
    BloomConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MptConfig,
    OPTConfig,
    RecurrentGemmaConfig,
    RwkvConfig,
)

from farsighted.core.errors import ModelError
from farsighted.core.values import Example, Tokens
from farsighted.learners.adapters import Full
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.padding import WRITES_ALONE, ignores_pads
from farsighted.learners.virtual_tokens import VirtualTokens

V, END = 97, 96
SIZES = {
    "vocab_size": V,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 95,
    "eos_token_id": END,
    "pad_token_id": 94,
}
GROUPED = SIZES | {"num_key_value_heads": 1, "head_dim": 16}
SMALL = {"vocab_size": V, "hidden_size": 32, "num_hidden_layers": 2}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}
GRIFFIN = {"num_hidden_layers": 3, "num_attention_heads": 2, "lru_width": 32, "attention_window_size": 64}
HEED_THE_MASK = {
    "llama": LlamaConfig(**GROUPED),
    "gpt2": GPT2Config(vocab_size=V, n_embd=32, n_layer=2, n_head=2, n_positions=128),
    "opt": OPTConfig(**SIZES, ffn_dim=48, word_embed_proj_dim=32),
    "gemma2": Gemma2Config(**GROUPED, query_pre_attn_scalar=8, sliding_window=64),
    "gemma3": Gemma3TextConfig(**GROUPED, sliding_window=8),
    "gpt_neox": GPTNeoXConfig(**SIZES),
    "bloom": BloomConfig(vocab_size=V, hidden_size=32, n_layer=2, n_head=2),
    "mpt": MptConfig(vocab_size=V, d_model=32, n_layers=2, n_heads=2, max_seq_len=128),
    "mamba": MambaConfig(**SMALL, state_size=8),
    "bamba": BambaConfig(**SIZES, **MAMBA, num_key_value_heads=1, attn_layer_indices=[1]),
}
READ_THE_PADS = {
    "rwkv": RwkvConfig(**SMALL, attention_hidden_size=32, intermediate_size=48, context_length=128),
    "recurrent_gemma": RecurrentGemmaConfig(**SMALL | GRIFFIN, intermediate_size=96),
}
EVERY = HEED_THE_MASK | READ_THE_PADS
LENGTHS = (6, 23, 9, 14)
PROMPTS = [np.random.default_rng(length).integers(1, 90, length).tolist() for length in LENGTHS]
TEXTS = [Tokens(Example(str(len(ids)), "p", "r"), tuple(ids), len(ids) // 2) for ids in PROMPTS]


def model(name, dtype=torch.float32):
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(EVERY[name]).to(dtype).eval()
    lm.config.use_cache = False
    return lm


def learner(name, **settings):
    given = {"end_ids": (END,)} | settings
    return CausalLM(model(name), name, Full(), LearnerSettings(OptimizerSettings(1e-3), **given), 0)


def never(ids):
    return False


@pytest.mark.parametrize("name", HEED_THE_MASK)
def test_models_that_heed_the_mask_answer_in_batches(name):
    assert ignores_pads(model(name), END, V)


@pytest.mark.parametrize("name", READ_THE_PADS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_models_that_read_the_pads_are_found_out(name, dtype):
    assert not ignores_pads(model(name, dtype), END, V)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_not_taken_for_reading_the_pads(dtype):
    assert ignores_pads(model("llama", dtype), END, V)


def test_a_model_stays_as_it_was():
    lm = model("llama")
    lm.generation_config.update(repetition_penalty=3.0)
    before, generator = {name: value.clone() for name, value in lm.state_dict().items()}, torch.random.get_rng_state()
    assert ignores_pads(lm, END, V)
    assert all(torch.equal(value, before[name]) for name, value in lm.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert (lm.generation_config.repetition_penalty, lm.config.use_cache) == (3.0, False)


def test_few_learned_positions_are_not_exceeded():
    lm = AutoModelForCausalLM.from_config(GPT2Config(vocab_size=V, n_embd=32, n_layer=2, n_head=2, n_positions=9))
    assert ignores_pads(lm.eval(), END, V)


@pytest.mark.parametrize("name", EVERY)
def test_every_model_answers_many_prompts_as_it_answers_each_alone(name):
    found = learner(name)
    assert found.generate(PROMPTS, 6, never) == [found.generate([prompt], 6, never)[0] for prompt in PROMPTS]


@pytest.mark.parametrize("name", EVERY)
def test_padding_on_the_right_changes_no_likelihood_of_any_model(name):
    found = learner(name)
    together = found.likelihoods(TEXTS)
    alone = [found.likelihoods([text]) for text in TEXTS]
    np.testing.assert_allclose(together.nll_sum, [one.nll_sum[0] for one in alone], rtol=1e-5)
    assert together.hit_share.tolist() == [one.hit_share[0] for one in alone]


def test_the_prompts_of_the_look_leave_room_for_virtual_tokens():
    """Beyond its table of positions a model has none to read."""
    config = GPT2Config(vocab_size=V, n_embd=32, n_layer=2, n_head=2, n_positions=40)
    adaptation = VirtualTokens("mine", "prompt_tuning", {"num_virtual_tokens": 16})
    settings = LearnerSettings(OptimizerSettings(1e-3), end_ids=(END,))
    assert CausalLM(AutoModelForCausalLM.from_config(config), "gpt2", adaptation, settings, 0).may_pad


@pytest.mark.parametrize(("name", "times"), [("rwkv", 1), ("gpt2", 0)])
def test_the_self_test_notes_which_models_answer_one_prompt_at_a_time(name, times):
    found = learner(name)
    found.self_test(TEXTS)
    found.self_test(TEXTS)
    assert found.notes.count(WRITES_ALONE) == times


def test_a_model_that_cannot_write_passes_the_self_test_and_is_refused_when_it_must_write(monkeypatch):
    found = learner("llama")
    monkeypatch.setattr(found.language_model, "generate", lambda *_, **__: [][0])
    found.self_test(TEXTS)
    assert "cannot write text: list index out of range" in found.notes[-1]
    with pytest.raises(ModelError, match="cannot write text"):
        found.generate(PROMPTS, 4, never)


def test_the_self_test_refuses_a_model_whose_tokens_see_what_follows_them(monkeypatch):
    found = learner("llama")
    trunk = found.language_model.model
    plain = type(trunk).forward

    def both_ways(*args, **kwargs):
        out = plain(trunk, *args, **kwargs)
        out.last_hidden_state = out.last_hidden_state + out.last_hidden_state.mean(1, keepdim=True)
        return out

    monkeypatch.setattr(trunk, "forward", both_ways)
    with pytest.raises(ModelError, match="whatever follows it"):
        found.self_test(TEXTS)
