"""Tiny random models of the families in use, as folders."""

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPTNeoXConfig, LlamaConfig, MistralConfig, Qwen3Config

from farsighted.worlds.tiny import byte_tokenizer

_SIZES = {
    "vocab_size": 259,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 257,
    "eos_token_id": 258,
    "pad_token_id": 256,
}
_GROUPED = _SIZES | {"num_key_value_heads": 1, "head_dim": 8}

FAMILIES = {
    "llama": LlamaConfig(**_GROUPED, rope_theta=500000.0),
    "qwen": Qwen3Config(**_GROUPED, tie_word_embeddings=True),
    "gemma": Gemma2Config(**_GROUPED, query_pre_attn_scalar=8, sliding_window=64),
    "mistral": MistralConfig(**_GROUPED, sliding_window=64),
    "gpt_neox": GPTNeoXConfig(**_SIZES),
}


WIDE = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 32}
"""Sizes that 4-bit products on a CPU can take."""


def save_family(name, folder, **sizes):
    """Write a random model of a family with the byte tokenizer, and return its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(3)
        model = AutoModelForCausalLM.from_config(type(FAMILIES[name])(**FAMILIES[name].to_dict() | sizes))
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder
