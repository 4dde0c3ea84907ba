"""Slow, obvious versions of the signals: explicit logits, one example and one autograd call at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from farsighted.core.values import Example, Tokens

HIDDEN, VOCABULARY = 16, 50


def tiny_llama(seed: int = 0, dtype: torch.dtype = torch.float64, **options: object) -> LlamaForCausalLM:
    """A Llama of two layers with weights from a generator, everything trainable, in eval mode."""
    shape: dict[str, object] = {
        "hidden_size": HIDDEN,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
    }
    config = LlamaConfig(**{**shape, **options})
    model = LlamaForCausalLM(config).to(dtype).eval()
    randomize(model, seed)
    return model


def randomize(model: nn.Module, seed: int) -> None:
    """Fill every parameter from a generator: matrices ~ N(0, 0.3²), vectors ~ N(1, 0.2²)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(1 + 0.2 * noise if parameter.dim() == 1 else 0.3 * noise)


def add_lora(model: nn.Module, seed: int = 1, **options: object) -> nn.Module:
    """Inject LoRA with a non-zero B; only the adapter is trainable afterwards."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    config = LoraConfig(**{"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"], **options})
    model = inject_adapter_in_model(config, model).to(next(model.parameters()).dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model.eval()


def make_batch(shapes: Sequence[tuple[int, int]], seed: int = 0) -> tuple[Tensor, list[Tokens]]:
    """Right-padded ids and examples with the given (prompt, response) lengths; the pad id 0 never occurs inside."""
    generator = np.random.default_rng(seed)
    batch = []
    for row, (prompt, response) in enumerate(shapes):
        ids = tuple(int(token) for token in generator.integers(1, VOCABULARY, size=prompt + response))
        batch.append(Tokens(Example(f"e{row}", "p", "r"), ids, prompt))
    longest = max(len(tokens.ids) for tokens in batch)
    return torch.tensor([[*tokens.ids, *[0] * (longest - len(tokens.ids))] for tokens in batch]), batch


def response_states(trunk: nn.Module, tokens: Tokens) -> Tensor:
    """(L, D): the states that predict the response, from a forward over this example alone."""
    return trunk(torch.tensor([tokens.ids])).last_hidden_state[0, tokens.prompt_length - 1 : -1]


def mean_nll(model: LlamaForCausalLM, tokens: Tokens) -> Tensor:
    """Mean response NLL of one example through the model's own logits."""
    logits = model(torch.tensor([tokens.ids])).logits[0]
    terms = [
        -torch.log_softmax(logits[position - 1], 0)[tokens.ids[position]]
        for position in range(tokens.prompt_length, len(tokens.ids))
    ]
    return torch.stack(terms).mean()


def example_gradients(model: LlamaForCausalLM, tokens: Tokens) -> dict[str, Tensor]:
    """The gradient of one example's mean response NLL with respect to each trainable parameter."""
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients = torch.autograd.grad(mean_nll(model, tokens), list(trainable.values()))
    return dict(zip(trainable, gradients, strict=True))


def weighted_gradient(model: LlamaForCausalLM, batch: Sequence[Tokens], weight: np.ndarray) -> dict[str, Tensor]:
    """The gradient of the weighted NLL over the response tokens of a batch, divided by their number."""
    total = sum(tokens.response_length for tokens in batch)
    found: dict[str, Tensor] = {}
    for tokens, factor in zip(batch, weight.tolist(), strict=True):
        for name, gradient in example_gradients(model, tokens).items():
            found[name] = found.get(name, 0) + factor * tokens.response_length / total * gradient
    return found


def norm_of(gradients: dict[str, Tensor]) -> float:
    """The norm of the concatenated gradient."""
    return float(torch.cat([gradient.flatten() for gradient in gradients.values()]).norm())


def sketch_of(gradients: dict[str, Tensor], maps: dict[str, object]) -> Tensor:
    """Sum over parameters of left' G right, with the explicit maps and the explicit gradient."""
    total = 0.0
    for name, gradient in gradients.items():
        matrix = gradient if gradient.dim() == 2 else gradient[:, None]
        total = total + maps[name].left_OP.double().T @ matrix.double() @ maps[name].right_IQ.double()
    return total.flatten()
