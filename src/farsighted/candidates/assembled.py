"""What is known of candidates before any training, put together in one way for an audit and for a selection.

What an example carries goes before what stands in for it: rule filters for its quality, the rank of the base model's
NLL for its difficulty, k-means over embeddings for its cluster.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from farsighted.config.quality_source import QualityConfig
from farsighted.core.values import Label, Pool, Tokens, labels_of
from farsighted.sets.clusters import spherical_kmeans
from farsighted.signals.heuristics import difficulty_from_nll
from farsighted.signals.registry import signal_named


def of_passes(names: Collection[str]) -> frozenset[str]:
    """Return the signals of a candidate that a pass of the current model gives; the others are known of the pool."""
    rows = [signal_named(name) for name in names]
    return frozenset(row.name for row in rows if row.cost in {"forward", "backward"} and not row.is_context)


def labelled(texts: Sequence[Tokens], label: Label) -> bool:
    """Return whether every example carries a label."""
    return None not in labels_of(texts, label)


def known_rows(pool: Pool, measured: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
    """Return signals that no training changes, one row a candidate.

    Args:
        pool: N candidates.
        measured: What was found at a cost: embedding, cluster, quality, and what else `names` has; `nll`, under the
            base model, where `difficulty` is asked for and some example lacks it.
        names: Signals wanted; `tokens` and `difficulty` are made here.
    """
    made: dict[str, Callable[[], np.ndarray]] = {
        "tokens": lambda: pool.response_lengths.astype(np.int32),
        "difficulty": lambda: difficulties(pool.tokens, lambda: measured["nll"]),
    }
    return {name: made[name]() if name in made else measured[name] for name in names}


def difficulties(texts: Sequence[Tokens], nll: Callable[[], np.ndarray]) -> np.ndarray:
    """Return (N,) difficulties, float64: the labels where every example has one, else the rank of the NLL in [0, 1].

    `nll` gives (N,) under the base model; it is called only where labels are missing.
    """
    if labelled(texts, "difficulty"):
        return np.array(labels_of(texts, "difficulty"), dtype=np.float64)
    return difficulty_from_nll(nll())


def cluster_numbers(
    labels: Sequence[str | float | None],
    embedding: Callable[[], np.ndarray],
    source: Literal["auto", "metadata", "kmeans"],
    k: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (N,) int32 cluster numbers from 0: labels numbered in order of their names, or k-means.

    Args:
        labels: N clusters that examples name; None: one names none.
        embedding: Gives (N, D); called only where k-means is.
        source: Where clusters come from; auto = labels where every example has one, else k-means.
        k: The most clusters of k-means.
        rng: Where k-means starts.
    """
    if source == "metadata" or (source == "auto" and None not in labels):
        names = [str(label) if label else "(none)" for label in labels]
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        return np.array([numbers[name] for name in names], dtype=np.int32)
    return spherical_kmeans(embedding(), k, rng).labels_N.astype(np.int32)


def quality_choice(quality: QualityConfig) -> tuple[str, ...]:
    """Return a clause about where quality comes from, where a user chose something else than labels and a judge."""
    chosen = {
        "ifd": "quality is how much the prompt helps the base model to expect the response (IFD).",
        "reward_model": f"quality comes from the reward model {quality.reward_model}.",
        "rules": "quality comes from rule filters.",
    }
    return (chosen[quality.source],) if quality.source in chosen else ()


def stand_ins(texts: Sequence[Tokens], quality: QualityConfig, names: Collection[str]) -> tuple[str, ...]:
    """Return a clause for quality and for difficulty, where it is in `names` and labels are missing."""
    found = []
    if "quality" in names and quality.source == "auto" and not labelled(texts, "quality"):
        found.append("quality comes from rule filters, because not every example carries it.")
    if "difficulty" in names and not labelled(texts, "difficulty"):
        found.append("difficulty is the rank of the base model's NLL: not every example carries it.")
    return tuple(found)
