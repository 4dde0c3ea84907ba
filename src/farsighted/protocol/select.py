"""One stage, one selector, no training: a good subset of a file today."""

import dataclasses
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.stats import rankdata

from farsighted.candidates.embeddings import sentence_embeddings
from farsighted.candidates.grades import judge_cost_note, pool_quality
from farsighted.candidates.kept_signals import SignalCache
from farsighted.config.quality_source import QualityConfig
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError
from farsighted.core.rng import stream
from farsighted.core.values import Budget, Example, Pool, Ranking, Signals, Tokens
from farsighted.data.cut import budget_sizes, cut, share_of
from farsighted.data.templates import OnLong, encode_pool
from farsighted.data.turns import in_turns
from farsighted.files.columns import Columns, refuse_unmet
from farsighted.files.formats import Examples, read_examples
from farsighted.files.readers import find_files
from farsighted.files.rows import BadRow
from farsighted.files.sampling import BottomSample
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import MAPS_SEED
from farsighted.models.folder import context_of, model_folder, model_hash, sentence_model
from farsighted.models.loading import load_model
from farsighted.models.sentence import SentenceEncoder
from farsighted.models.tokenizer import load_tokenizer, with_chat
from farsighted.selectors import Selector, rank_checked
from farsighted.sets.clusters import assign, spherical_kmeans
from farsighted.signals.heuristics import difficulty_from_nll
from farsighted.signals.table import CONTEXT_NAMES, check_needs
from farsighted.store.cache import ArrayCache
from farsighted.store.layout import RESULT_VERSION

_PROXY = 64
"""Examples of the pool that stand in for a proxy set where none is given."""
_KNOWN = frozenset({"embedding", "cluster", "quality", "difficulty", "tokens", "size", "origin"})


@dataclass(frozen=True)
class PickRequest:
    """What to select from what, and with what."""

    data: Sequence[str]
    selector: Selector
    budget: Budget
    model: str = "tiny"
    seed: int = 0
    on_long: OnLong = "error"
    on_bad_row: Literal["error", "skip"] = "error"
    max_bad_share: float = 0.01
    """Share of a reading's rows that may be set aside."""
    columns: Columns = field(default_factory=dict)
    """Our field to the name that the files have for it."""
    template: Literal["plain", "chat"] = "plain"
    """How an example is written: prompt, line break, response; or by the tokenizer's chat template."""
    turns: Literal["last", "each"] = "last"
    """Which turns of the assistant are examples of data and history: the last, or each."""
    history: Sequence[str] = ()
    """Files of what the model was trained on before, in order: H_t of selectors that look back."""
    proxy: Sequence[str] = ()
    """Files of the capabilities to keep: P_t of selectors that look ahead."""
    clusters: int = 8
    embedding: str | None = None
    """Folder or hub name of a sentence-transformers model; None: the model's own states."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """Where quality comes from."""
    judge_folder: Path = Path("judge")
    """Where the answers of a judge are kept."""
    max_examples: int | None = None
    """The most examples that are kept of any reading: a uniform sample; None: all."""
    cache: ArrayCache | None = None
    """Where the model's signals of every example are kept and looked for; None: nowhere."""


@dataclass(frozen=True)
class Picked:
    """What was selected, and why."""

    pool: Pool
    places: Mapping[str, str]
    """Example id to "file:line"; several turns of a conversation have one place."""
    ranking: Ranking
    chosen: np.ndarray
    """(M,) pool rows, best first."""
    reasons: tuple[str, ...]
    """One sentence for each pool row."""
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...] = ()
    """Rows that were set aside, of any of the files."""
    cut: frozenset[str] = frozenset()
    """Ids of examples that are not the last turn of their conversation."""


def pick(request: PickRequest) -> Picked:
    """Rank the examples of files with one selector and cut at the budget; raises `FarsightedError`."""
    folder = model_folder(request.model)
    reader = _Reader(folder, request)
    examples, tokens = reader.read(request.data, request.turns)
    pool = Pool(", ".join(request.data), tokens)
    share = share_of(request.budget, pool)
    _, history = reader.read(request.history, request.turns) if request.history else (None, ())
    _, proxy = reader.read(request.proxy, "last") if request.proxy else (None, ())
    refuse_unmet(request.columns, reader.names)
    scorer = _Scorer(folder, request)
    scorer.learner.self_test(tokens[:8])
    signals, past = _signals(request, scorer, (tokens, history, proxy), reader.notes)
    selector = request.selector
    state = selector.init()
    if past is not None:
        state = selector.observe(state, past)
    # The whole order, not only what the budget takes: every row gets a rank, and a reason for it.
    ranking = rank_checked(selector, signals, state, stream(request.seed, "selector"))
    sizes = budget_sizes(pool, request.budget.unit)
    chosen = cut(ranking.order, sizes, 0.0, share * float(sizes.sum()))
    return Picked(
        pool=pool,
        places=examples.places,
        ranking=ranking,
        chosen=chosen,
        reasons=reasons_of(ranking),
        notes=tuple(reader.notes),
        bad_rows=tuple(reader.bad_rows),
        cut=examples.cut,
    )


