import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaForCausalLM

from farsighted.core.values import Example
from farsighted.worlds.skills.suite import build_suite
from farsighted.worlds.tiny import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    TINY_PATH,
    byte_tokenizer,
    encode,
    exact_match,
    fresh_model,
    main,
    tiny_config,
    tiny_path,
    train,
)

SHIPPED = AutoTokenizer.from_pretrained(TINY_PATH)


@pytest.fixture(scope="module")
def tiny():
    return LlamaForCausalLM.from_pretrained(TINY_PATH).eval()


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(), SHIPPED], ids=["built", "shipped"])
@given(text=st.text(max_size=40))
@settings(max_examples=60)
def test_every_text_is_its_bytes_and_comes_back_unchanged(tokenizer, text):
    ids = tokenizer.encode(text)
    assert ids == list(text.encode())
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(), SHIPPED], ids=["built", "shipped"])
def test_special_tokens_follow_the_bytes_and_their_spelling_in_a_text_is_plain(tokenizer):
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (PAD_ID, BOS_ID, EOS_ID)
    assert len(tokenizer) == 259
    assert tokenizer.encode(tokenizer.eos_token) == list(tokenizer.eos_token.encode())


def test_the_shipped_model_is_a_small_untied_llama_of_the_declared_shape(tiny):
    assert tiny_path() == TINY_PATH
    assert tiny.config.architectures == ["LlamaForCausalLM"]
    assert not tiny.config.tie_word_embeddings
    assert tiny.config.max_position_embeddings == 1024
    assert 300_000 <= sum(p.numel() for p in tiny.parameters()) <= 1_000_000
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in tiny.parameters())
    assert {n: p.shape for n, p in tiny.named_parameters()} == {
        n: p.shape for n, p in fresh_model(tiny_config(), torch.Generator()).named_parameters()
    }
    assert (TINY_PATH / "model.safetensors").stat().st_size < 4_000_000


def test_the_shipped_model_knows_the_general_skill_best_and_the_others_partly(tiny):
    # Wide bounds that catch a broken file or tokenizer; the measured levels stand in the module's docstring.
    stages = build_suite(train=0, validation=200, ood=0, proxy=0, seed=11).stages
    share = {stage.name: exact_match(tiny, stage.validation) for stage in stages}
    others = [share[name] for name in ("math", "code", "reasoning", "safety")]
    assert share["general"] >= 0.85
    assert max(others) < share["general"]
    assert all(0.1 <= value <= 0.7 for value in others)


def test_exact_match_by_teacher_forcing_equals_greedy_generation(tiny):
    examples = build_suite(train=0, validation=8, ood=0, proxy=0, seed=2).stages[1].validation
    hits = 0
    for example in examples:
        prompt = torch.tensor([list(f"{example.prompt}\n".encode())])
        new = tiny.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=40, do_sample=False, pad_token_id=PAD_ID
        )
        hits += new[0, prompt.shape[1] :].tolist() == [*example.response.encode(), EOS_ID]
    assert exact_match(tiny, examples) == hits / len(examples)


def test_padding_on_the_right_changes_no_answer(tiny):
    examples = build_suite(train=0, validation=21, ood=0, proxy=0, seed=2).stages[0].validation
    assert exact_match(tiny, examples, batch_size=21) == exact_match(tiny, examples, batch_size=1)


def test_encoding_writes_prompt_line_break_response_end_and_marks_both_parts():
    batch = encode([Example("a", "1+1=", "2"), Example("b", "hi ", "you")])
    assert batch.ids_BL.tolist() == [[*b"1+1=\n2", EOS_ID], [*b"hi you", EOS_ID]]
    assert batch.is_prompt_BL.sum(1).tolist() == [5, 3]
    assert batch.is_response_BL.int().tolist() == [[0] * 5 + [1] * 2, [0] * 3 + [1] * 4]


def test_shorter_rows_are_padded_and_pads_carry_no_loss():
    batch = encode([Example("a", "x", "y"), Example("b", "long one", "y")])
    assert batch.ids_BL[0].tolist() == [*b"x\ny", EOS_ID] + [PAD_ID] * 7
    assert not (batch.is_prompt_BL | batch.is_response_BL)[0, 4:].any()


def test_fresh_weights_come_from_the_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (fresh_model(tiny_config(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_training_again_gives_the_same_weights_and_ignores_the_global_generator():
    first = train(steps=2, seed=0)
    torch.rand(3)
    again = train(steps=2, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_the_command_writes_a_folder_that_transformers_reads(tmp_path):
    threads = torch.get_num_threads()
    main([str(tmp_path / "model"), "--steps", "1"])
    torch.set_num_threads(threads)
    model = LlamaForCausalLM.from_pretrained(tmp_path / "model")
    assert np.prod(model.lm_head.weight.shape) == 259 * 96
    assert AutoTokenizer.from_pretrained(tmp_path / "model").encode("é") == [0xC3, 0xA9]
