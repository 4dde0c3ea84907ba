"""Tiny random models of the families in use, as folders."""

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Gemma2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen3Config,
)

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

_TOKENS = {name: _SIZES[name] for name in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")}
_OLDER = _TOKENS | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 512}
_ROUTED = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
_SOME_HEADS = _SIZES | {"num_key_value_heads": 1}
_ALIBI = _TOKENS | {"hidden_size": 16, "n_layer": 2, "n_head": 2}
_OPT = {"hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
_RWKV = {"hidden_size": 16, "attention_hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}

OTHERS = {
    "gpt2": ("gpt2", _OLDER),
    "opt": ("opt", _TOKENS | _OPT | {"max_position_embeddings": 512}),
    "gpt_bigcode": ("gpt_bigcode", _OLDER),
    "qwen2": ("qwen2", _SOME_HEADS),
    "gemma3": ("gemma3_text", _GROUPED | {"query_pre_attn_scalar": 8, "sliding_window": 64}),
    "phi": ("phi", _SIZES),
    "mixtral": ("mixtral", _GROUPED | _ROUTED),
    "qwen2_moe": ("qwen2_moe", _SOME_HEADS | _ROUTED | {"shared_expert_intermediate_size": 8}),
    "qwen3_moe": ("qwen3_moe", _GROUPED | _ROUTED),
    "falcon": ("falcon", _SIZES),
    "bloom": ("bloom", _ALIBI),
    "mpt": ("mpt", _TOKENS | {"d_model": 16, "n_heads": 2, "n_layers": 2, "max_seq_len": 512}),
    "rwkv": ("rwkv", _TOKENS | _RWKV | {"context_length": 512}),
    "mamba": ("mamba", _TOKENS | {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    "stablelm": ("stablelm", _SOME_HEADS),
    "starcoder2": ("starcoder2", _SOME_HEADS),
    "cohere": ("cohere", _SOME_HEADS),
    "granite": ("granite", _SOME_HEADS | {"logits_scaling": 4.0}),
    "olmo": ("olmo", _SOME_HEADS),
}
"""Further architectures: the library's name of each, and its sizes."""

MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe")


WIDE = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 32}
"""Sizes that 4-bit products on a CPU can take."""


def random_model(name, **sizes):
    """Return a random model of a family."""
    if name in FAMILIES:
        config = type(FAMILIES[name])(**FAMILIES[name].to_dict() | sizes)
    else:
        kind, own = OTHERS[name]
        config = AutoConfig.for_model(kind, **own | sizes)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config)
    model.config.use_cache = False
    return model.eval()


def save_family(name, folder, **sizes):
    """Write a random model of a family with the byte tokenizer, and return its folder."""
    model = random_model(name, **sizes)
    model.config.use_cache = True
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder
