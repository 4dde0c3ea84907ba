"""A tiny random sentence-transformers model, built from its parts without the network."""

import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

from farsighted.worlds.tiny import byte_tokenizer

try:
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
except ImportError:
    from sentence_transformers.models import Normalize, Pooling, Transformer


def save_sentence_model(folder, seed=5):
    """Write the model to a folder and return that."""
    parts = folder / "parts"
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        bert = BertModel(
            BertConfig(vocab_size=259, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        )
    bert.save_pretrained(parts)
    byte_tokenizer().save_pretrained(parts)
    transformer = Transformer(str(parts))
    model = SentenceTransformer(modules=[transformer, Pooling(16), Normalize()], device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"
