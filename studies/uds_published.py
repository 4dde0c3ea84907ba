"""How often utility_diversity picks what the published UDS picks, on the same batches of the same model.

Needs a clone of the authors' repository; nothing of it is kept here:

    python studies/uds_published.py PATH/UDSamplingTrainer.py [--model tiny] [--batches 200] [--size 4] [--keep 1]

Their trainer's own selection step is run beside ours, batch after batch, each with a memory of its own; no step is
taken, so both see one model. Batches are made as in their script: examples of similar length together, padded on the
left, with id 0, to a multiple of 8. Printed is the mean share of common picks with theirs (seed 0) of: theirs under
other seeds of its random projection, the preset `near_published`, and the default. Our random maps are fixed.
"""

import argparse
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from farsighted.core.values import Signals, Tokens
from farsighted.data.templates import encode_pool
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import context_of, model_folder, model_hash
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from farsighted.selectors import build_selector
from farsighted.worlds.skills.suite import build_suite

_ALPHA = 1.5e-3
"""Of their script."""
_LONGEST = 512
"""Positions that their sketch is drawn for."""
_RUN = 50
"""Batches that are drawn together and sorted by length, as their trainer's sampler does."""

Batch = Sequence[Tokens]
Pick = Callable[[Batch], set[int]]


def main(reference: Path, model: str, batches: int, size: int, keep: int) -> None:
    """Print the agreement of each variant with the published one."""
    folder = model_folder(model)
    drawn = _batches(folder, batches, size)
    lm = load_model(folder, "float32").to("cpu").eval()
    first = _all(_theirs(reference, lm, keep, 0), drawn)
    learner = CausalLM(lm, model_hash(folder), Lora(), LearnerSettings(OptimizerSettings(1e-4)), 0)
    rows: dict[str, Pick] = {f"theirs, seed {seed}": _theirs(reference, lm, keep, seed) for seed in (1, 2, 3)}
    rows["near_published"] = _ours(learner, {"preset": "near_published"}, keep)
    rows["default"] = _ours(learner, {}, keep)
    for name, pick in rows.items():
        shares = [len(a & b) / keep for a, b in zip(first, _all(pick, drawn), strict=True)]
        error = np.std(shares) / np.sqrt(len(shares))
        print(f"{name}: {np.mean(shares):.3f} (standard error {error:.3f}) over {len(shares)} batches of {size}")


def _all(pick: Pick, batches: Sequence[Batch]) -> list[set[int]]:
    return [pick(batch) for batch in batches]


def _batches(folder: Path, count: int, size: int) -> list[Batch]:
    stages = build_suite(train=count * size // 5 + 1, validation=0, ood=0, proxy=0, seed=0).stages
    pool = encode_pool([one for stage in stages for one in stage.train], load_tokenizer(folder), context_of(folder))
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(pool.tokens))[: count * size]
    lengths = np.array([len(tokens.ids) for tokens in pool.tokens])
    runs = [run[np.argsort(-lengths[run], kind="stable")] for run in np.array_split(drawn, -(-count // _RUN))]
    batches = np.concatenate(runs).reshape(count, size)
    return [[pool.tokens[row] for row in batches[place]] for place in rng.permutation(count)]


def _ours(learner: CausalLM, parameters: Mapping[str, object], keep: int) -> Pick:
    selector = build_selector({"name": "utility_diversity", **parameters})
    states = [selector.init()]
    context = {"vocabulary_size": np.array(learner.vocabulary_size)}

    def pick(batch: Batch) -> set[int]:
        signals = Signals(tuple(map(str, range(len(batch)))), learner.signals(batch, selector.needs), context)
        order = selector.rank(signals, states[-1], np.random.default_rng(0)).order[:keep]
        states.append(selector.observe(states.pop(), signals.take(order)))
        return set(order.tolist())

    return pick


def _theirs(reference: Path, lm: Any, keep: int, seed: int) -> Pick:
    """Return their selection step, without the trainer around it."""
    spec = importlib.util.spec_from_file_location("published_uds", reference)
    if spec is None or spec.loader is None:
        raise SystemExit(f"'{reference}' must be the file UDSamplingTrainer.py of the authors' repository.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    step = object.__new__(module.UDSamplingTrainer)
    step.alpha, step.K_base, step.queue_size, step.max_seq_len = _ALPHA, keep, 1024, _LONGEST
    step.repr_queue, step.queue_ptr, step.queue_count, step.history_count = None, 0, 0, 0
    step.output_file = "/dev/null"
    step.args, step.accelerator = SimpleNamespace(past_index=-1), SimpleNamespace(unwrap_model=lambda model: model)
    with torch.random.fork_rng():
        # Their projection draws from the global stream.
        torch.random.manual_seed(seed)
        step.projector = module.FastJLProjector(_LONGEST, lm.config.vocab_size, 8, 128, device="cpu")

    def pick(batch: Batch) -> set[int]:
        length = -(-max(len(tokens.ids) for tokens in batch) // 8) * 8
        ids = torch.zeros((len(batch), length), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, length - len(tokens.ids) :] = torch.tensor(tokens.ids)
            mask[row, length - len(tokens.ids) :] = 1
        found: Any = step.compute_top_index(lm, {"input_ids": ids, "attention_mask": mask}, debug=False)
        return set(found.tolist())

    return pick


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--size", type=int, default=4)
    parser.add_argument("--keep", type=int, default=1)
    main(**vars(parser.parse_args()))