def reasons_of(ranking: Ranking) -> tuple[str, ...]:
    """Return a sentence for each candidate: its score, and where each part of it lies among all candidates."""
    parts = ranking.components or {"score": ranking.score}
    percent = {name: _percentiles(values) for name, values in parts.items()}
    rank = np.empty(len(ranking.order), dtype=np.intp)
    rank[ranking.order] = np.arange(len(ranking.order))
    sentences = []
    for row in range(len(rank)):
        told = [f"{name} {parts[name][row]:.4g} (above {percent[name][row]:.0f} % of the pool)" for name in parts]
        sentences.append(f"rank {rank[row] + 1} of {len(rank)}: {', '.join(told)}")
    return tuple(sentences)


class _Reader:
    """Reads and encodes files for one model; keeps a note of what was left out."""

    def __init__(self, folder: Path, request: PickRequest) -> None:
        tokenizer = load_tokenizer(folder)
        self._tokenizer = with_chat(tokenizer, folder) if request.template == "chat" else tokenizer
        self._context = context_of(folder)
        self._request = request
        self.notes: list[str] = []
        self.bad_rows: list[BadRow] = []
        self.names: set[str] = set()
        """Names of fields in all rows read, where columns are declared."""

    def read(self, paths: Sequence[str], turns: Literal["last", "each"]) -> tuple[Examples, tuple[Tokens, ...]]:
        request = self._request
        sample = None if request.max_examples is None else BottomSample(request.max_examples, request.seed)
        files = find_files(paths, Path.cwd())
        found = read_examples(files, request.on_bad_row, request.max_bad_share, request.columns, sample)
        self.names |= found.names
        if sample is not None and sample.seen > len(found.examples):
            self.notes.append(f"{len(found.examples):,} of {sample.seen:,} examples were kept: a uniform sample.")
        self.bad_rows.extend(found.bad_rows)
        found = in_turns(found) if turns == "each" else found
        encoded = encode_pool(found.examples, self._tokenizer, self._context, request.on_long)
        if encoded.skipped:
            self.notes.append(f"{len(encoded.skipped)} examples do not fit into {self._context} tokens: left out.")
        if not encoded.tokens:
            raise ConfigError(f"No example of {', '.join(paths)} fits into {self._context} tokens. Take shorter ones.")
        return found, encoded.tokens


class _Scorer:
    """The frozen model, and its signals of texts, each computed once for all commands that share a cache."""

    def __init__(self, folder: Path, request: PickRequest) -> None:
        adaptation, settings = Lora(), LearnerSettings(OptimizerSettings(learning_rate=1e-4))
        self.batch_tokens = settings.batch_tokens
        lm: Any = load_model(folder, "float32")
        device = str(next(lm.parameters()).device)
        self._sentence = sentence_model(request.embedding) if request.embedding else None
        self.learner = CausalLM(lm, model_hash(folder), adaptation, settings, request.seed)
        self._entries = request.cache or ArrayCache(Path(), limit_bytes=0)
        self._signals = SignalCache(
            self._entries,
            [_program(), device, self.learner.model_hash, "float32", MAPS_SEED],
            [fingerprint.of_arrays(self.learner.parameters()), dataclasses.asdict(adaptation)],
            settings.batch_tokens,
        )

    def rows(self, texts: Sequence[Tokens], names: frozenset[str]) -> dict[str, np.ndarray]:
        """Return signals of texts, one row each."""
        by_model = names if self._sentence is None else names - {"embedding"}
        found = dict(self._signals.get(self.learner, texts, by_model).rows) if by_model else {}
        if self._sentence is not None and "embedding" in names:
            folder, content = self._sentence
            key = fingerprint.of_json([content, _program()])
            found["embedding"] = sentence_embeddings(SentenceEncoder(folder), key, texts, self._entries).embedding_ND
        return found


