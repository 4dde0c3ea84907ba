"""Random models and texts to measure with: time does not depend on what the weights say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from farsighted.core.values import Example, Tokens
from farsighted.data.batches import pad
from farsighted.learners.adapters import Lora


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a Llama."""

    width: int
    layers: int
    vocabulary: int
    head_width: int = 64
    dtype: str = "float32"

    def described(self, model: Any) -> str:
        """Return the size in words."""
        millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        size = f"{millions:.1f} M parameters, {self.dtype}"
        return f"Llama d = {self.width}, {self.layers} layers, V = {self.vocabulary:,} ({size})"


LARGE: Final = Shape(4096, 32, 128_256, 128, "bfloat16")
"""About eight billion parameters."""
_LARGE_BYTES: Final = 40 * 10**9
"""Memory of a device from which on the large shape is measured: 15 GB of weights, and passes with a graph."""


def takes_large(device: str) -> bool:
    """Return whether a device is an accelerator with room for the large shape."""
    return device != "cpu" and torch.cuda.get_device_properties(device).total_memory >= _LARGE_BYTES


def random_llama(shape: Shape, rng: np.random.Generator, device: str = "cpu") -> Any:
    """Return a frozen Llama in eval mode whose matrices are drawn from `rng` (standard deviation 0.05)."""
    config = LlamaConfig(
        hidden_size=shape.width,
        intermediate_size=max(32, shape.width * 8 // 3 // 32 * 32),
        num_hidden_layers=shape.layers,
        num_attention_heads=max(1, shape.width // shape.head_width),
        num_key_value_heads=max(1, shape.width // shape.head_width),
        vocab_size=shape.vocabulary,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        use_cache=False,
    )
    # The library draws initial values of its own, which are thrown away: keep that draw from leaking out.
    with torch.random.fork_rng(), torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, shape.dtype))
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.05, generator=generator)
    return model.eval().requires_grad_(requires_grad=False)


def with_lora(model: Any, rng: np.random.Generator, rank: int = 16) -> Any:
    """Put adapters on all linear layers, in place; B is drawn too, so that every gradient counts."""
    lm = Lora(rank, 2.0 * rank).apply(model, rng)
    generator = torch.Generator(lm.device).manual_seed(int(rng.integers(2**62)))
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.02, generator=generator)
    return lm


def random_texts(
    lengths: Sequence[int], vocabulary: int, rng: np.random.Generator, response: int | None = None
) -> list[Tokens]:
    """Return texts of these lengths in tokens, whose last `response` tokens (half by default) are the response."""
    return [
        Tokens(
            Example(f"e{row}", "p", "r"),
            tuple(map(int, rng.integers(1, vocabulary, length))),
            length // 2 if response is None else length - response,
        )
        for row, length in enumerate(lengths)
    ]


def padded_ids(texts: Sequence[Tokens], device: str) -> Tensor:
    """Return right-padded ids (N, L)."""
    return torch.from_numpy(pad([tokens.ids for tokens in texts]).ids_BL).to(device)
