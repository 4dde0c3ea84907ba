"""A good subset of files today: one stage, one selector, no training."""

import dataclasses
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch

from farsighted.candidates.assembled import cluster_numbers, known_rows, labelled, of_passes, stand_ins
from farsighted.candidates.frozen import FrozenModel, SentenceModel
from farsighted.candidates.grades import judge_cost_note, pool_quality
from farsighted.candidates.kept_signals import SignalCache
from farsighted.config.select import SelectConfig
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError, SelectorError
from farsighted.core.rng import stream
from farsighted.core.values import Budget, Pool, Signals, Tokens, labels_of
from farsighted.data.chosen import Selected, Target
from farsighted.data.cut import budget_sizes, cut, is_far_above, share_of
from farsighted.data.reading import Reading, reader_of
from farsighted.data.twins import count_shared
from farsighted.files.columns import refuse_unmet
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import MAPS_SEED
from farsighted.models.folder import model_folder, model_hash, sentence_model
from farsighted.models.limits import check_tokens, ids_of
from farsighted.models.loading import load_noted
from farsighted.models.sentence import SentenceEncoder
from farsighted.selectors import Selector, build_selector, rank_checked
from farsighted.signals.provided import once_signals
from farsighted.signals.registry import signal_named
from farsighted.signals.table import CONTEXT_NAMES, check_needs, readings_of
from farsighted.store.cache import ArrayCache
from farsighted.store.layout import RESULT_VERSION

_PROXY: Final = 64
"""Examples of the pool that stand in for a proxy set where none is given."""
_MEGABYTE: Final = 1_000_000
_DTYPE: Final = "float32"
_SETTINGS: Final = LearnerSettings(OptimizerSettings(learning_rate=1e-4))
"""Of a learner that takes no step: only the sizes of its passes count."""


class _Texts(NamedTuple):
    """What a selection looks at, as the model reads it."""

    pool: tuple[Tokens, ...]
    history: tuple[Tokens, ...]
    proxy: tuple[Tokens, ...]


class _Seen(NamedTuple):
    """What the selector is shown."""

    pool: Signals
    history: Signals | None
    notes: tuple[str, ...]


def select_from_files(options: SelectConfig, selector: Selector | None = None) -> Selected:
    """Rank the examples of files with one selector and cut at the budget.

    Args:
        options: What is asked for.
        selector: What ranks, where that has no name; None: the selector that `options` names.

    Raises:
        FarsightedError: With what is wrong, where, and what to do; what can be seen without the model, before it is
            loaded.
    """
    named = options.selector
    selector = selector or build_selector({"name": named.name, **named.parameters})
    needs = _without_training(check_needs(selector.needs))
    folder = model_folder(options.model)
    reader = reader_of(folder, options)
    data = reader.read(options.data, options.turns, options.dedup)
    pool = Pool(", ".join(options.data), data.tokens)
    target = _target(options.budget, pool, len(data.dropped))
    history, proxy = reader.read(options.history, options.turns), reader.read(options.proxy, "last")
    readings = (data, history, proxy)
    refuse_unmet(options.names, frozenset[str]().union(*(found.examples.names for found in readings)))
    check_tokens(folder, None, (("the data", ids_of(found.tokens)) for found in readings))
    model, made = _frozen_model(folder, options, pool.tokens[:8])
    seen = _seen(model, options, _Texts(data.tokens, history.tokens, proxy.tokens), needs)
    state = selector.init()
    if seen.history is not None:
        state = selector.observe(state, seen.history)
    # The whole order, not only what the budget takes: every row gets a rank, and a reason for it.
    ranking = rank_checked(selector, seen.pool, state, stream(options.seed, "selector"))
    sizes_N = budget_sizes(pool, options.budget.unit)
    chosen = cut(ranking.order, sizes_N, 0.0, target.amount)
    told = dict.fromkeys(note for found in readings for note in found.notes)
    notes = (*told, *_shared_note(data, history), *made, *seen.notes)
    return Selected(
        pool=pool,
        ranking=ranking,
        chosen=chosen,
        files=data.files,
        examples=data.examples,
        columns=options.names,
        notes=(*notes, *_overshoot_note(target, pool, chosen)),
        bad_rows=tuple(row for found in readings for row in found.examples.bad_rows),
        dropped=data.dropped,
        target=target,
        inputs=options.inputs,
    )


def _target(budget: Budget, pool: Pool, dropped: int) -> Target:
    """Return what a budget allows of the pool; raises `ConfigError` where that is more than there is."""
    try:
        share = share_of(budget, pool)
    except ConfigError as error:
        if not dropped:
            raise
        raise ConfigError(f"{error} {dropped:,} repeats were left out of it; `--dedup none` keeps them.") from None
    return Target(share * float(budget_sizes(pool, budget.unit).sum()), budget.unit)


def _shared_note(data: Reading, history: Reading) -> tuple[str, ...]:
    """Examples that the model has seen stay candidates: to look back is the selector's part."""
    shared = count_shared(data.examples.examples, history.examples.examples)
    return (f"{shared:,} of {len(data.tokens):,} examples also stand in the history; they stay.",) if shared else ()


def _overshoot_note(target: Target, pool: Pool, chosen: np.ndarray) -> tuple[str, ...]:
    lengths_M = pool.response_lengths[chosen]
    taken = int(lengths_M.sum())
    if target.unit == "examples" or not is_far_above(taken, target.amount, pool.response_tokens / len(pool)):
        return ()
    return (
        f"The budget is {target} response tokens, but {taken:,} were taken: examples are taken whole, and the last one "
        f"has {lengths_M[-1]:,}.",
    )


