"""The quality of a stage's pool, from where the configuration says."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import DataError
from farsighted.core.values import Tokens
from farsighted.data.model_folder import model_folder
from farsighted.learners.base import Learner
from farsighted.protocol.inputs import StageInputs
from farsighted.signals.judge import Judge, judged
from farsighted.signals.quality import ifd_quality, rule_quality


def stage_quality(
    learner: Learner, config: AuditConfig, stage: StageInputs, nll_N: np.ndarray, kept: Path
) -> Mapping[str, np.ndarray]:
    """Return `quality` (N,), and under a judge what it read and wrote (`judge_tokens`, two numbers).

    Args:
        learner: The base model.
        config: Says where quality comes from.
        stage: Its pool is graded.
        nll_N: The base model's NLL of each response after its prompt.
        kept: Folder where a judge's answers are kept.

    Raises:
        DataError: `source: metadata` where an example has none.
        ModelError: The reward model or the judge does not work.
    """
    source = config.quality.source
    examples = [tokens.example for tokens in stage.pool.tokens]
    labels = [example.quality for example in examples]
    if source in {"auto", "metadata"} and all(label is not None for label in labels):
        return {"quality": np.array(labels, dtype=np.float64)}
    if source == "metadata":
        missing = next(example.id for example in examples if example.quality is None)
        raise DataError(
            f"`quality.source: metadata` needs a `quality` for every example, but '{missing}' has none. Add it, name "
            "its column under `data.columns`, or choose another source."
        )
    if source == "ifd":
        alone_N = learner.signals([_alone(tokens) for tokens in stage.pool.tokens], frozenset({"nll"}))["nll"]
        return {"quality": ifd_quality(nll_N, alone_N)}
    if source == "reward_model":
        # It needs torch, which reports start without.
        from farsighted.learners.reward import reward_scores

        folder = model_folder(str(config.quality.reward_model))
        scores_N = reward_scores(examples, folder, config.evaluation.batch_tokens)
        return {"quality": 1 / (1 + np.exp(-scores_N))}
    if source == "judge":
        grades = judged(examples, _judge(config), kept)
        return {"quality": grades.quality_N, "judge_tokens": np.array([grades.tokens_read, grades.tokens_written])}
    return {"quality": np.array([rule_quality(example) for example in examples])}


def judge_cost_note(config: AuditConfig, name: str, judge_tokens: np.ndarray) -> str:
    """Return a sentence about what a judge cost."""
    judge = config.quality.judge
    read, written = (int(count) for count in judge_tokens)
    dollars = (read * judge.dollars_per_million_read + written * judge.dollars_per_million_written) / 1e6
    return (
        f"'{name}': quality was judged by {judge.model}, which read {read:,} tokens and wrote {written:,}"
        f"{f', for ${dollars:.2f}' if dollars else ''}."
    )


def _alone(tokens: Tokens) -> Tokens:
    """The response without its prompt but for the token before it, which its first token needs."""
    start = tokens.prompt_length - 1
    return replace(tokens, ids=tokens.ids[start:], prompt_length=1)


def _judge(config: AuditConfig) -> Judge:
    judge = config.quality.judge
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
