"""Memory and time of the 8B recipe on this machine, with random weights: neither depends on what the weights say.

python -m examples.measure_8b --count                           # what the memory must hold, on any machine
python -m examples.measure_8b                                   # LoRA on the 8B shape, on one GPU
python -m examples.measure_8b --shape 1b --full                 # full fine-tuning of a smaller one, on one GPU
python -m examples.measure_8b --shape 100m --device cpu --dtype float32 --batch 4 --length 128    # on a CPU
python -m examples.measure_8b --save FOLDER                     # a random model of the shape, to try an audit on
"""

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.memory import peak_bytes
from benchmarks.models import random_texts
from benchmarks.timing import race
from farsighted.config.load import load_config
from farsighted.core.values import Tokens
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import model_folder

SHAPES = {
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32},
    "100m": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 16},
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 8},
}
VOCABULARY = {"8b": 128_256, "1b": 128_256, "100m": 16_384, "tiny": 512}
RANK = 16
GIB = 2**30
NLL = frozenset({"nll"})
GRADIENTS = frozenset({"grad_norm", "grad_sketch", "nll"})

_log = logging.getLogger("measure_8b")


def random_model(shape: str, dtype: torch.dtype, device: str) -> Any:
    """Return a model of a shape of Llama 3, weights as the library draws them; on "meta" it takes no memory."""
    config = LlamaConfig(
        **SHAPES[shape],
        num_key_value_heads=8,
        vocab_size=VOCABULARY[shape],
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        use_cache=False,
    )
    with torch.random.fork_rng(), torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")


def save(shape: str, dtype: torch.dtype, device: str, folder: Path) -> None:
    """Write a random model of a shape with the tokenizer of the shipped model, whose ids it has too."""
    random_model(shape, dtype, device).save_pretrained(folder)
    for file in model_folder("tiny").glob("tokenizer*"):
        shutil.copy(file, folder)


def counted(shape: str, full: bool, dtype: torch.dtype, micro_batch_tokens: int) -> dict[str, float]:
    """Return GiB by what takes them for the whole of a stage: weights, and what training adds to them."""
    lm = random_model(shape, dtype, "meta")
    weights = sum(parameter.numel() for parameter in lm.parameters())
    linear = [m for name, m in lm.named_modules() if isinstance(m, torch.nn.Linear) and name != "lm_head"]
    trained = weights - lm.lm_head.weight.numel() if full else sum(RANK * sum(m.weight.shape) for m in linear)
    # In float32: the gradient and Adam's two moments, and an adapter beside them; under full training the trained
    # weights are counted as weights.
    copies = 12 if full else 16
    borders = lm.config.num_hidden_layers * micro_batch_tokens * lm.config.hidden_size
    return {
        "weights": weights * dtype.itemsize / GIB,
        "trained parameters (millions)": trained / 1e6,
        "trained parameters with gradient and optimizer": trained * copies / GIB,
        "states at layer borders of one training pass": borders * dtype.itemsize / GIB,
    }