def _without_training(needs: frozenset[str]) -> frozenset[str]:
    """Return the needs; raises `SelectorError` for a signal that takes a training run."""
    trained = next((name for name in sorted(needs) if signal_named(name).cost == "warm_up"), None)
    if trained is not None:
        raise SelectorError(
            f"A selection without training must do without a warm-up run, but the selector needs '{trained}', which "
            "comes from one. Take another selector, or compare it in an audit."
        )
    return needs


def _frozen_model(folder: Path, options: SelectConfig, sample: Sequence[Tokens]) -> tuple[FrozenModel, tuple[str, ...]]:
    """Load the model with the adapter that an audit would train first: gradients are by its parameters.

    Also returned is what is to be said of how the model is made.

    A model whose signals are wrong on a sample of the texts is refused with a `ModelError`.
    """
    adaptation, loaded = Lora(), load_noted(folder, _DTYPE)
    device = str(next(loaded.model.parameters()).device)
    learner = CausalLM(loaded.model, model_hash(folder), adaptation, _SETTINGS, options.seed)
    learner.self_test(sample)
    notes = (*loaded.notes, *learner.notes)
    kept = SignalCache(
        ArrayCache(options.kept_in, options.cache_megabytes * _MEGABYTE),
        [_program(), device, learner.model_hash, _DTYPE, MAPS_SEED],
        [fingerprint.of_arrays(learner.parameters()), dataclasses.asdict(adaptation)],
        _SETTINGS.batch_tokens,
    )
    if options.embedding is None:
        return FrozenModel(learner, kept), notes
    where, content = sentence_model(options.embedding)
    sentences = SentenceModel(SentenceEncoder(where), fingerprint.of_json([content, _program()]))
    return FrozenModel(learner, kept, sentences), notes


def _program() -> list[object]:
    """What decides the last bits of a pass beside the model: a user's cache outlives programs and machines."""
    versions = [importlib.metadata.version(name) for name in ("farsighted", "torch", "transformers", "peft")]
    processor = [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    return [RESULT_VERSION, *versions, *processor]


def _seen(model: FrozenModel, options: SelectConfig, texts: _Texts, needs: frozenset[str]) -> _Seen:
    """Return the signals of the pool and of the history, with one set of clusters for both."""
    seen = (*texts.pool, *texts.history)
    rows = _rows(model, options, texts, needs)
    notes = [f"{clause[0].upper()}{clause[1:]}" for clause in stand_ins(seen, options.quality, needs)]
    judge_tokens = rows.pop("judge_tokens", None)
    if judge_tokens is not None:
        notes.append(judge_cost_note(options.quality.judge, "The data", judge_tokens))
    clusters = int(rows["cluster"].max()) + 1 if "cluster" in rows else 1
    context = {"cluster_count": np.array(clusters), "vocabulary_size": np.array(model.learner.vocabulary_size)}
    if "proxy_sketch" in needs:
        proxy = texts.proxy
        if not proxy:
            proxy = _stand_in_for_proxy(texts.pool, options.seed)
            notes.append(f"No --proxy was given: {len(proxy)} random examples of the data stand in for it.")
        sketch_NK = model.signals(proxy, frozenset({"head_sketch"})).rows["head_sketch"]
        context["proxy_sketch"] = sketch_NK.mean(axis=0)
    whole = Signals(tuple(item.example.id for item in seen), rows, context)
    ahead = whole.take(np.arange(len(texts.pool)))
    return _Seen(ahead, whole.take(np.arange(len(ahead), len(whole))) if texts.history else None, tuple(notes))


def _stand_in_for_proxy(pool: Sequence[Tokens], seed: int) -> tuple[Tokens, ...]:
    return tuple(pool[row] for row in stream(seed, "data").permutation(len(pool))[:_PROXY])


def _rows(model: FrozenModel, options: SelectConfig, texts: _Texts, needs: frozenset[str]) -> dict[str, np.ndarray]:
    """Return what is needed of pool and history, one row each, and `judge_tokens` where a judge was asked."""
    both = Pool("data and history", (*texts.pool, *texts.history))
    # What is read of a model that never changes is read of this one, which nobody trains.
    once = frozenset(name for name in needs if signal_named(name).is_once)
    passes = of_passes(needs) | readings_of(once) | _stand_in_passes(both.tokens, options, needs)
    # Apart, so that the pool's signals serve whatever history it is seen with.
    scored = [model.signals(part, passes).rows for part in (texts.pool, texts.history) if part]
    measured = {name: np.concatenate([rows[name] for rows in scored]) for name in passes}
    measured["size"] = budget_sizes(both, options.budget.unit)
    measured["origin"] = np.zeros(len(both), dtype=np.int32)
    measured |= once_signals(once, [item.example for item in both.tokens], measured) if once else {}
    if "quality" in needs:
        nll_N, judged = measured.get("nll"), options.kept_in / "judge"
        measured |= pool_quality(model.learner, options.quality, both.tokens, nll_N, judged, _SETTINGS.batch_tokens)
    if "cluster" in needs:
        labels, rng = labels_of(both.tokens, "cluster"), stream(options.seed, "eval")
        measured["cluster"] = cluster_numbers(labels, lambda: measured["embedding"], "auto", options.k, rng)
    return known_rows(both, measured, needs - CONTEXT_NAMES | measured.keys() & {"judge_tokens"})


def _stand_in_passes(texts: Sequence[Tokens], options: SelectConfig, needs: frozenset[str]) -> frozenset[str]:
    """Return what the model must say of texts for want of labels."""
    found = set(needs & {"embedding"})
    if "cluster" in needs and not labelled(texts, "cluster"):
        found.add("embedding")
    if "difficulty" in needs and not labelled(texts, "difficulty"):
        found.add("nll")
    if "quality" in needs and options.quality.source == "ifd":
        found.add("nll")
    return frozenset(found)