def _program() -> list[Any]:
    """What decides the last bits of a pass beside the model: a user's cache outlives programs and machines."""
    versions = [importlib.metadata.version(name) for name in ("farsighted", "torch", "transformers", "peft")]
    processor = [platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    return [RESULT_VERSION, *versions, *processor]


Texts = tuple[tuple[Tokens, ...], tuple[Tokens, ...], tuple[Tokens, ...]]


def _signals(request: PickRequest, scorer: _Scorer, texts: Texts, notes: list[str]) -> tuple[Signals, Signals | None]:
    """Return the signals of the pool and of the history, with one set of clusters for both."""
    pool, history, proxy = texts
    needs = check_needs(request.selector.needs)
    rows = _rows(scorer, (pool, history), needs, request)
    notes.extend(_heuristics((*pool, *history), needs, request.quality.source))
    judge_tokens = rows.pop("judge_tokens", None)
    if judge_tokens is not None:
        notes.append(judge_cost_note(request.quality.judge, "The data", judge_tokens))
    clusters = int(rows["cluster"].max()) + 1 if "cluster" in rows else 1
    context = {"cluster_count": np.array(clusters), "vocabulary_size": np.array(scorer.learner.vocabulary_size)}
    if "proxy_sketch" in needs:
        if not proxy:
            drawn = stream(request.seed, "data").permutation(len(pool))[:_PROXY]
            proxy = tuple(pool[row] for row in drawn)
            notes.append(f"No --proxy was given: {len(proxy)} random examples of the data stand in for it.")
        sketch_NK = scorer.rows(proxy, frozenset({"head_sketch"}))["head_sketch"]
        context["proxy_sketch"] = sketch_NK.mean(axis=0)
    whole = Signals(tuple(item.example.id for item in (*pool, *history)), rows, context)
    ahead = whole.take(np.arange(len(pool)))
    return ahead, whole.take(np.arange(len(pool), len(whole))) if history else None


def _heuristics(texts: Sequence[Tokens], needs: frozenset[str], source: str) -> list[str]:
    stand_in = {"quality": "rule filters", "difficulty": "the rank of the model's NLL"}
    return [
        f"{label.capitalize()} comes from {heuristic}, because not every example carries it."
        for label, heuristic in stand_in.items()
        if label in needs
        and not (label == "quality" and source != "auto")
        and any(getattr(item.example, label) is None for item in texts)
    ]


def _rows(
    scorer: _Scorer, files: Sequence[Sequence[Tokens]], needs: frozenset[str], request: PickRequest
) -> dict[str, np.ndarray]:
    texts = [item for texts in files for item in texts]
    wanted = needs - _KNOWN - CONTEXT_NAMES
    examples = [item.example for item in texts]
    if needs & {"embedding", "cluster"}:
        wanted |= {"embedding"}
    if "difficulty" in needs or ("quality" in needs and request.quality.source == "ifd"):
        wanted |= {"nll"}
    # Apart, so that the pool's signals serve whatever history it is seen with.
    scored = [scorer.rows(texts, frozenset(wanted)) for texts in files if texts]
    rows = {name: np.concatenate([part[name] for part in scored]) for name in sorted(wanted)}
    rows["tokens"] = np.array([item.response_length for item in texts], dtype=np.int32)
    rows["size"] = budget_sizes(Pool("", tuple(texts)), request.budget.unit)
    rows["origin"] = np.zeros(len(texts), dtype=np.int32)
    if "quality" in needs:
        size = scorer.batch_tokens
        graded = pool_quality(scorer.learner, request.quality, texts, rows.get("nll"), request.judge_folder, size)
        rows |= graded
    if "difficulty" in needs:
        rows["difficulty"] = _labels(examples, "difficulty", difficulty_from_nll(rows["nll"]))
    if "cluster" in needs:
        rows["cluster"] = _clusters(examples, rows["embedding"], request)
    return {name: array for name, array in rows.items() if name in needs | {"cluster", "judge_tokens"}}


def _labels(examples: Sequence[Example], name: str, heuristic: np.ndarray) -> np.ndarray:
    values: list[Any] = [getattr(example, name) for example in examples]
    return heuristic if any(value is None for value in values) else np.array(values, dtype=np.float64)


def _clusters(examples: Sequence[Example], embedding_ND: np.ndarray, request: PickRequest) -> np.ndarray:
    names = [example.cluster for example in examples]
    if all(names):
        numbers = {name: number for number, name in enumerate(sorted({str(name) for name in names}))}
        return np.array([numbers[str(name)] for name in names], dtype=np.int32)
    found = spherical_kmeans(embedding_ND, request.clusters, stream(request.seed, "eval"))
    return assign(embedding_ND, found.centroids_CD).astype(np.int32)


def _percentiles(values: np.ndarray) -> np.ndarray:
    below: np.ndarray = (rankdata(values, method="min") - 1) / max(len(values), 1) * 100
    return below
