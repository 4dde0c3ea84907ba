"""A folder with a tiny random Llama and the byte tokenizer, as `save_pretrained` writes it."""

import torch

from farsighted.core.values import Example
from farsighted.data.templates import encode_pool
from farsighted.models.tokenizer import load_tokenizer
from farsighted.worlds.tiny import byte_tokenizer
from oracles.signal_autograd import tiny_llama

VOCABULARY = 259


def save_tiny(folder, seed=0, **options):
    """Write tokenizer, configuration and weights to `folder`, and return it."""
    model = tiny_llama(seed, torch.float32, **{"vocab_size": VOCABULARY, "eos_token_id": 258, **options})
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def read_texts(folder, *pairs):
    """Prompts and responses as the model in `folder` reads them; ids are e0, e1, ..."""
    examples = [Example(f"e{row}", prompt, response) for row, (prompt, response) in enumerate(pairs)]
    return encode_pool(examples, load_tokenizer(folder), 64).tokens
