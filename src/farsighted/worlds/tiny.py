"""The tiny base model that ships with the package, and the command that trains it again from nothing.

Run ``python -m farsighted.worlds.tiny OUT`` to write tokenizer, configuration and weights to the folder OUT; it
takes ten to twelve minutes on one core. The text of an example is prompt, line break, response, end token.

For the shipped weights it ended with these lines (exact match in percent, 200 items a set): general 99.0, math 23.5,
code 50.0, reasoning 47.5, safety 51.0; on the shifted sets 31.5, 4.5, 12.0, 14.5, 16.0.

*Reference:* definitions.md#tiny-lm-and-the-controlled-skills.
"""

import argparse
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from farsighted.core.rng import stream
from farsighted.core.values import Example
from farsighted.worlds.skills.suite import base_mixture, build_suite

PAD, BOS, EOS = "<|pad|>", "<|begin|>", "<|end|>"
PAD_ID, BOS_ID, EOS_ID = 256, 257, 258

STEPS = 9000
BATCH = 32
"""Examples per step."""
LEARNING_RATE = 2.5e-3
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.05
PROMPT_WEIGHT = 0.1
"""Weight of a prompt token's loss against a response token's: reading the questions teaches copying early."""
INIT_STD = 0.04

_log = logging.getLogger(__name__)


def tiny_path() -> Path:
    """Return the folder of the tiny base model: tokenizer, configuration and weights for `from_pretrained`."""
    return Path(str(files("farsighted") / "assets" / "tiny"))


TINY_PATH = tiny_path()
"""The folder of the tiny base model."""


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Return the byte-level tokenizer: one token a byte (256 of them), then pad, begin and end; 259 in all.

    Every text comes back unchanged from `decode(encode(text))`. Nothing is added, and the spelling of a special token
    inside a text is read as plain bytes.
    """
    letters = _byte_letters()
    core = Tokenizer(models.BPE(vocab={letter: byte for byte, letter in enumerate(letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, BOS, EOS])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="right",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
    )


def tiny_config() -> LlamaConfig:
    """Return the configuration of the tiny model: a Llama of four layers and about 0.5 million parameters."""
    return LlamaConfig(
        vocab_size=259,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        pad_token_id=PAD_ID,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
    )


def fresh_model(config: LlamaConfig, generator: torch.Generator) -> LlamaForCausalLM:
    """Return an untrained model whose weights come from `generator` alone; norms are ones, the rest is normal."""
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
                continue
            writes_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            std = INIT_STD / math.sqrt(2 * config.num_hidden_layers) if writes_residual else INIT_STD
            parameter.normal_(0.0, std, generator=generator)
    return model


class Batch(NamedTuple):
    """B examples padded on the right to L tokens."""

    ids_BL: torch.Tensor
    is_prompt_BL: torch.Tensor
    is_response_BL: torch.Tensor
    """Response and end token; a padded place is neither prompt nor response."""


def encode(examples: Sequence[Example]) -> Batch:
    """Return examples as bytes: prompt, line break unless the prompt ends in white space, response, end token."""
    prompts = [e.prompt if e.prompt[-1:].isspace() else f"{e.prompt}\n" for e in examples]
    rows = [
        ([*prompt.encode()], [*example.response.encode(), EOS_ID])
        for prompt, example in zip(prompts, examples, strict=True)
    ]
    width = max(len(prompt) + len(response) for prompt, response in rows)
    ids_BL = torch.full((len(rows), width), PAD_ID)
    part_BL = torch.zeros((len(rows), width), dtype=torch.int8)
    for row, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids_BL[row, :end] = torch.tensor(prompt + response)
        part_BL[row, : len(prompt)] = 1
        part_BL[row, len(prompt) : end] = 2
    return Batch(ids_BL, part_BL == 1, part_BL == 2)


def train(steps: int, seed: int) -> LlamaForCausalLM:
    """Return a model trained from nothing on `base_mixture`: AdamW, warm-up and cosine, right padding, fp32.

    The same steps and seed give the same weights on the same machine and number of threads.
    """
    model = fresh_model(tiny_config(), torch.Generator().manual_seed(int(stream(seed, "init").integers(2**31))))
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    model.train()
    for step, batch in enumerate(_batches(steps, stream(seed, "data"))):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * _schedule(step, steps)
        loss = _loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 500 == 0:
            _log.info("step %d of %d: loss %.3f", step, steps, loss.item())
    return model.eval()


@torch.no_grad()
def exact_match(model: LlamaForCausalLM, examples: Sequence[Example], batch_size: int = 64) -> float:
    """Return the share of examples, in [0, 1], of which every response token is the arg-max (end token included)."""
    hits = 0
    for start in range(0, len(examples), batch_size):
        batch = encode(examples[start : start + batch_size])
        best_BL = model(input_ids=batch.ids_BL).logits[:, :-1].argmax(-1)
        is_right_BL = (best_BL == batch.ids_BL[:, 1:]) | ~batch.is_response_BL[:, 1:]
        hits += int(is_right_BL.all(-1).sum())
    return hits / len(examples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the tiny model, write it to a folder, and log its exact match per skill."""
    parser = argparse.ArgumentParser(prog="python -m farsighted.worlds.tiny", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for tokenizer, configuration and weights")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    torch.set_num_threads(1)
    model = train(options.steps, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(options.out)
    byte_tokenizer().save_pretrained(options.out)
    for stage in build_suite(train=0, validation=200, ood=200, proxy=0, seed=options.seed).stages:
        shifted = stage.ood[f"{stage.name}_shifted"]
        scores = 100 * exact_match(model, stage.validation), 100 * exact_match(model, shifted)
        _log.info("%-10s exact match %5.1f %%, shifted %5.1f %%", stage.name, *scores)


def _byte_letters() -> list[str]:
    """Return the printable letter that byte-level tokenizers write for each byte, in order of bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    letter_of = {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(rest)}
    return [letter_of[byte] for byte in range(256)]


def _batches(steps: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield batches of examples of like length, in random order; each example is met once."""
    window = 32
    for start in range(0, steps, window):
        count = min(window, steps - start)
        examples = sorted(base_mixture(rng, count * BATCH), key=lambda e: len(e.prompt) + len(e.response))
        for place in rng.permutation(count):
            yield encode(examples[place * BATCH : (place + 1) * BATCH])


def _schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate: linear warm-up, then half a cosine down to 0."""
    return min((step + 1) / WARMUP_STEPS, 0.5 * (1 + math.cos(math.pi * step / steps)))


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Return the mean negative log-likelihood of a batch, prompt tokens weighted by `PROMPT_WEIGHT`."""
    logits_BLV = model(input_ids=batch.ids_BL).logits[:, :-1]
    nll_BL = functional.cross_entropy(logits_BLV.transpose(1, 2), batch.ids_BL[:, 1:], reduction="none")
    weight_BL = batch.is_response_BL[:, 1:] + PROMPT_WEIGHT * batch.is_prompt_BL[:, 1:]
    return (nll_BL * weight_BL).sum() / weight_BL.sum()


if __name__ == "__main__":
    main()
