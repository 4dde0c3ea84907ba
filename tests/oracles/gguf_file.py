"""A small GGUF file, written as llama.cpp's converter writes one: other names, and rotary heads in another order."""

import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_CONTROL = 3
_SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>")


def write_gguf(
    lm, file, template=None, extra=None, architecture="llama", kinds=None, tables=None, split="gpt-2", begins=False
):
    """Write a llama and a tokenizer of bytes to `file`, and return it.

    Ids 256, 257 and 258 are the marks of pad, begin and end, 259 is "th".
    `extra`: further single values. `kinds`: kinds of tensors that are not float32, by the end of their names.
    `tables`: further tensors. `split`: the tokenizer's rule. `begins`: whether texts begin with a mark; None: not said.
    """
    import gguf

    config = lm.config
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, template, split, begins)
    for name, value in (extra or {}).items():
        (writer.add_string if isinstance(value, str) else writer.add_float32)(name, value)
    for name, values in (tables or {}).items():
        writer.add_tensor(name, values)
    for name, weight in lm.state_dict().items():
        values = _reordered(name, weight.float().numpy(), config)
        kind = next((kind for end, kind in (kinds or {}).items() if name.endswith(end)), None)
        renamed = _renamed(name)
        if kind is None:
            writer.add_tensor(renamed, values)
        else:
            writer.add_tensor(renamed, gguf.quantize(values, kind), raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return file


def _add_tokenizer(writer, template, split, begins):
    tokens = [bytes_to_unicode()[byte] for byte in range(256)] + [*_SPECIAL, "th"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [_CONTROL] * 3 + [1])
    writer.add_token_merges(["t h"])
    writer.add_pad_token_id(256)
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)
    if begins is not None:
        writer.add_add_bos_token(value=begins)
    if template:
        writer.add_chat_template(template)


def _renamed(name):
    stem, _, suffix = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, layer, inner = stem.split(".", 3)
        return f"blk.{layer}.{_NAMES[inner]}.{suffix}"
    return f"{_NAMES[stem]}.{suffix}"


def _reordered(name, values, config):
    """Rotary pairs side by side, as llama.cpp has them, where transformers has them in halves."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return values
    rows, columns = values.shape
    halves = values.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