def plain_step(lm: Any, optimizer: Any, batch: Sequence[Tokens], micro_batch_tokens: int) -> None:
    """Take the step that any trainer takes: the library's loss, in parts that fit, and AdamW."""
    device = next(lm.parameters()).device
    rows = max(1, micro_batch_tokens // len(batch[0].ids))
    lm.train()
    optimizer.zero_grad()
    for start in range(0, len(batch), rows):
        part = batch[start : start + rows]
        ids = torch.tensor([tokens.ids for tokens in part], device=device)
        labels = ids.clone()
        labels[:, : part[0].prompt_length] = -100
        (lm(input_ids=ids, labels=labels).loss * len(part) / len(batch)).backward()
    torch.nn.utils.clip_grad_norm_([p for p in lm.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    lm.eval()


def passes(options: argparse.Namespace) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """Return what is measured, plain training first, and the examples that each takes."""
    rng, device, size = np.random.default_rng(0), options.device, options.micro_batch_tokens
    lm = random_model(options.shape, options.dtype, device)
    settings = LearnerSettings(
        OptimizerSettings(1e-4), size, 2 * size, kept_bytes=8192 * 2**20, gradient_checkpointing=True
    )
    learner = CausalLM(lm, "random", Full() if options.full else Lora(RANK, 2.0 * RANK), settings, 0)
    learner.begin_stage(1000)
    pool = random_texts([options.length] * options.batch * 4, VOCABULARY[options.shape], rng)
    batch = pool[: options.batch]
    optimizer = torch.optim.AdamW([p for p in lm.parameters() if p.requires_grad], lr=1e-4)

    def round_by_gradient() -> None:
        if learner.can_keep(pool, GRADIENTS):
            learner.step_kept(learner.signals_kept(pool, GRADIENTS).kept, np.arange(len(batch)))
        else:
            learner.signals(pool, GRADIENTS)
            learner.step(batch, rng)

    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "plain training": (lambda: plain_step(lm, optimizer, batch, size), len(batch)),
        "training, with sketches": (lambda: learner.step(batch, rng), len(batch)),
        "scoring by loss": (lambda: learner.signals(pool, NLL), len(pool)),
        "scoring by gradient": (lambda: learner.signals(pool, GRADIENTS), len(pool)),
        "a round by gradient: score all, train on a quarter": (round_by_gradient, len(pool)),
    }
    return {name: run for name, (run, _) in runs.items()}, {name: count for name, (_, count) in runs.items()}


def measured(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each kind of pass; they take turns, and ratios to plain training are taken within a round."""
    runs, count = passes(options)
    peaks = {name: peak_bytes(run, options.device) / GIB for name, run in runs.items()}
    seconds = race(runs, options.repeats, options.device)
    speed = {name: count[name] * options.length / seconds[name] for name in runs}
    return [
        {
            "pass": name,
            "seconds": float(np.median(seconds[name])),
            "tokens_per_second": float(np.median(speed[name])),
            "of_plain": float(np.median(speed[name] / speed["plain training"])),
            "peak_gib": peaks[name],
        }
        for name in runs
    ]


def cell_hours(rows: Sequence[dict[str, Any]], length: int) -> dict[str, float]:
    """Return hours of a cell of the preset by selector, were every candidate as long; no evaluations, no probes."""
    config = load_config("llama-8b-lora")
    candidates = sum(stage.max_train or 0 for stage in config.stages or ())
    speed = {row["pass"]: row["tokens_per_second"] for row in rows}
    tokens, share = candidates * length, config.budgets[0].amount
    training = tokens * share / speed["training, with sketches"]
    by_gradient = next(speed[name] for name in speed if name.startswith("a round by gradient"))
    seconds = {
        "random": training,
        "loss": tokens / speed["scoring by loss"] + training,
        "gradient": tokens / by_gradient,
    }
    return {name: found / 3600 for name, found in seconds.items()}


def report(found: dict[str, Any]) -> None:
    """Print what was counted and measured."""
    for name, value in found["count"].items():
        _log.info("%-48s %9.2f%s", name, value, "" if "millions" in name else " GiB")
    for row in found.get("passes", ()):
        told = (row["pass"], row["seconds"], row["tokens_per_second"], row["of_plain"], row["peak_gib"])
        _log.info("%-52s %8.3f s %10.1f tokens/s %6.2f of plain, peak +%.3f GiB", *told)
    for name, hours in found.get("cell_hours", {}).items():
        _log.info("a cell of %-10s %8.2f h, evaluations and probes aside", name, hours)


def main(arguments: list[str] | None = None) -> None:
    """Print tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="8b")
    parser.add_argument("--full", action="store_true", help="train all parameters but the head, in float32")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], help="of the weights; float32 under --full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=16, help="examples a step; four times as many are scored")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--micro-batch-tokens", type=int, default=16384)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", action="store_true", help="only count what the memory must hold")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="only write the model there, with a tokenizer")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    if options.full and options.dtype == "bfloat16":
        parser.error("full fine-tuning trains float32 weights; leave --dtype out")
    options.dtype = torch.float32 if options.full or options.dtype == "float32" else torch.bfloat16
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    if not options.count and options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --count needs none, and --device cpu --shape 100m runs anywhere")
    if options.save:
        save(options.shape, options.dtype, options.device, options.save)
        return
    found: dict[str, Any] = {"count": counted(options.shape, options.full, options.dtype, options.micro_batch_tokens)}
    if not options.count:
        found["passes"] = measured(options)
        if options.shape == "8b":
            found["cell_hours"] = cell_hours(found["passes"], options.length)
    report(found)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
