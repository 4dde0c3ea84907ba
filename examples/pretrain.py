"""Pre-train a small language model, tokenizer included, on the training files of some folders.

    python examples/pretrain.py PATH_OF_THE_DATA runs/small

The data folder holds one folder a stage with `*.train.jsonl.gz` files; every stage has the same weight in the mixture.
The same arguments give the same weights on the same machine and number of threads.
"""

import argparse
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import LlamaConfig, PreTrainedTokenizerFast

from farsighted.core.rng import stream
from farsighted.core.values import Example
from farsighted.data.templates import prompt_text
from farsighted.files.formats import read_examples
from farsighted.files.readers import find_files
from farsighted.worlds.tiny import fresh_model

STAGES = (
    *("general", "math", "code", "reasoning", "safety"),
    *("general_qa", "biomedical", "legal", "finance", "science"),
)
END, PAD = "<|end|>", "<|pad|>"
BLOCK = 256
"""Tokens of a training sequence; examples are put one after the other and cut where a sequence is full."""
BATCH = 16
WARMUP_STEPS = 100

_log = logging.getLogger("pretrain")


def read_mixture(data_root: Path, stages: tuple[str, ...]) -> dict[str, tuple[Example, ...]]:
    """Return the training examples of each stage."""
    return {stage: read_examples(find_files(f"{stage}/*.train.jsonl.gz", data_root)).examples for stage in stages}


def train_tokenizer(mixture: Mapping[str, tuple[Example, ...]], size: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer of `size` tokens, trained on at most 3,000 examples of each stage."""
    tokenizer = Tokenizer(models.BPE())
    # Single digits: numbers are many, and a small model learns none of them whole.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    thinned = (examples[:: max(1, len(examples) // 3000)] for examples in mixture.values())
    tokenizer.train_from_iterator((_text(example) for example in chain.from_iterable(thinned)), trainer)
    return tokenizer


def small_config(vocabulary: int, hidden: int, layers: int) -> LlamaConfig:
    """Return the architecture: Llama with heads of 32, tied embeddings and 1,024 positions."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=8 * hidden // 3,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )


def blocks(ids: Mapping[str, list[list[int]]], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield (BATCH, BLOCK + 1) token ids without end; stages take turns, each in a new order every epoch."""
    streams = [_shuffled(examples, rng) for examples in ids.values()]
    buffer: list[int] = []
    need = BATCH * (BLOCK + 1)
    while True:
        while len(buffer) < need:
            for examples in streams:
                buffer.extend(next(examples))
        yield np.array(buffer[:need]).reshape(BATCH, BLOCK + 1)
        buffer = buffer[need:]


def _shuffled(examples: list[list[int]], rng: np.random.Generator) -> Iterator[list[int]]:
    while True:
        for row in rng.permutation(len(examples)):
            yield examples[row]


def _text(example: Example) -> str:
    return prompt_text(example.prompt) + example.response


def main(arguments: list[str] | None = None) -> None:
    """Train tokenizer and model, and write both to a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stages", nargs="+", default=list(STAGES))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    torch.set_num_threads(options.threads)
    mixture = read_mixture(options.data_root, tuple(options.stages))
    tokenizer = train_tokenizer(mixture, options.vocabulary)
    end = tokenizer.token_to_id(END)
    ids = {
        stage: [[*found.ids, end] for found in tokenizer.encode_batch([_text(example) for example in examples])]
        for stage, examples in mixture.items()
    }
    config = small_config(tokenizer.get_vocab_size(), options.hidden, options.layers)
    model = fresh_model(config, torch.Generator().manual_seed(int(stream(options.seed, "init").integers(2**31))))
    _log.info(
        "%d parameters; %d examples, %d tokens",
        sum(parameter.numel() for parameter in model.parameters()),
        sum(len(examples) for examples in ids.values()),
        sum(len(tokens) for examples in ids.values() for tokens in examples),
    )
    optimizer = torch.optim.AdamW(model.parameters(), options.learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    model.train()
    batches = blocks(ids, stream(options.seed, "data"))
    for step in range(options.steps):
        warm = min((step + 1) / WARMUP_STEPS, 1.0)
        rate = options.learning_rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = torch.from_numpy(next(batches))
        logits = model(input_ids=batch[:, :-1]).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == options.steps - 1:
            _log.info("step %d of %d: loss %.3f", step, options.steps, loss.item())
    model.eval().save_pretrained(options.out)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD).save_pretrained(options.out)


if __name__ == "__main__":
    main()
