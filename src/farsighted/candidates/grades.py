"""The quality of examples, from where the configuration says."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from farsighted.candidates.judge import Judge, judged
from farsighted.candidates.rewards import kept_rewards
from farsighted.config.quality_source import JudgeConfig, QualityConfig
from farsighted.core.errors import DataError
from farsighted.core.values import Tokens, labels_of
from farsighted.learners.base import Learner
from farsighted.models.folder import model_folder
from farsighted.signals.heuristics import ifd_quality, rule_quality


def pool_quality(
    learner: Learner,
    settings: QualityConfig,
    texts: Sequence[Tokens],
    nll_N: np.ndarray | None,
    kept: Path,
    batch_tokens: int,
) -> Mapping[str, np.ndarray]:
    """Return `quality` (N,), and under a judge what it read and wrote (`judge_tokens`, two numbers).

    Args:
        learner: The base model.
        settings: Say where quality comes from.
        texts: N examples.
        nll_N: (N,) the base model's NLL of each response after its prompt; only `ifd` needs it.
        kept: Folder where a judge's answers and a reward model's scores are kept.
        batch_tokens: Padded tokens of a batch of the reward model.

    Raises:
        DataError: `source: metadata` where an example has none.
        ModelError: The reward model or the judge does not work.
    """
    source = settings.source
    labels = labels_of(texts, "quality")
    if source in {"auto", "metadata"} and all(label is not None for label in labels):
        return {"quality": np.array(labels, dtype=np.float64)}
    if source == "metadata":
        missing = texts[labels.index(None)].example.id
        raise DataError(
            f"`quality.source: metadata` needs a `quality` for every example, but '{missing}' has none. Add it, name "
            "its column under `data.columns`, or choose another source."
        )
    if source == "ifd":
        if nll_N is None:
            raise ValueError("IFD compares with the NLL after the prompt. Give `nll_N`.")
        alone_N = learner.signals([_alone(tokens) for tokens in texts], frozenset({"nll"}))["nll"]
        return {"quality": ifd_quality(nll_N, alone_N)}
    if source == "reward_model":
        scores_N = kept_rewards(
            [tokens.example for tokens in texts], model_folder(str(settings.reward_model)), batch_tokens, kept
        )
        return {"quality": expit(scores_N)}
    if source == "judge":
        grades = judged([tokens.example for tokens in texts], _judge(settings.judge), kept)
        return {"quality": grades.quality_N, "judge_tokens": np.array([grades.tokens_read, grades.tokens_written])}
    return {"quality": np.array([rule_quality(tokens.example) for tokens in texts])}


def judge_cost_note(judge: JudgeConfig, what: str, judge_tokens: np.ndarray) -> str:
    """Return a sentence about what a judge of `what` cost."""
    read, written = (int(count) for count in judge_tokens)
    dollars = (read * judge.dollars_per_million_read + written * judge.dollars_per_million_written) / 1e6
    return (
        f"{what}: quality was judged by {judge.model}, which read {read:,} tokens and wrote {written:,}"
        f"{f', for ${dollars:.2f}' if dollars else ''}."
    )


def _alone(tokens: Tokens) -> Tokens:
    """The response without its prompt but for the token before it, which its first token needs."""
    start = tokens.prompt_length - 1
    return replace(tokens, ids=tokens.ids[start:], prompt_length=1)


def _judge(judge: JudgeConfig) -> Judge:
    return Judge(
        judge.url,
        judge.model,
        judge.question,
        judge.lowest,
        judge.highest,
        judge.requests_per_minute,
        judge.retries,
        judge.timeout_seconds,
        os.environ.get(judge.key_variable),
    )
